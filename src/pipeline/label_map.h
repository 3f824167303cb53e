/* pipeline/label_map.h - which object each pixel of a frame belongs to: where masks overlap, the
 * one with the higher logit. All outputs with masks are made from it, so that they agree. */
#ifndef PIPELINE_LABEL_MAP_H
#define PIPELINE_LABEL_MAP_H

#include "pipeline/frame_objects.h"

typedef struct label_map label_map;

roto_status label_map_new(label_map **out);
void label_map_free(label_map *m); /* NULL is fine */

/* Makes the map of a frame of that size. Allocates only when a size is another than before. */
roto_status label_map_make(label_map *m, const frame_objects *objects, int32_t width,
                           int32_t height);

/* [height, width] without gaps: 0, or 1 + the place of a mask among the objects' masks. */
const uint16_t *label_map_labels(const label_map *m);

/* [height, width] without gaps: 1 on one object, 0 elsewhere; valid until the next call. */
const uint8_t *label_map_mask(label_map *m, int32_t mask);

/* [height, width] without gaps: how much of each pixel belongs to any object, 0..255: the logistic
 * function of the highest logit. Valid until the next call. */
roto_status label_map_matte(label_map *m, const frame_objects *objects, int32_t width,
                            int32_t height, const uint8_t **matte);

#endif
