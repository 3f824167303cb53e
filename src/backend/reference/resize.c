/* Resizing as one weighted sum over rows and columns, in the conventions of PyTorch and PIL. */
#include "backend/reference/operators.h"

#include <math.h>

/* Round towards minus and plus infinity; the divisor is positive. */
static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

static int64_t ceil_div(int64_t a, int64_t b)
{
    return -floor_div(-a, b);
}

/* In integers, so that positions exactly between two pixels round as documented. */
static int64_t nearest(resize_coords coords, int64_t dst, int64_t in, int64_t out)
{
    switch (coords) {
    case RESIZE_ASYMMETRIC:
        return floor_div(dst * in, out);
    case RESIZE_HALF_PIXEL: /* ceil(src - 1/2) with src + 1/2 = (2 dst + 1) in / (2 out) */
        return ceil_div((2 * dst + 1) * in, 2 * out) - 1;
    case RESIZE_ALIGN_CORNERS:
        return out == 1 ? 0 : ceil_div(2 * dst * (in - 1) - (out - 1), 2 * (out - 1));
    }
    return 0;
}

static double source_position(resize_coords coords, int64_t dst, int64_t in, int64_t out)
{
    switch (coords) {
    case RESIZE_ASYMMETRIC:
        return (double)dst * (double)in / (double)out;
    case RESIZE_HALF_PIXEL:
        return ((double)dst + 0.5) * (double)in / (double)out - 0.5;
    case RESIZE_ALIGN_CORNERS:
        return out == 1 ? 0 : (double)dst * (double)(in - 1) / (double)(out - 1);
    }
    return 0;
}

/* Filters by distance in pixels. Keys 1981 for the cubic. */
static double filter_weight(const resize2d_attr *a, double distance)
{
    const double x = fabs(distance);
    if (a->kind == RESIZE_BILINEAR)
        return x < 1 ? 1 - x : 0;
    const double k = a->antialias ? -0.5 : -0.75;
    if (x < 1)
        return ((k + 2) * x - (k + 3)) * x * x + 1;
    return x < 2 ? ((k * x - 5 * k) * x + 8 * k) * x - 4 * k : 0;
}

/* The input positions that one output position is made of, before clamping to the input. */
typedef struct tap_range {
    int64_t first, last;
    double centre, widen; /* the filter is `widen` times as wide as the pixels are */
    double total;         /* of the weights */
} tap_range;

static double tap_weight(const resize2d_attr *a, const tap_range *r, int64_t tap)
{
    if (a->kind == RESIZE_NEAREST)
        return 1;
    return filter_weight(a, ((double)tap - r->centre) / r->widen) / r->total;
}

static tap_range taps_of(const resize2d_attr *a, int64_t dst, int64_t in, int64_t out)
{
    tap_range r = {.widen = 1, .total = 1};
    if (a->kind == RESIZE_NEAREST) {
        r.first = r.last = nearest(a->coords, dst, in, out);
        return r;
    }
    r.centre = source_position(a->coords, dst, in, out);
    double radius = a->kind == RESIZE_BILINEAR ? 1 : 2;
    if (!a->antialias) { /* pixels beyond the border repeat it */
        r.first = (int64_t)floor(r.centre) - (int64_t)radius + 1;
        r.last = (int64_t)floor(r.centre) + (int64_t)radius;
        return r;
    }
    /* Pixels beyond the border do not exist: what is left of the filter is normalised. */
    if (in > out)
        r.widen = (double)in / (double)out;
    radius *= r.widen;
    r.first = (int64_t)fmax(ceil(r.centre - radius), 0);
    r.last = (int64_t)fmin(floor(r.centre + radius), (double)in - 1);
    double total = 0;
    for (int64_t tap = r.first; tap <= r.last; tap++)
        total += tap_weight(a, &r, tap);
    r.total = total;
    return r;
}

static int64_t clamp_index(int64_t i, int64_t size)
{
    return i < 0 ? 0 : i >= size ? size - 1 : i;
}

void ref_resize2d(const ref_call *call)
{
    const resize2d_attr *a = &call->node->attr.resize2d;
    const int64_t *in = call->shape[0]->dim, *out = call->out_shape->dim;
    float *to = call->out;
    for (int64_t n = 0; n < out[0]; n++)
        for (int64_t oy = 0; oy < out[1]; oy++) {
            const tap_range rows = taps_of(a, oy, in[1], out[1]);
            for (int64_t ox = 0; ox < out[2]; ox++) {
                const tap_range columns = taps_of(a, ox, in[2], out[2]);
                for (int64_t c = 0; c < out[3]; c++) {
                    double sum = 0;
                    for (int64_t y = rows.first; y <= rows.last; y++) {
                        const int64_t row = n * in[1] + clamp_index(y, in[1]);
                        const double wy = tap_weight(a, &rows, y);
                        for (int64_t x = columns.first; x <= columns.last; x++) {
                            const int64_t pixel = row * in[2] + clamp_index(x, in[2]);
                            sum += wy * tap_weight(a, &columns, x) * call->in[0][pixel * in[3] + c];
                        }
                    }
                    *to++ = (float)sum;
                }
            }
        }
}
