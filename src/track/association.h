/* track/association.h - how well a detection fits an object. */
#ifndef TRACK_ASSOCIATION_H
#define TRACK_ASSOCIATION_H

#include <roto/detect.h>

/* Overlap of two boxes divided by their union, 0..1. */
float box_iou(const roto_box *a, const roto_box *b);

/* OC-SORT's momentum (Cao et al. 2023, section 4.2): how well the way from an earlier box of an
 * object to a detection agrees with the way from there to its latest box. 0.5: same direction, 0:
 * at right angles or one of the ways has no length, -0.5: opposite. */
float box_momentum(const roto_box *earlier, const roto_box *latest, const roto_box *detection);

#endif
