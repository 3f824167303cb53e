/* video/overlay.h - objects drawn into pictures: boxes, labels, masks, a colour per identity.
 *
 * Everything scales with the picture's height and is antialiased. Drawing goes straight into the
 * planes of YUV420P, NV12, RGB8 and (in shades) GRAY8; colours come out right for the target's
 * matrix and range.
 */
#ifndef VIDEO_OVERLAY_H
#define VIDEO_OVERLAY_H

#include "video/draw_target.h"

#include <roto/track.h>

typedef struct overlay overlay;

typedef struct overlay_color {
    uint8_t r, g, b;
} overlay_color;

roto_status overlay_new(overlay **out);
void overlay_free(overlay *o); /* NULL is fine */

/* Distinct for neighbouring identities and the same in every run. */
overlay_color overlay_identity_color(int64_t id);

/* Boxes with label plates like "person 3 0.87"; predicted boxes (missed_frames > 0) are thinner.
 * Classes outside the names are written as numbers, those below 0 as "object". Allocates only when
 * the picture's height changes. */
roto_status overlay_draw_tracks(overlay *o, const draw_target *target, const roto_track *tracks,
                                int32_t n_tracks, const char *const *class_names,
                                int32_t n_class_names);

/* The same for detections without identities, coloured by class. */
roto_status overlay_draw_detections(overlay *o, const draw_target *target,
                                    const roto_detection *detections, int32_t n_detections,
                                    const char *const *class_names, int32_t n_class_names);

/* Tints the pixels where mask[y * stride_bytes + x] is not 0, and draws their contour. The mask
 * has the picture's size. */
roto_status overlay_draw_mask(overlay *o, const draw_target *target, const uint8_t *mask,
                              ptrdiff_t stride_bytes, overlay_color color);

#endif
