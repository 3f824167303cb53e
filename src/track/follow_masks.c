#include "track/follow_masks.h"

#include "track/segmenter.h"

#include <math.h>
#include <string.h>

static roto_status give_frame(void *user, const roto_image *image, int64_t index,
                              const roto_segment **segments, int32_t *n_segments)
{
    return roto_segmenter_frame(user, image, index, segments, n_segments);
}

static roto_status give_prompt(void *user, int64_t id, int64_t frame, const roto_prompt *prompt)
{
    return roto_segmenter_prompt(user, id, frame, prompt);
}

static roto_status forget(void *user, int64_t id)
{
    return roto_segmenter_remove(user, id);
}

static roto_status get_results(void *user, const roto_segment **segments, int32_t *n_segments)
{
    return roto_segmenter_results(user, segments, n_segments);
}

/* Adds a cell's features, `share` times, to a sum. */
static void add_cell(float *sum, const float *cell, int64_t n, float share)
{
    for (int64_t k = 0; k < n; k++)
        sum[k] += share * cell[k];
}

/* The encoder's features averaged under the mask, less their average over the picture: what sets
 * the object apart from it. */
static void average_features(void *user, const mask_grid *grid, const uint64_t *bits, float *out)
{
    const roto_segmenter *s = user;
    const int64_t n = s->model->config.d_model;
    const int32_t step_x = grid->w / s->size.w, step_y = grid->h / s->size.h;
    const float n_cells = (float)(s->size.w * s->size.h), area = (float)mask_area(grid, bits);
    memset(out, 0, (size_t)n * sizeof(*out));
    if (!s->encoded || !s->kept_features || area == 0)
        return;
    const float *cell = s->kept_features->data;
    for (int32_t y = 0; y < s->size.h; y++) {
        for (int32_t x = 0; x < s->size.w; x++, cell += n) {
            int32_t covered = 0;
            for (int32_t v = y * step_y; v < (y + 1) * step_y; v++)
                for (int32_t u = x * step_x; u < (x + 1) * step_x; u++)
                    covered += (int32_t)(bits[v * grid->row_words + u / 64] >> u % 64 & 1);
            add_cell(out, cell, n, (float)covered / area - 1 / n_cells);
        }
    }
    double square = 0;
    for (int64_t k = 0; k < n; k++)
        square += (double)out[k] * (double)out[k];
    const float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    for (int64_t k = 0; k < n; k++)
        out[k] *= scale;
}

follow_masks follow_masks_of(roto_segmenter *segmenter)
{
    segmenter->keeps_features = true;
    return (follow_masks){.user = segmenter,
                          .max_objects = segmenter->params.max_objects,
                          .n_features = segmenter->model->config.d_model,
                          .frame = give_frame,
                          .prompt = give_prompt,
                          .remove = forget,
                          .results = get_results,
                          .features = average_features};
}
