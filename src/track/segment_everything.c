/* Masks of everything in an image: asks the decoder about a grid of points and keeps what is sure
 * and new (Kirillov et al. 2023, "Segment Anything", section 5). */
#include "track/segmenter.h"

#include "base/error.h"
#include "base/memory.h"
#include "track/everything_grid.h"
#include "track/everything_result.h"
#include "track/mask_holes.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_POINTS_PER_SIDE = 128, MAX_POINTS_DIVISOR = 8 };

/* Overlap that leaves every part longer than its overlap with the next. */
#define MAX_CROP_OVERLAP 0.9

/* The decoder's masks 1 to 3 are for ambiguous prompts, as a single point is. */
enum { FIRST_MASK = 1 };

roto_everything_params roto_everything_params_default(void)
{
    return (roto_everything_params){
        .struct_bytes = sizeof(roto_everything_params),
        .points_per_side = 32,
        .min_iou = -1,
        .min_stability = -1,
        .stability_offset = 1,
        .nms_iou = 0.7f,
        .crop_overlap = 512.0 / 1500,
        .crop_nms_iou = 0.7f,
        .crop_points_divisor = 1,
        .min_region_cells = -1,
        .max_bytes = (int64_t)1 << 30,
    };
}

static roto_status check_share(const char *name, double value, double most)
{
    if (!(value >= 0 && value <= most))
        return roto_fail(ROTO_ERROR_ARGUMENT, "everything: %s is %g; it has to be 0..%g", name,
                         value, most);
    return ROTO_OK;
}

static roto_status check_count(const char *name, int64_t value, int64_t least, int64_t most)
{
    if (value < least || value > most)
        return roto_fail(ROTO_ERROR_ARGUMENT, "everything: %s is %lld; it has to be %lld..%lld",
                         name, (long long)value, (long long)least, (long long)most);
    return ROTO_OK;
}

/* Fills in what is the model's to say. Published ones have a square input of their own. */
static roto_everything_params params_for(const roto_everything_params *from, const sam2_config *c)
{
    const bool published = c->image_size > 0;
    roto_everything_params p = *from;
    if (p.min_iou == -1.0f)
        p.min_iou = published ? 0.8f : 0.3f;
    if (p.min_stability == -1.0f)
        p.min_stability = published ? 0.95f : 0.3f;
    if (p.min_region_cells == -1)
        p.min_region_cells = published ? 0 : 16;
    return p;
}

static roto_status check_params(const roto_everything_params *p)
{
    if (p->struct_bytes != sizeof(*p))
        return roto_fail(ROTO_ERROR_ARGUMENT, "everything: the parameters do not come from "
                                              "roto_everything_params_default()");
    ROTO_TRY(check_count("points_per_side", p->points_per_side, 1, MAX_POINTS_PER_SIDE));
    ROTO_TRY(check_share("min_iou", (double)p->min_iou, 1));
    ROTO_TRY(check_share("min_stability", (double)p->min_stability, 1));
    if (!(p->stability_offset > 0 && isfinite(p->stability_offset)))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "everything: stability_offset is %g; it has to be above 0",
                         (double)p->stability_offset);
    ROTO_TRY(check_share("nms_iou", (double)p->nms_iou, 1));
    ROTO_TRY(check_count("crop_layers", p->crop_layers, 0, EVERYTHING_MAX_LAYERS));
    ROTO_TRY(check_share("crop_overlap", p->crop_overlap, MAX_CROP_OVERLAP));
    ROTO_TRY(check_share("crop_nms_iou", (double)p->crop_nms_iou, 1));
    ROTO_TRY(check_count("crop_points_divisor", p->crop_points_divisor, 1, MAX_POINTS_DIVISOR));
    ROTO_TRY(check_count("min_region_cells", p->min_region_cells, 0, INT32_MAX));
    return check_count("max_bytes", p->max_bytes, 1, INT64_MAX);
}

/* What a search works with. */
typedef struct search {
    roto_segmenter *s;
    const roto_everything_params *p;
    const roto_image *image;
    found_masks found;
    int64_t n_points, n_asked; /* of all parts */

    /* Of the part that is looked at: */
    mask_edges part;
    int32_t n_per_side;
    mask_scaler *scaler;

    float *cleaned;  /* [mask_h, mask_w] */
    uint8_t *pixels; /* [height, width] of the image, 0 outside the part */
    rle_mask rle;
} search;

static int32_t layer_points(const roto_everything_params *p, int32_t layer)
{
    int32_t n = p->points_per_side;
    for (int32_t i = 0; i < layer; i++)
        n /= p->crop_points_divisor;
    return n;
}

