#include <roto/detect.h>

#include "base/error.h"
#include "base/memory.h"
#include "video/overlay.h"
#include "video/rgb_copy.h"

#include <stdlib.h>

static roto_status draw(const roto_detector *detector, const roto_detection *detections, int32_t n,
                        const draw_target *target)
{
    overlay *o = NULL;
    int32_t n_names = roto_detector_n_classes(detector);
    const char **names = memory_new_array((size_t)n_names, sizeof(*names));
    roto_status status = names ? overlay_new(&o) : ROTO_ERROR_MEMORY;
    for (int32_t i = 0; i < n_names && names; i++)
        names[i] = roto_detector_class_name(detector, i);
    if (status == ROTO_OK)
        status = overlay_draw_detections(o, target, detections, n, names, n_names);
    overlay_free(o);
    free(names);
    return status;
}

roto_status roto_detector_draw(const roto_detector *detector, const roto_image *image,
                               const roto_detection *detections, int32_t n_detections,
                               roto_image *out, void **storage)
{
    if (!detector || !out || !storage || n_detections < 0 || (n_detections && !detections))
        return roto_fail(ROTO_ERROR_ARGUMENT, "draw: detector, detections or place for the result "
                                              "is missing");
    *storage = NULL;
    ROTO_TRY(roto_image_check(image));
    draw_target target;
    roto_image copy;
    void *pixels;
    ROTO_TRY(rgb_copy_new(image, &copy, &pixels, &target));
    const roto_status status = draw(detector, detections, n_detections, &target);
    if (status != ROTO_OK) {
        free(pixels);
        return status;
    }
    *out = copy;
    *storage = pixels;
    return ROTO_OK;
}
