/* eval/correlation_filter.h - follows a box by a filter that is learnt as it goes.
 *
 * MOSSE (Bolme et al. 2010, "Visual Object Tracking using Adaptive Correlation Filters"), without
 * changes of size: the simple tracker that the segmenter is compared with, not one to use.
 */
#ifndef EVAL_CORRELATION_FILTER_H
#define EVAL_CORRELATION_FILTER_H

#include <roto/image.h>

typedef struct correlation_filter correlation_filter;

/* Starts on the box with the centre x, y in an RGB8 image. Sizes are at least 1. */
roto_status correlation_filter_new(const roto_image *image, double x, double y, double width,
                                   double height, correlation_filter **out);
void correlation_filter_free(correlation_filter *filter); /* NULL is fine */

/* Finds the box's centre in the next image and learns from it, unless too little is to be seen of
 * the object there: then it stays where it was. */
void correlation_filter_next(correlation_filter *filter, const roto_image *image, double *x,
                             double *y);

#endif
