#include "video/picture.h"

#include "base/error.h"

#include <stdbool.h>
#include <string.h>

#include <libavcodec/codec_desc.h>
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

/* What a decoded picture becomes. */
typedef struct target {
    enum AVPixelFormat format;
    roto_color_matrix matrix;
    bool full_range;
} target;

/* Streams that do not say: what players assume, 709 from 720p on (ITU-R BT.709 is the HD standard)
 * and 601 below. */
static roto_color_matrix unstated_matrix(const AVFrame *picture)
{
    return picture->width >= 1280 || picture->height > 576 ? ROTO_COLOR_BT709 : ROTO_COLOR_BT601;
}

static bool matrix_of(const AVFrame *picture, roto_color_matrix *matrix)
{
    switch (picture->colorspace) {
    case AVCOL_SPC_BT709:
    case AVCOL_SPC_SMPTE240M: /* 0.212, 0.701, 0.087: within 0.02 of 709 */
        *matrix = ROTO_COLOR_BT709;
        return true;
    case AVCOL_SPC_FCC:
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
        *matrix = ROTO_COLOR_BT601;
        return true;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        *matrix = ROTO_COLOR_BT2020;
        return true;
    case AVCOL_SPC_RGB: /* of formats that are RGB, and of some writers that mean nothing by it */
    case AVCOL_SPC_UNSPECIFIED:
    case AVCOL_SPC_RESERVED:
        *matrix = unstated_matrix(picture);
        return true;
    default:
        return false;
    }
}

/* The J formats are full range in the format's name, which FFmpeg calls deprecated and still
 * decodes JPEG to. */
static bool is_j_format(int format)
{
    return format == AV_PIX_FMT_YUVJ420P || format == AV_PIX_FMT_YUVJ422P ||
           format == AV_PIX_FMT_YUVJ444P || format == AV_PIX_FMT_YUVJ440P ||
           format == AV_PIX_FMT_YUVJ411P;
}

static bool is_full_range(const AVFrame *picture, enum AVCodecID codec, bool grey)
{
    if (is_j_format(picture->format) || picture->color_range == AVCOL_RANGE_JPEG)
        return true;
    if (picture->color_range == AVCOL_RANGE_MPEG || !grey)
        return false;
    /* Grey from video codecs is luma, grey from PNG and its like is all of 0..255. */
    const AVCodecDescriptor *descriptor = avcodec_descriptor_get(codec);
    return !descriptor || !(descriptor->props & AV_CODEC_PROP_LOSSY);
}

static roto_status choose_target(const char *name, const AVFrame *picture, enum AVCodecID codec,
                                 target *out)
{
    const AVPixFmtDescriptor *descriptor = av_pix_fmt_desc_get(picture->format);
    if (!descriptor || (descriptor->flags & AV_PIX_FMT_FLAG_HWACCEL))
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: pixel format %s is not supported", name,
                         descriptor ? descriptor->name : "unknown");
    const uint64_t not_yuv = AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL | AV_PIX_FMT_FLAG_BAYER;
    if ((descriptor->flags & not_yuv) || picture->format == AV_PIX_FMT_XYZ12LE ||
        picture->format == AV_PIX_FMT_XYZ12BE) {
        *out = (target){.format = AV_PIX_FMT_RGB24};
        return ROTO_OK;
    }
    bool grey = descriptor->nb_components < 3;
    if (!matrix_of(picture, &out->matrix))
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: colour matrix %s is not supported; BT.601, BT.709 and BT.2020 are",
                         name, av_color_space_name(picture->colorspace));
    out->full_range = is_full_range(picture, codec, grey);
    /* JFIF (ITU-T T.871) is BT.601 whatever the size. */
    if (is_j_format(picture->format) && picture->colorspace == AVCOL_SPC_UNSPECIFIED)
        out->matrix = ROTO_COLOR_BT601;
    if (grey)
        out->format = AV_PIX_FMT_GRAY8;
    else
        out->format = picture->format == AV_PIX_FMT_NV12 ? AV_PIX_FMT_NV12 : AV_PIX_FMT_YUV420P;
    return ROTO_OK;
}

static bool has_negative_rows(const AVFrame *picture)
{
    return picture->linesize[0] < 0 || picture->linesize[1] < 0 || picture->linesize[2] < 0;
}

static bool must_convert(const AVFrame *picture, enum AVPixelFormat to)
{
    bool same = picture->format == to ||
                (picture->format == AV_PIX_FMT_YUVJ420P && to == AV_PIX_FMT_YUV420P);
    return !same || has_negative_rows(picture);
}

void picture_converter_reset(picture_converter *converter)
{
    sws_freeContext(converter->sws);
    *converter = (picture_converter){0};
}