static roto_status plan(search *q)
{
    const roto_everything_params *p = q->p;
    for (int32_t layer = 0; layer <= p->crop_layers; layer++) {
        const crop_layer l =
            crop_layer_make(q->image->width, q->image->height, layer, p->crop_overlap);
        const int32_t n = layer_points(p, layer);
        const mask_edges last = crop_layer_part(&l, crop_layer_n(&l) - 1, false);
        if (l.step_x < 1 || l.step_y < 1 || last.x1 <= last.x0 || last.y1 <= last.y0)
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "everything: crop_layers is %d; an image of %d x %d pixels is too "
                             "small for more than %d",
                             p->crop_layers, q->image->width, q->image->height, layer - 1);
        if (n < 1)
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "everything: points_per_side %d by crop_points_divisor %d leaves "
                             "layer %d no points",
                             p->points_per_side, p->crop_points_divisor, layer);
        q->n_points += (int64_t)crop_layer_n(&l) * n * n;
    }
    const sam2_size *size = &q->s->size;
    q->cleaned = memory_new_array((size_t)size->mask_w * (size_t)size->mask_h, sizeof(float));
    q->pixels = memory_new_array((size_t)q->image->width * (size_t)q->image->height, 1);
    return q->cleaned && q->pixels ? ROTO_OK : ROTO_ERROR_MEMORY;
}

static void search_free(search *q)
{
    found_masks_free(&q->found);
    mask_scaler_free(q->scaler);
    rle_free(&q->rle);
    free(q->cleaned);
    free(q->pixels);
}

/* Shows the model the part, at the size that it has for the whole image. */
static roto_status look(search *q)
{
    roto_segmenter *s = q->s;
    const segment_view view = {.x = q->part.x0,
                               .y = q->part.y0,
                               .w = q->part.x1 - q->part.x0,
                               .h = q->part.y1 - q->part.y0};
    ROTO_TRY(segment_show(s, &view, q->image));
    ROTO_TRY(segment_encode_frame(s));
    mask_scaler_free(q->scaler);
    q->scaler = NULL;
    memset(q->pixels, 0, (size_t)q->image->width * (size_t)q->image->height);
    return mask_scaler_new(s->size.mask_w, s->size.mask_h, view.w, view.h, &q->scaler);
}

/* Keeps one answer to the point x, y of the part unless it is dropped. */
static roto_status consider(search *q, const float *logits, float iou, float x, float y)
{
    const roto_everything_params *p = q->p;
    const sam2_size *size = &q->s->size;
    const int32_t width = q->image->width, height = q->image->height;
    if (!(iou > p->min_iou))
        return ROTO_OK;
    if (p->min_region_cells > 0) {
        mask_clean(logits, size->mask_w, size->mask_h, p->min_region_cells, q->s->hole_queue,
                   q->s->hole_state, q->cleaned);
        logits = q->cleaned;
    }
    const float stability = mask_scaler_stability(q->scaler, logits, p->stability_offset);
    mask_edges box;
    if (!(stability >= p->min_stability) || !mask_scaler_box(q->scaler, logits, &box))
        return ROTO_OK;
    found_mask mask = {
        .box = {box.x0 + q->part.x0, box.y0 + q->part.y0, box.x1 + q->part.x0, box.y1 + q->part.y0},
        .crop = q->part,
        .iou = iou,
        .stability = stability,
        .x = x + (float)q->part.x0,
        .y = y + (float)q->part.y0};
    const mask_edges last = {mask.box.x0, mask.box.y0, mask.box.x1 - 1, mask.box.y1 - 1};
    if (box_is_cut(&last, &q->part, width, height))
        return ROTO_OK;
    mask_scaler_write(q->scaler, logits, 1, q->pixels + (ptrdiff_t)q->part.y0 * width + q->part.x0,
                      width);
    ROTO_TRY(
        rle_encode_columns(q->pixels, width, height, width, mask.box.x0, mask.box.x1, &q->rle));
    ROTO_TRY(found_masks_add(&q->found, &mask, &q->rle));
    if (q->found.bytes > (uint64_t)p->max_bytes)
        return roto_fail(ROTO_ERROR_MEMORY,
                         "everything: run lengths of %zu masks take more than the %lld bytes "
                         "that max_bytes allows",
                         q->found.n, (long long)p->max_bytes);
    return ROTO_OK;
}

/* Asks about points first..first + SEGMENT_POINT_BATCH - 1 of the part's grid; behind the last one
 * that one is asked about again, and not looked at. */
