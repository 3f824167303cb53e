/* roto/everything.h - masks of everything in an image, without a prompt.
 *
 * A grid of points is put on the image, the segmenter answers each of them, and what is not sure of
 * itself or says the same as another mask is dropped: the automatic mask generator of Kirillov et
 * al. 2023, "Segment Anything" (section 5 and appendix B), as SAM 2 publishes it. Masks may overlap
 * (a part and the whole) and need not cover the image.
 *
 *     roto_everything *all = NULL;
 *     roto_segmenter_everything(segmenter, &image, NULL, &all);
 *     for (int32_t i = 0; i < all->n_masks; i++)
 *         printf("%lld pixels\n", (long long)all->masks[i].area_px);
 *     roto_everything_free(all);
 */
#ifndef ROTO_EVERYTHING_H
#define ROTO_EVERYTHING_H

#include <roto/segment.h>

#ifdef __cplusplus
extern "C" {
#endif

/* In brackets what the published code calls it. Defaults are the published ones; -1 stands for the
 * model's: published models have their published ones, and roto's own small model, which is less
 * sure of single points, others. */
typedef struct roto_everything_params {
    size_t struct_bytes;     /* sizeof(roto_everything_params), set by its _default function */
    int32_t points_per_side; /* of the grid, 1..128. Default 32 */
    float min_iou; /* masks whose predicted IoU is not above it are dropped, 0..1. Default -1: 0.8,
                      or 0.3 with the shipped model [pred_iou_thresh] */
    float min_stability; /* so are those whose stability is below it, 0..1. Default -1: 0.95, or 0.3
                            with the shipped model [stability_score_thresh] */
    float stability_offset; /* stability is the share of the pixels with logits above minus this
                               that are above plus this; above 0. Default 1 [stability_score_offset]
                             */
    float nms_iou;       /* of two masks whose boxes overlap more than this the one with the lower
                            predicted IoU is dropped, 0..1. Default 0.7 [box_nms_thresh] */
    int32_t crop_layers; /* 0..3: how often the image is looked at again in parts, first in 2 x 2,
                            then in 4 x 4, 8 x 8. Default 0 [crop_n_layers] */
    double crop_overlap; /* how far the first layer's parts overlap, as a share of the image's
                           shorter side; further layers' half as far each; 0..0.9. Default 512 /
                           1500 [crop_overlap_ratio] */
    float crop_nms_iou;  /* of two masks from different parts whose boxes overlap more than this the
                            one from the larger part is dropped, 0..1. Default 0.7 [crop_nms_thresh]
                          */
    int32_t crop_points_divisor; /* each layer's grid has so many times fewer points a side, 1..8.
                                    Default 1 [crop_n_points_downscale_factor] */
    int32_t min_region_cells;    /* holes and separate regions of up to so many cells of the logits'
                                    grid are filled and dropped; 0: none. Default -1: 0, or 16 with
                                    the shipped model [min_mask_region_area, in SAM 2's sense] */
    int64_t
        max_bytes; /* that run lengths may take before duplicates are dropped, 1 or more. Default
                      1 GiB, which a hundred thousand masks of usual pictures do not reach */
    /* Called now and then with the share of the points that were asked, 0..1, from the calling
     * thread; another value than 0 ends the search: ROTO_CANCELLED. NULL: not called. */
    int32_t (*progress)(void *user, double share);
    void *user;
} roto_everything_params;

ROTO_API roto_everything_params roto_everything_params_default(void);

typedef struct roto_everything_mask {
    int64_t area_px;        /* 1 or more */
    roto_box box;           /* around its pixels: x1 and y1 lie behind the last */
    float iou;              /* predicted overlap with the truth, 0..1 */
    float stability;        /* 0..1 */
    float point_x, point_y; /* that it answers, in pixels of the image */
    roto_box crop;          /* the part of the image that was looked at */
    /* The mask as run lengths the way COCO has them: columns from left to right, each from top to
     * bottom; n_counts lengths of runs that are not on the object (first, perhaps 0 long) and on
     * it in turn, which add up to width * height. */
    const uint32_t *counts;
    size_t n_counts;
    const char *rle; /* the same as COCO's text ("counts" of its compressed form), NUL-terminated */
} roto_everything_mask;

typedef struct roto_everything {
    int32_t width, height;             /* of the image */
    const roto_everything_mask *masks; /* [n_masks]; the surest first, with crops those of smaller
                                          parts before */
    int32_t n_masks;
} roto_everything;

/* Finds masks of everything in `image`; params may be NULL. *out belongs to the caller, who frees
 * it with roto_everything_free(), and does not need the segmenter any more; it may hold no masks.
 * Takes as long as points_per_side squared answers do, many at once, and memory for those of a few.
 * The same call gives the same bits, whatever the number of threads.
 *
 * An image that was given to roto_segmenter_image() before is forgotten. A video that was going on
 * keeps its objects and goes on with its next frame. Parts of images in YUV begin at even pixels.
 *
 * ROTO_ERROR_ARGUMENT: a parameter out of its range; an image of another shape than the objects
 * that are tracked allow; more parts than the image has pixels for. ROTO_ERROR_MEMORY: more than
 * max_bytes, or more than 65,535 masks. *out is NULL then. */
ROTO_API roto_status roto_segmenter_everything(roto_segmenter *segmenter, const roto_image *image,
                                               const roto_everything_params *params,
                                               roto_everything **out);
ROTO_API void roto_everything_free(roto_everything *all); /* NULL is fine */

/* Writes mask `index`: mask [height, width], rows stride_bytes apart, `value` on it, 0 elsewhere.
 */
ROTO_API roto_status roto_everything_mask_write(const roto_everything *all, int32_t index,
                                                uint8_t value, uint8_t *mask,
                                                ptrdiff_t stride_bytes);

/* Writes which mask each pixel belongs to: map [height, width], rows `stride` elements apart, 0 for
 * none, else 1 + the mask's index. Where masks overlap the one of smaller area wins, so that parts
 * are seen on their wholes; of equal ones the first. */
ROTO_API roto_status roto_everything_map(const roto_everything *all, uint16_t *map,
                                         ptrdiff_t stride);

/* Writes that map as PNG: a palette for up to 255 masks, else 16-bit grey. The file appears under
 * `path` only when it is complete. */
ROTO_API roto_status roto_everything_write_png(const roto_everything *all, const char *path);

#ifdef __cplusplus
}
#endif
#endif
