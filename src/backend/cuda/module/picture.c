#include "backend/cuda/module/picture.h"

#include "backend/cuda/kernels/params.h"
#include "backend/cuda/module/executable.h"
#include "base/error.h"

static picture_axis_params axis_of(const picture_axis *a, const buffer *tables)
{
    const float *words = tables->data + a->at;
    return (picture_axis_params){.first = (const int32_t *)(const void *)words,
                                 .count = (const int32_t *)(const void *)(words + a->n_out),
                                 .weights = words + 2 * (ptrdiff_t)a->n_out,
                                 .n_in = a->n_in,
                                 .max_taps = a->max_taps,
                                 .lanes = a->lanes};
}

/* At least so many columns of the window `tile` columns of the output are made of. */
static int64_t columns_of(const picture_axis *x, int32_t tile)
{
    const int64_t n = ((int64_t)tile * x->n_in + x->n_out - 1) / x->n_out + x->max_taps + 1;
    return n < x->n_in ? n : x->n_in;
}

/* Floats that sums over rows take, all planes together. */
static int64_t column_floats(const picture_view *v, int32_t tile)
{
    int64_t total = 0;
    for (int i = 0; i < v->n_planes; i++)
        total += columns_of(&v->planes[i].x, tile) * v->planes[i].channels;
    return total;
}

static picture_view_params params_of(const picture_view *v, int32_t tile)
{
    picture_view_params p = {.n_planes = v->n_planes,
                             .is_yuv = v->is_yuv,
                             .width = v->width,
                             .height = v->height,
                             .luma = v->luma,
                             .luma_offset = v->luma_offset,
                             .red_v = v->red_v,
                             .green_u = v->green_u,
                             .green_v = v->green_v,
                             .blue_u = v->blue_u,
                             .out = v->out->data};
    int64_t at = 0;
    for (int i = 0; i < v->n_planes; i++) {
        const picture_plane *from = &v->planes[i];
        p.planes[i] = (picture_plane_params){.samples = (const uint8_t *)v->bytes->data + from->at,
                                             .stride_bytes = (int64_t)from->stride_bytes,
                                             .x = axis_of(&from->x, v->tables),
                                             .y = axis_of(&from->y, v->tables),
                                             .channels = from->channels,
                                             .column_at = (int32_t)at};
        at += columns_of(&from->x, tile) * from->channels;
    }
    for (int i = 0; i < 3; i++) {
        p.gain[i] = v->gain[i];
        p.offset[i] = v->offset[i];
    }
    return p;
}

static roto_status show_some(const backend *b, backend_queue queue, const picture_view *views,
                             int n)
{
    enum { MOST_FLOATS = PICTURE_COLUMN_BYTES / sizeof(float) };
    picture_params p = {.n_views = n, .tile = PICTURE_TILE};
    for (int i = 0; i < n; i++) {
        ROTO_TRY(picture_view_check(&views[i], b));
        while (p.tile > 1 && column_floats(&views[i], p.tile) > MOST_FLOATS)
            p.tile /= 2;
        if (column_floats(&views[i], p.tile) > MOST_FLOATS)
            return roto_fail(ROTO_ERROR_UNSUPPORTED,
                             "cuda: a picture %d samples wide cannot be made %d pixels wide",
                             views[i].planes[0].x.n_in, views[i].width);
    }
    for (int i = 0; i < n; i++) {
        const int32_t floats = (int32_t)column_floats(&views[i], p.tile);
        p.column_floats = floats > p.column_floats ? floats : p.column_floats;
        p.views[i] = params_of(&views[i], p.tile);
    }
    DEVICE_TRY(picture_launch(&p, b->streams[queue]), "resizing %d pictures", n);
    return ROTO_OK;
}

roto_status cuda_picture_show(backend *b, backend_queue queue, const picture_view *views, int n)
{
    DEVICE_TRY(cudaSetDevice(b->device), "choosing device %d", b->device);
    for (int done = 0; done < n; done += PICTURE_MAX_VIEWS) {
        const int left = n - done;
        ROTO_TRY(
            show_some(b, queue, views + done, left < PICTURE_MAX_VIEWS ? left : PICTURE_MAX_VIEWS));
    }
    return ROTO_OK;
}