static roto_status ask(search *q, int32_t first)
{
    roto_segmenter *s = q->s;
    const sam2_size *size = &s->size;
    const int64_t d = s->model->config.d_model, n_pixels = (int64_t)size->mask_w * size->mask_h;
    const int32_t n_points = q->n_per_side * q->n_per_side,
                  n = first + SEGMENT_POINT_BATCH < n_points ? SEGMENT_POINT_BATCH
                                                             : n_points - first;
    const int32_t w = q->part.x1 - q->part.x0, h = q->part.y1 - q->part.y0;
    const segment_graph *g = NULL;
    ROTO_TRY(segment_graphs_points(s->graphs, &g));
    executable *e = g->e;
    float *sparse = s->table->input(e, POINTS_IN_SPARSE);
    float at[SEGMENT_POINT_BATCH][2];
    for (int32_t i = 0; i < SEGMENT_POINT_BATCH; i++) {
        grid_point(q->n_per_side, first + (i < n ? i : n - 1), w, h, &at[i][0], &at[i][1]);
        const prompt_point point = {at[i][0] / (float)w * (float)size->image_w,
                                    at[i][1] / (float)h * (float)size->image_h, POINT_FOREGROUND};
        prompt_encoder_points(&s->model->prompt_encoder, size, &point, 1, SAM2_POINT_TOKENS,
                              sparse + i * SAM2_POINT_TOKENS * d);
    }
    ROTO_TRY(s->table->run(e));
    const float *masks = s->table->output(e, POINTS_OUT_MASKS),
                *ious = s->table->output(e, POINTS_OUT_IOUS);
    for (int32_t i = 0; i < n; i++) {
        for (int32_t k = i * SAM2_N_MASKS + FIRST_MASK; k < (i + 1) * SAM2_N_MASKS; k++)
            ROTO_TRY(consider(q, masks + k * n_pixels, ious[k], at[i][0], at[i][1]));
    }
    q->n_asked += n;
    if (q->p->progress && q->p->progress(q->p->user, (double)q->n_asked / (double)q->n_points))
        return roto_fail(ROTO_CANCELLED, "everything: stopped after %lld of %lld points",
                         (long long)q->n_asked, (long long)q->n_points);
    return ROTO_OK;
}

static roto_status search_all(search *q)
{
    const roto_everything_params *p = q->p;
    const bool even = q->image->format == ROTO_PIXEL_YUV420P || q->image->format == ROTO_PIXEL_NV12;
    ROTO_TRY(plan(q));
    for (int32_t layer = 0; layer <= p->crop_layers; layer++) {
        const crop_layer l =
            crop_layer_make(q->image->width, q->image->height, layer, p->crop_overlap);
        q->n_per_side = layer_points(p, layer);
        for (int32_t i = 0; i < crop_layer_n(&l); i++) {
            const size_t first = q->found.n;
            q->part = crop_layer_part(&l, i, even);
            ROTO_TRY(look(q));
            for (int32_t at = 0; at < q->n_per_side * q->n_per_side; at += SEGMENT_POINT_BATCH)
                ROTO_TRY(ask(q, at));
            ROTO_TRY(found_masks_suppress(&q->found, first, RANK_IOU, p->nms_iou));
        }
    }
    if (p->crop_layers == 0)
        return ROTO_OK;
    return found_masks_suppress(&q->found, 0, RANK_SMALL_CROP, p->crop_nms_iou);
}

roto_status roto_segmenter_everything(roto_segmenter *s, const roto_image *image,
                                      const roto_everything_params *params, roto_everything **out)
{
    if (!s || !out)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "everything: no segmenter, or no place for the masks");
    *out = NULL;
    ROTO_TRY(roto_image_check(image));
    const roto_everything_params defaults = roto_everything_params_default();
    const roto_everything_params p = params_for(params ? params : &defaults, &s->model->config);
    search q = {.s = s, .p = &p, .image = image};
    ROTO_TRY(check_params(&p));
    ROTO_TRY(segmenter_size(s, image));
    s->is_image = false;
    s->image_masks.n_candidates = 0;
    s->view = segment_view_whole(image->width, image->height);
    s->frame = -1; /* the video's frame is gone; it goes on with its next one */
    roto_status status = segment_take(s, image, &q.image);
    if (status == ROTO_OK)
        status = search_all(&q);
    s->encoded = false;
    if (status == ROTO_OK)
        status = everything_new(&q.found, image->width, image->height, out);
    search_free(&q);
    return status;
}
