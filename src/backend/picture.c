#include "backend/picture.h"

#include "base/error.h"
#include "base/memory.h"

static bool axis_fits(const picture_axis *a, const buffer *tables, int32_t n_out)
{
    size_t words;
    return a->n_in > 0 && a->n_out == n_out && a->max_taps > 0 &&
           (a->lanes == 1 || a->lanes == 8) && a->max_taps % a->lanes == 0 &&
           size_mul((size_t)a->n_out, (size_t)a->max_taps + 2, &words) && a->at <= tables->n &&
           words <= tables->n - a->at;
}

static bool plane_fits(const picture_plane *p, const buffer *bytes)
{
    const size_t row = (size_t)p->x.n_in * (size_t)p->channels, have = bytes->n * sizeof(float);
    size_t before, total;
    return p->channels >= 1 && p->channels <= 3 && p->stride_bytes >= row &&
           size_mul((size_t)(p->y.n_in - 1), p->stride_bytes, &before) &&
           size_add(before, row, &total) && p->at <= have && total <= have - p->at;
}

static bool channels_fit(const picture_view *v)
{
    const int32_t n = v->n_planes, first = v->planes[0].channels, second = v->planes[1].channels;
    if (!v->is_yuv)
        return n == 1 && first != 2;
    return first == 1 &&
           ((n == 2 && second == 2) || (n == 3 && second == 1 && v->planes[2].channels == 1));
}

static bool is_device(const buffer *of, const backend *b)
{
    return of && of->owner == b && of->kind == BUFFER_DEVICE;
}

roto_status picture_view_check(const picture_view *v, const backend *b)
{
    if (!is_device(v->bytes, b) || !is_device(v->tables, b) || !is_device(v->out, b))
        return roto_fail(ROTO_ERROR_INTERNAL,
                         "a view of a picture lacks buffers of the backend's device");
    size_t floats;
    if (v->width < 1 || v->height < 1 ||
        !size_mul((size_t)v->width * 3, (size_t)v->height, &floats) || floats > v->out->n ||
        v->n_planes < 1 || v->n_planes > PICTURE_MAX_PLANES)
        return roto_fail(ROTO_ERROR_INTERNAL,
                         "a view of %d planes as %d x %d pixels has %zu floats to write to",
                         v->n_planes, v->width, v->height, v->out->n);
    for (int i = 0; i < v->n_planes; i++) {
        const picture_plane *p = &v->planes[i];
        if (!axis_fits(&p->x, v->tables, v->width) || !axis_fits(&p->y, v->tables, v->height) ||
            !plane_fits(p, v->bytes))
            return roto_fail(ROTO_ERROR_INTERNAL,
                             "plane %d of a view, %d x %d samples of %d bytes from byte %zu, does "
                             "not fit %zu bytes or its tables %zu words",
                             i, p->x.n_in, p->y.n_in, p->channels, p->at,
                             v->bytes->n * sizeof(float), v->tables->n);
    }
    if (!channels_fit(v))
        return roto_fail(ROTO_ERROR_INTERNAL,
                         "a view of %d planes, the first of %d channels, is neither RGB nor YUV",
                         v->n_planes, v->planes[0].channels);
    return ROTO_OK;
}