static roto_status prepare(picture_converter *converter, const char *name, const AVFrame *from,
                           const target *to)
{
    if (converter->sws && converter->width == from->width && converter->height == from->height &&
        converter->from == from->format && converter->to == (int)to->format &&
        converter->full_range == to->full_range)
        return ROTO_OK;
    picture_converter_reset(converter);
    /* Sizes stay; only chroma is resampled. */
    int flags = SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP;
    converter->sws = sws_getContext(from->width, from->height, from->format, from->width,
                                    from->height, to->format, flags, NULL, NULL, NULL);
    if (!converter->sws)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: cannot convert pixel format %s to %s", name,
                         av_get_pix_fmt_name(from->format), av_get_pix_fmt_name(to->format));
    /* The same matrix and range on both sides: what the numbers mean is passed on. */
    const int *matrix = sws_getCoefficients(SWS_CS_DEFAULT);
    sws_setColorspaceDetails(converter->sws, matrix, to->full_range, matrix, to->full_range, 0,
                             1 << 16, 1 << 16);
    converter->width = from->width;
    converter->height = from->height;
    converter->from = from->format;
    converter->to = (int)to->format;
    converter->full_range = to->full_range;
    return ROTO_OK;
}

static roto_status convert(picture_converter *converter, frame_pool *pool, const char *name,
                           const target *to, AVFrame *picture)
{
    ROTO_TRY(prepare(converter, name, picture, to));
    AVFrame *made = av_frame_alloc();
    if (!made)
        return roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory for a frame", name);
    roto_status status =
        frame_pool_picture(pool, to->format, picture->width, picture->height, made);
    if (status == ROTO_OK) {
        int rows = sws_scale(converter->sws, (const uint8_t *const *)picture->data,
                             picture->linesize, 0, picture->height, made->data, made->linesize);
        if (rows != picture->height)
            status = roto_fail(ROTO_ERROR_INTERNAL, "%s: converted %d of %d rows", name, rows,
                               picture->height);
    }
    if (status == ROTO_OK) {
        av_frame_unref(picture);
        av_frame_move_ref(picture, made);
    }
    av_frame_free(&made);
    return status;
}

/* Luma alone, 16..235: GRAY8 is 0..255, so the picture becomes YUV420P without colour. */
static roto_status add_neutral_chroma(frame_pool *pool, AVFrame *picture)
{
    AVFrame *made = av_frame_alloc();
    if (!made)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory for a frame");
    roto_status status =
        frame_pool_picture(pool, AV_PIX_FMT_YUV420P, picture->width, picture->height, made);
    if (status == ROTO_OK) {
        av_image_copy_plane(made->data[0], made->linesize[0], picture->data[0],
                            picture->linesize[0], picture->width, picture->height);
        for (int i = 1; i < 3; i++)
            memset(made->data[i], 128,
                   (size_t)made->linesize[i] * (size_t)((picture->height + 1) / 2));
        av_frame_unref(picture);
        av_frame_move_ref(picture, made);
    }
    av_frame_free(&made);
    return status;
}

void picture_show_planes(const AVFrame *picture, roto_image *image)
{
    image->width = picture->width;
    image->height = picture->height;
    switch (picture->format) {
    case AV_PIX_FMT_RGB24:
        image->format = ROTO_PIXEL_RGB8;
        break;
    case AV_PIX_FMT_GRAY8:
        image->format = ROTO_PIXEL_GRAY8;
        break;
    case AV_PIX_FMT_NV12:
        image->format = ROTO_PIXEL_NV12;
        break;
    default:
        image->format = ROTO_PIXEL_YUV420P;
        break;
    }
    for (int i = 0; i < 3; i++) {
        image->plane[i] = picture->data[i];
        image->stride_bytes[i] = picture->linesize[i];
    }
}

roto_status picture_to_image(picture_converter *converter, frame_pool *pool, const char *name,
                             enum AVCodecID codec, AVFrame *picture, roto_image *image)
{
    target to = {0};
    ROTO_TRY(choose_target(name, picture, codec, &to));
    if (must_convert(picture, to.format))
        ROTO_TRY(convert(converter, pool, name, &to, picture));
    if (to.format == AV_PIX_FMT_GRAY8 && !to.full_range)
        ROTO_TRY(add_neutral_chroma(pool, picture));
    picture_show_planes(picture, image);
    bool is_yuv = image->format == ROTO_PIXEL_YUV420P || image->format == ROTO_PIXEL_NV12;
    image->matrix = is_yuv ? to.matrix : ROTO_COLOR_BT601;
    image->full_range = is_yuv && to.full_range;
    return ROTO_OK;
}
