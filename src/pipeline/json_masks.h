/* pipeline/json_masks.h - the masks of a frame's tracks as text for JSON. */
#ifndef PIPELINE_JSON_MASKS_H
#define PIPELINE_JSON_MASKS_H

#include "format/rle.h"
#include "pipeline/label_map.h"

/* Zeroed at first. */
typedef struct json_masks {
    const char **of_tracks; /* COCO's run lengths; NULL for a track without a mask */
    rle_text *texts;        /* behind them */
    rle_mask rle;
    size_t track_capacity, text_capacity;
} json_masks;

/* `map` is the frame's when objects have masks. */
roto_status json_masks_make(json_masks *j, const frame_objects *objects, label_map *map,
                            const roto_frame *frame);
void json_masks_free(json_masks *j); /* its memory */

#endif
