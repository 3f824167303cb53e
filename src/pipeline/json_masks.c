#include "pipeline/json_masks.h"

#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>

roto_status json_masks_make(json_masks *j, const frame_objects *objects, label_map *map,
                            const roto_frame *frame)
{
    const size_t n = (size_t)objects->n_tracks;
    if (!memory_grow((void **)&j->of_tracks, &j->track_capacity, n, sizeof(*j->of_tracks)) ||
        !memory_grow((void **)&j->texts, &j->text_capacity, n, sizeof(*j->texts)))
        return ROTO_ERROR_MEMORY;
    const int32_t width = frame->image.width, height = frame->image.height;
    for (size_t i = 0; i < n; i++) {
        const int32_t mask = frame_objects_mask_of(objects, objects->tracks[i].id);
        j->of_tracks[i] = NULL;
        if (mask < 0)
            continue;
        ROTO_TRY(rle_encode(label_map_mask(map, mask), width, height, width, &j->rle));
        ROTO_TRY(rle_write_text(&j->rle, &j->texts[i]));
        j->of_tracks[i] = j->texts[i].chars;
    }
    return ROTO_OK;
}

void json_masks_free(json_masks *j)
{
    for (size_t i = 0; i < j->text_capacity; i++)
        rle_text_free(&j->texts[i]);
    rle_free(&j->rle);
    free(j->texts);
    free(j->of_tracks);
    *j = (json_masks){0};
}
