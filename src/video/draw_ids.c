#include <roto/image.h>

#include "base/error.h"
#include "base/memory.h"
#include "video/overlay.h"
#include "video/rgb_copy.h"

#include <stdbool.h>
#include <stdlib.h>

/* Draws each value of `ids`; `mask` has room for the picture. */
static roto_status draw(const roto_image *ids, overlay *o, uint8_t *mask, const draw_target *target)
{
    bool present[UINT8_MAX + 1] = {0};
    for (int32_t y = 0; y < ids->height; y++)
        for (int32_t x = 0; x < ids->width; x++)
            present[ids->plane[0][y * ids->stride_bytes[0] + x]] = true;
    for (int id = 1; id <= UINT8_MAX; id++) {
        if (!present[id])
            continue;
        for (int32_t y = 0; y < ids->height; y++) {
            const uint8_t *row = ids->plane[0] + y * ids->stride_bytes[0];
            for (int32_t x = 0; x < ids->width; x++)
                mask[(ptrdiff_t)y * ids->width + x] = row[x] == id;
        }
        ROTO_TRY(overlay_draw_mask(o, target, mask, ids->width, overlay_identity_color(id)));
    }
    return ROTO_OK;
}

roto_status roto_image_draw_ids(const roto_image *image, const roto_image *ids, roto_image *out,
                                void **storage)
{
    if (!out || !storage)
        return roto_fail(ROTO_ERROR_ARGUMENT, "draw ids: there is no place for the result");
    *storage = NULL;
    ROTO_TRY(roto_image_check(image));
    ROTO_TRY(roto_image_check(ids));
    if (ids->format != ROTO_PIXEL_GRAY8 || ids->width != image->width ||
        ids->height != image->height)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "draw ids: ids of %d x %d for a picture of %d x %d; they have to be GRAY8 "
                         "of the same size",
                         ids->width, ids->height, image->width, image->height);
    draw_target target;
    roto_image copy;
    void *pixels = NULL;
    overlay *o = NULL;
    uint8_t *mask = memory_new_array((size_t)ids->width, (size_t)ids->height);
    roto_status status = mask ? overlay_new(&o) : ROTO_ERROR_MEMORY;
    if (status == ROTO_OK)
        status = rgb_copy_new(image, &copy, &pixels, &target);
    if (status == ROTO_OK)
        status = draw(ids, o, mask, &target);
    if (status == ROTO_OK) {
        *out = copy;
        *storage = pixels;
    } else {
        free(pixels);
    }
    overlay_free(o);
    free(mask);
    return status;
}
