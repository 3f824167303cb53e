#include "models/frame_input.h"

#include "base/memory.h"
#include "models/antialias.h"
#include "models/color.h"

#include <stdlib.h>

struct frame_input {
    int32_t width, height;
    float gain[3], offset[3]; /* byte * gain + offset */
    int32_t image_w, image_h; /* that the axes are for; 0: none yet */
    antialias_axis x, y, chroma_x, chroma_y;
    float *column;  /* [image_w * 3] */
    float *rows[3]; /* [width * 3]: a resized row of each plane */
};

static void forget_image(frame_input *f)
{
    antialias_axis_free(&f->x);
    antialias_axis_free(&f->y);
    antialias_axis_free(&f->chroma_x);
    antialias_axis_free(&f->chroma_y);
    free(f->column);
    f->column = NULL;
    f->image_w = f->image_h = 0;
}

void frame_input_free(frame_input *f)
{
    if (!f)
        return;
    forget_image(f);
    for (int i = 0; i < 3; i++)
        free(f->rows[i]);
    free(f);
}

roto_status frame_input_new(int32_t width, int32_t height, const float mean[3], const float std[3],
                            frame_input **out)
{
    *out = NULL;
    frame_input *f = memory_new_array(1, sizeof(*f));
    if (!f)
        return ROTO_ERROR_MEMORY;
    f->width = width;
    f->height = height;
    bool ok = true;
    for (int i = 0; i < 3; i++) {
        f->gain[i] = (float)(1 / (255.0 * (double)std[i]));
        f->offset[i] = (float)(-(double)mean[i] / (double)std[i]);
        f->rows[i] = memory_new_array((size_t)width * 3, sizeof(float));
        ok = ok && f->rows[i];
    }
    if (!ok) {
        frame_input_free(f);
        return ROTO_ERROR_MEMORY;
    }
    *out = f;
    return ROTO_OK;
}

roto_status frame_input_prepare(frame_input *f, int32_t w, int32_t h)
{
    if (f->image_w == w && f->image_h == h)
        return ROTO_OK;
    forget_image(f);
    roto_status status = antialias_axis_init(&f->x, w, f->width);
    if (status == ROTO_OK)
        status = antialias_axis_init(&f->y, h, f->height);
    if (status == ROTO_OK)
        status = antialias_axis_init(&f->chroma_x, (w + 1) / 2, f->width);
    if (status == ROTO_OK)
        status = antialias_axis_init(&f->chroma_y, (h + 1) / 2, f->height);
    f->column = memory_new_array((size_t)w * 3, sizeof(float));
    if (status == ROTO_OK && !f->column)
        status = ROTO_ERROR_MEMORY;
    if (status != ROTO_OK) {
        forget_image(f);
        return status;
    }
    f->image_w = w;
    f->image_h = h;
    return ROTO_OK;
}

static float clamp_byte(float value)
{
    value = value < 0 ? 0 : value;
    return value > 255 ? 255 : value;
}

/* chroma_step is a constant where it is called, so that the loop vectorises. */
static inline __attribute__((always_inline)) void
convert_yuv(const frame_input *f, const color_yuv *m, const float *restrict u,
            const float *restrict v, int32_t chroma_step, float *restrict out)
{
    const float *restrict luma = f->rows[0];
    const color_yuv matrix = *m; /* copies that the stores below cannot change */
    const float gain[3] = {f->gain[0], f->gain[1], f->gain[2]};
    const float offset[3] = {f->offset[0], f->offset[1], f->offset[2]};
    for (int32_t i = 0; i < f->width; i++) {
        const float y = (luma[i] + matrix.luma_offset) * matrix.luma;
        const float cu = u[i * chroma_step] - 128, cv = v[i * chroma_step] - 128;
        const float red = clamp_byte(y + matrix.red_v * cv);
        const float green = clamp_byte(y + matrix.green_u * cu + matrix.green_v * cv);
        const float blue = clamp_byte(y + matrix.blue_u * cu);
        out[3 * i] = red * gain[0] + offset[0];
        out[3 * i + 1] = green * gain[1] + offset[1];
        out[3 * i + 2] = blue * gain[2] + offset[2];
    }
}

static void convert_planar(const frame_input *f, const color_yuv *m, float *out)
{
    convert_yuv(f, m, f->rows[1], f->rows[2], 1, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"))) static void convert_planar_avx2(const frame_input *f,
                                                                    const color_yuv *m, float *out)
{
    convert_yuv(f, m, f->rows[1], f->rows[2], 1, out);
}
#endif

static void write_planar(const frame_input *f, const color_yuv *m, float *out)
{
#if defined(__x86_64__)
    if (f->x.avx2) {
        convert_planar_avx2(f, m, out);
        return;
    }
#endif
    convert_planar(f, m, out);
}

static void write_rgb(const frame_input *f, int32_t channels, float *out)
{
    for (int32_t i = 0; i < f->width; i++) {
        const float *rgb = f->rows[0] + (ptrdiff_t)i * channels;
        for (int32_t c = 0; c < 3; c++)
            *out++ = rgb[channels == 3 ? c : 0] * f->gain[c] + f->offset[c];
    }
}

static void resize_chroma(frame_input *f, const roto_image *image, int plane, int32_t channels,
                          int32_t row)
{
    antialias_row(&f->chroma_x, &f->chroma_y, image->plane[plane], image->stride_bytes[plane],
                  channels, row, f->column, f->rows[plane]);
}

roto_status frame_input_fill(frame_input *f, const roto_image *image, float *out)
{
    const roto_status status = frame_input_prepare(f, image->width, image->height);
    if (status != ROTO_OK)
        return status;
    const bool planar = image->format == ROTO_PIXEL_YUV420P,
               nv12 = image->format == ROTO_PIXEL_NV12;
    const color_yuv matrix = planar || nv12 ? color_yuv_of(image) : (color_yuv){0};
    const int32_t channels = image->format == ROTO_PIXEL_RGB8 ? 3 : 1;
    for (int32_t y = 0; y < f->height; y++, out += 3 * (ptrdiff_t)f->width) {
        antialias_row(&f->x, &f->y, image->plane[0], image->stride_bytes[0], channels, y, f->column,
                      f->rows[0]);
        if (planar) {
            resize_chroma(f, image, 1, 1, y);
            resize_chroma(f, image, 2, 1, y);
            write_planar(f, &matrix, out);
        } else if (nv12) {
            resize_chroma(f, image, 1, 2, y);
            convert_yuv(f, &matrix, f->rows[1], f->rows[1] + 1, 2, out);
        } else {
            write_rgb(f, channels, out);
        }
    }
    return ROTO_OK;
}
