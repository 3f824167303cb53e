/* video/natural_order.h - file names as people count: "frame 9" before "frame 10". */
#ifndef VIDEO_NATURAL_ORDER_H
#define VIDEO_NATURAL_ORDER_H

/* For qsort over char *: runs of digits by value, the rest by bytes. A total order: names that
 * differ in leading zeros only are told apart by bytes. */
int natural_order_compare(const void *a, const void *b);

#endif
