#include "video/fit.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

#include <libavutil/imgutils.h>
#include <libswscale/swscale.h>

enum { CANVAS_ALIGN_BYTES = 64 };

static const enum AVPixelFormat av_formats[] = {
    [ROTO_PIXEL_RGB8] = AV_PIX_FMT_RGB24,
    [ROTO_PIXEL_GRAY8] = AV_PIX_FMT_GRAY8,
    [ROTO_PIXEL_YUV420P] = AV_PIX_FMT_YUV420P,
    [ROTO_PIXEL_NV12] = AV_PIX_FMT_NV12,
};

static const int sws_matrix[] = {
    [ROTO_COLOR_BT601] = SWS_CS_ITU601,
    [ROTO_COLOR_BT709] = SWS_CS_ITU709,
    [ROTO_COLOR_BT2020] = SWS_CS_BT2020,
};

static bool is_yuv(const roto_image *image)
{
    return image->format == ROTO_PIXEL_YUV420P || image->format == ROTO_PIXEL_NV12;
}

static void paint_black(AVFrame *canvas, bool full_range)
{
    int chroma_rows = canvas->height / 2;
    memset(canvas->data[0], full_range ? 0 : 16,
           (size_t)canvas->linesize[0] * (size_t)canvas->height);
    memset(canvas->data[1], 128, (size_t)canvas->linesize[1] * (size_t)chroma_rows);
    if (canvas->data[2])
        memset(canvas->data[2], 128, (size_t)canvas->linesize[2] * (size_t)chroma_rows);
}

roto_status fit_init(fit *f, const roto_image *first)
{
    *f = (fit){.width = first->width,
               .height = first->height,
               .even_width = first->width + first->width % 2,
               .even_height = first->height + first->height % 2,
               .format = first->format == ROTO_PIXEL_NV12 ? AV_PIX_FMT_NV12 : AV_PIX_FMT_YUV420P};
    bool hd = first->width >= 1280 || first->height > 576;
    f->matrix = is_yuv(first) ? first->matrix : hd ? ROTO_COLOR_BT709 : ROTO_COLOR_BT601;
    f->full_range = is_yuv(first) ? first->full_range : 0;
    f->canvas = av_frame_alloc();
    if (!f->canvas)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory for a frame");
    f->canvas->format = f->format;
    f->canvas->width = f->even_width;
    f->canvas->height = f->even_height;
    return ROTO_OK;
}

void fit_clear(fit *f)
{
    av_frame_free(&f->canvas);
    sws_freeContext(f->sws);
    *f = (fit){0};
}

/* The largest rectangle of the image's shape inside the first picture's, in the middle. Even
 * borders keep chroma where it belongs. */
static void place(const fit *f, const roto_image *image, int *x, int *y, int *width, int *height)
{
    *x = *y = 0;
    *width = f->width;
    *height = f->height;
    if (image->width == f->width && image->height == f->height)
        return;
    int64_t by_width = (int64_t)f->width * image->height,
            by_height = (int64_t)f->height * image->width;
    if (by_width <= by_height)
        *height = (int)(by_width / image->width);
    else
        *width = (int)(by_height / image->height);
    *width = *width > 2 ? *width & ~1 : 2;
    *height = *height > 2 ? *height & ~1 : 2;
    *x = *width < f->width ? (f->width - *width) / 2 & ~1 : 0;
    *y = *height < f->height ? (f->height - *height) / 2 & ~1 : 0;
}

static roto_status prepare_sws(fit *f, const roto_image *image, int width, int height)
{
    const roto_image *old = &f->sws_from;
    if (f->sws && old->width == image->width && old->height == image->height &&
        old->format == image->format && old->matrix == image->matrix &&
        old->full_range == image->full_range)
        return ROTO_OK;
    sws_freeContext(f->sws);
    int flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;
    f->sws = sws_getContext(image->width, image->height, av_formats[image->format], width, height,
                            f->format, flags, NULL, NULL, NULL);
    if (!f->sws)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "cannot scale %d x %d pixels to %d x %d",
                         image->width, image->height, width, height);
    const int *to = sws_getCoefficients(sws_matrix[f->matrix]);
    const int *from = is_yuv(image) ? sws_getCoefficients(sws_matrix[image->matrix]) : to;
    int from_full = is_yuv(image) ? image->full_range : 1;
    sws_setColorspaceDetails(f->sws, from, from_full, to, f->full_range, 0, 1 << 16, 1 << 16);
    f->sws_from = *image;
    paint_black(f->canvas, f->full_range);
    return ROTO_OK;
}

/* The column and row that make the size even repeat the last ones. */
static void extend(AVFrame *canvas, int width, int height)
{
    int stride = canvas->linesize[0];
    if (width < canvas->width) {
        for (int y = 0; y < height; y++)
            canvas->data[0][y * stride + width] = canvas->data[0][y * stride + width - 1];
    }
    if (height < canvas->height)
        memcpy(canvas->data[0] + height * stride, canvas->data[0] + (height - 1) * stride,
               (size_t)canvas->width);
}

static roto_status redraw(fit *f, const roto_image *image)
{
    if (!f->canvas->data[0] && av_frame_get_buffer(f->canvas, CANVAS_ALIGN_BYTES) < 0)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory for a frame of %d x %d pixels",
                         f->even_width, f->even_height);
    int x, y, width, height;
    place(f, image, &x, &y, &width, &height);
    ROTO_TRY(prepare_sws(f, image, width, height));
    const uint8_t *from[4] = {image->plane[0], image->plane[1], image->plane[2]};
    int from_stride[4], chroma_bytes = f->format == AV_PIX_FMT_NV12 ? 2 : 1;
    for (int i = 0; i < 4; i++)
        from_stride[i] = i < 3 ? (int)image->stride_bytes[i] : 0;
    AVFrame *canvas = f->canvas;
    uint8_t *to[4] = {canvas->data[0] + y * canvas->linesize[0] + x};
    for (int i = 1; i < 3 && canvas->data[i]; i++)
        to[i] = canvas->data[i] + y / 2 * canvas->linesize[i] + x / 2 * chroma_bytes;
    sws_scale(f->sws, from, from_stride, 0, image->height, to, canvas->linesize);
    if (width == f->width && height == f->height)
        extend(canvas, width, height);
    return ROTO_OK;
}

roto_status fit_picture(fit *f, const roto_image *image, AVFrame *out)
{
    bool as_it_is = image->width == f->even_width && image->height == f->even_height &&
                    av_formats[image->format] == f->format && image->full_range == f->full_range;
    out->format = f->format;
    out->width = f->even_width;
    out->height = f->even_height;
    if (!as_it_is)
        ROTO_TRY(redraw(f, image));
    for (int i = 0; i < 3; i++) {
        /* AVFrame has no view of constant pixels; the encoder only reads. */
        out->data[i] = as_it_is ? (uint8_t *)(uintptr_t)image->plane[i] : f->canvas->data[i];
        out->linesize[i] = as_it_is ? (int)image->stride_bytes[i] : f->canvas->linesize[i];
    }
    return ROTO_OK;
}
