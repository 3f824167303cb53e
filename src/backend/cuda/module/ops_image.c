/* Pooling and resizing. */
#include "backend/cuda/module/executable.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

/* How many channels a thread takes. */
static int32_t channels_at_once(const dev_site *site)
{
    const bool fours = site->in[0].shape.dim[3] % 4 == 0 && operand_aligned(&site->in[0], 4) &&
                       operand_aligned(&site->out, 4);
    return fours ? 4 : 1;
}

roto_status pool2d_prepare(dev_site *site)
{
    const pool2d_attr *a = &site->node->attr.pool2d;
    const int64_t *in = site->in[0].shape.dim, *out = site->out.shape.dim;
    const pool_params p = {
        .out = rows_of(&site->out),
        .x = rows_of(&site->in[0]),
        .n = (int32_t)in[0],
        .in_h = (int32_t)in[1],
        .in_w = (int32_t)in[2],
        .out_h = (int32_t)out[1],
        .out_w = (int32_t)out[2],
        .channels = (int32_t)in[3],
        .vector = channels_at_once(site),
        .kernel_h = a->kernel_h,
        .kernel_w = a->kernel_w,
        .stride_h = a->stride_h,
        .stride_w = a->stride_w,
        .pad_top = a->pad_top,
        .pad_left = a->pad_left,
        .pad_bottom = a->pad_bottom,
        .pad_right = a->pad_right,
        .average = a->kind == POOL_AVERAGE,
        .count_padding = a->count_padding,
    };
    return site_add(site, "pool", pool_launch, &p, sizeof(p), 0);
}

/* ---- resizing: the definitions of graph.h as tables of positions and weights ---- */

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t nearest(resize_coords coords, int64_t dst, int64_t in, int64_t out)
{
    if (coords == RESIZE_ASYMMETRIC)
        return dst * in / out;
    if (coords == RESIZE_HALF_PIXEL)
        return -floor_div(-(2 * dst + 1) * in, 2 * out) - 1;
    return out == 1 ? 0 : -floor_div(-(2 * dst * (in - 1) - (out - 1)), 2 * (out - 1));
}

static double position(resize_coords coords, int64_t dst, int64_t in, int64_t out)
{
    if (coords == RESIZE_ASYMMETRIC)
        return (double)dst * (double)in / (double)out;
    if (coords == RESIZE_HALF_PIXEL)
        return ((double)dst + 0.5) * (double)in / (double)out - 0.5;
    return out == 1 ? 0 : (double)dst * (double)(in - 1) / (double)(out - 1);
}

static double filter(const resize2d_attr *a, double distance) /* Keys 1981 for the cubic */
{
    const double x = fabs(distance);
    if (a->kind == RESIZE_BILINEAR)
        return x < 1 ? 1 - x : 0;
    const double k = a->antialias ? -0.5 : -0.75;
    if (x < 1)
        return ((k + 2) * x - (k + 3)) * x * x + 1;
    return x < 2 ? ((k * x - 5 * k) * x + 8 * k) * x - 4 * k : 0;
}

static int64_t clamp(int64_t i, int64_t size)
{
    return i < 0 ? 0 : i >= size ? size - 1 : i;
}

/* Positions and weights of one output position; at most `n_taps`, the rest repeats the first. */
static void fill_taps(const resize2d_attr *a, int64_t dst, int64_t in, int64_t out, int n_taps,
                      int32_t *index, float *weight)
{
    int64_t first, last;
    double centre = 0, widen = 1, total = 1;
    if (a->kind == RESIZE_NEAREST) {
        first = last = nearest(a->coords, dst, in, out);
    } else {
        centre = position(a->coords, dst, in, out);
        double radius = a->kind == RESIZE_BILINEAR ? 1 : 2;
        first = (int64_t)floor(centre) - (int64_t)radius + 1;
        last = (int64_t)floor(centre) + (int64_t)radius;
        if (a->antialias) {
            widen = in > out ? (double)in / (double)out : 1;
            radius *= widen;
            first = (int64_t)fmax(ceil(centre - radius), 0);
            last = (int64_t)fmin(floor(centre + radius), (double)in - 1);
            total = 0;
            for (int64_t tap = first; tap <= last; tap++)
                total += filter(a, ((double)tap - centre) / widen);
        }
    }
    for (int i = 0; i < n_taps; i++) {
        const bool used = first + i <= last;
        index[i] = (int32_t)clamp(used ? first + i : first, in);
        weight[i] = !used ? 0
                    : a->kind == RESIZE_NEAREST
                        ? 1
                        : (float)(filter(a, ((double)(first + i) - centre) / widen) / total);
    }
}

static int most_taps(const resize2d_attr *a, int64_t in, int64_t out)
{
    if (a->kind == RESIZE_NEAREST)
        return 1;
    const double radius = a->kind == RESIZE_BILINEAR ? 1 : 2;
    if (!a->antialias)
        return (int)(2 * radius);
    const double widen = in > out ? (double)in / (double)out : 1;
    return (int)ceil(2 * radius * widen) + 1;
}

static roto_status make_axis(dev_site *site, int64_t in, int64_t out, resize_axis *axis)
{
    const resize2d_attr *a = &site->node->attr.resize2d;
    const int n = most_taps(a, in, out);
    *axis = (resize_axis){.n_taps = n};
    if (site->e->measuring)
        return ROTO_OK;
    int32_t *index = memory_new_array((size_t)(out * n), sizeof(*index));
    float *weight = memory_new_array((size_t)(out * n), sizeof(*weight));
    void *index_at = NULL, *weight_at = NULL;
    roto_status status = index && weight ? ROTO_OK : ROTO_ERROR_MEMORY;
    for (int64_t i = 0; i < out && status == ROTO_OK; i++)
        fill_taps(a, i, in, out, n, index + i * n, weight + i * n);
    if (status == ROTO_OK)
        status = site_upload(site, index, (size_t)(out * n) * sizeof(*index), &index_at);
    if (status == ROTO_OK)
        status = site_upload(site, weight, (size_t)(out * n) * sizeof(*weight), &weight_at);
    axis->index = index_at;
    axis->weight = weight_at;
    free(index);
    free(weight);
    return status;
}

roto_status resize2d_prepare(dev_site *site)
{
    const int64_t *in = site->in[0].shape.dim, *out = site->out.shape.dim;
    resize_params p = {.out = rows_of(&site->out),
                       .x = rows_of(&site->in[0]),
                       .n = (int32_t)in[0],
                       .in_h = (int32_t)in[1],
                       .in_w = (int32_t)in[2],
                       .out_h = (int32_t)out[1],
                       .out_w = (int32_t)out[2],
                       .channels = (int32_t)in[3],
                       .vector = channels_at_once(site)};
    ROTO_TRY(make_axis(site, in[1], out[1], &p.rows));
    ROTO_TRY(make_axis(site, in[2], out[2], &p.columns));
    return site_add(site, "resize", resize_launch, &p, sizeof(p), 0);
}
