#include "models/yolo/letterbox.h"

#include "base/error.h"
#include "base/memory.h"
#include "models/color.h"
#include "models/yolo/resample.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LUMA, CHROMA, N_GRIDS };
enum { N_LINES = 4, BLOCK_PX = 64 };

struct letterbox {
    const detector_config *config;
    float table[3][256];      /* network value of a byte, by the network's channel */
    float gain[3], offset[3]; /* the same as a line */
    resample_axis x[N_GRIDS], y[N_GRIDS];
    int16_t *rows[3][2];    /* by plane */
    uint8_t *line[N_LINES]; /* resized rows of the planes, and one more for split chroma */
    int32_t *indices;
    int16_t *weights;
    int32_t image_width, image_height; /* that the axes are for; 0: none yet */
    letterbox_place place;
};

void letterbox_free(letterbox *l)
{
    if (!l)
        return;
    for (int p = 0; p < 3; p++) {
        free(l->rows[p][0]);
        free(l->rows[p][1]);
    }
    for (int i = 0; i < N_LINES; i++)
        free(l->line[i]);
    free(l->indices);
    free(l->weights);
    free(l);
}

static bool allocate(letterbox *l)
{
    const size_t w = (size_t)l->config->width, h = (size_t)l->config->height;
    bool ok = true;
    for (int p = 0; p < 3; p++) {
        for (int k = 0; k < 2; k++)
            ok = (l->rows[p][k] = memory_new_aligned((3 * w + RESAMPLE_SLACK) * sizeof(int16_t))) &&
                 ok;
    }
    for (int i = 0; i < N_LINES; i++) /* colours are computed in whole blocks */
        ok = (l->line[i] = memory_new_aligned(3 * w + BLOCK_PX)) && ok;
    l->indices = memory_new_array(2 * N_GRIDS * (w + h), sizeof(*l->indices));
    l->weights = memory_new_array(2 * N_GRIDS * (w + h), sizeof(*l->weights));
    if (!ok || !l->indices || !l->weights)
        return false;
    int32_t *indices = l->indices;
    int16_t *weights = l->weights;
    for (int g = 0; g < N_GRIDS; g++) {
        resample_axis *axes[] = {&l->x[g], &l->y[g]};
        for (int a = 0; a < 2; a++) {
            const size_t n = a == 0 ? w : h;
            *axes[a] = (resample_axis){.first = indices,
                                       .second = indices + n,
                                       .first_weight = weights,
                                       .second_weight = weights + n};
            indices += 2 * n;
            weights += 2 * n;
        }
    }
    return true;
}

roto_status letterbox_new(const detector_config *config, letterbox **out)
{
    *out = NULL;
    letterbox *l = memory_new_array(1, sizeof(*l));
    if (!l)
        return ROTO_ERROR_MEMORY;
    l->config = config;
    if (!allocate(l)) {
        letterbox_free(l);
        return ROTO_ERROR_MEMORY;
    }
    for (int c = 0; c < 3; c++) {
        for (int v = 0; v < 256; v++)
            l->table[c][v] = (float)((v * config->scale - config->mean[c]) / config->std[c]);
        l->gain[c] = (float)(config->scale / config->std[c]);
        l->offset[c] = (float)(-config->mean[c] / config->std[c]);
    }
    *out = l;
    return ROTO_OK;
}

/* Training code truncates the scaled size when the picture sits in the corner (YOLOX) and rounds it
 * when it is centred (YOLOv5 and its successors). */
static void place_image(letterbox *l, int32_t width, int32_t height)
{
    const detector_config *c = l->config;
    const double ratio = fmin((double)c->width / (double)width, (double)c->height / (double)height);
    letterbox_place *p = &l->place;
    const double w = width * ratio, h = height * ratio;
    p->width = (int32_t)(c->pad_centred ? rint(w) : w + 1e-9);
    p->height = (int32_t)(c->pad_centred ? rint(h) : h + 1e-9);
    p->width = p->width < 1 ? 1 : p->width > c->width ? c->width : p->width;
    p->height = p->height < 1 ? 1 : p->height > c->height ? c->height : p->height;
    p->left = c->pad_centred ? (int32_t)rint((c->width - p->width) / 2.0 - 0.1) : 0;
    p->top = c->pad_centred ? (int32_t)rint((c->height - p->height) / 2.0 - 0.1) : 0;
    p->image_px_x = (double)width / p->width;
    p->image_px_y = (double)height / p->height;

    resample_axis_set(&l->x[LUMA], width, p->width, p->image_px_x, 1);
    resample_axis_set(&l->y[LUMA], height, p->height, p->image_px_y, 0);
    /* A chroma sample stands for the middle of two luma samples each way, also where an odd size
     * leaves the last one over. */
    resample_axis_set(&l->x[CHROMA], (width + 1) / 2, p->width, p->image_px_x / 2, 1);
    resample_axis_set(&l->y[CHROMA], (height + 1) / 2, p->height, p->image_px_y / 2, 0);
    l->image_width = width;
    l->image_height = height;
}

/* ---- colours ----------------------------------------------------------------------------------
 */

static float clamp_byte(float value)
{
    value = value < 0 ? 0 : value;
    return value > 255 ? 255 : value;
}

/* A stretch of pixels as three planes, so that the compiler can compute several at once. */
static void yuv_block(const color_yuv *m, const uint8_t *restrict y, const uint8_t *restrict u,
                      const uint8_t *restrict v, float *restrict red, float *restrict green,
                      float *restrict blue)
{
    for (int i = 0; i < BLOCK_PX; i++) {
        const float luma = ((float)y[i] + m->luma_offset) * m->luma;
        const float cu = (float)(u[i] - 128), cv = (float)(v[i] - 128);
        red[i] = clamp_byte(luma + m->red_v * cv);
        green[i] = clamp_byte(luma + m->green_u * cu + m->green_v * cv);
        blue[i] = clamp_byte(luma + m->blue_u * cu);
    }
}

static void yuv_line(const letterbox *l, const color_yuv *m, const uint8_t *y, const uint8_t *u,
                     const uint8_t *v, float *out)
{
    float planes[3][BLOCK_PX];
    const int red = l->config->bgr ? 2 : 0;
    const float *gain = l->gain, *offset = l->offset;
    for (int32_t at = 0; at < l->place.width; at += BLOCK_PX) {
        const int32_t left = l->place.width - at, n = left < BLOCK_PX ? left : BLOCK_PX;
        yuv_block(m, y + at, u + at, v + at, planes[red], planes[1], planes[2 - red]);
        for (int32_t i = 0; i < n; i++, out += 3) {
            out[0] = planes[0][i] * gain[0] + offset[0];
            out[1] = planes[1][i] * gain[1] + offset[1];
            out[2] = planes[2][i] * gain[2] + offset[2];
        }
    }
}

static void split_chroma(const uint8_t *restrict uv, int32_t n, uint8_t *restrict u,
                         uint8_t *restrict v)
{
    for (int32_t i = 0; i < n; i++) {
        u[i] = uv[2 * i];
        v[i] = uv[2 * i + 1];
    }
}

static void rgb_line(const letterbox *l, const uint8_t *rgb, int32_t step, float *out)
{
    const int last = step == 3 ? 2 : 0, middle = step == 3 ? 1 : 0; /* grey: all the same byte */
    const int first = l->config->bgr ? last : 0, third = l->config->bgr ? 0 : last;
    for (int32_t i = 0; i < l->place.width; i++, rgb += step, out += 3) {
        out[0] = l->table[0][rgb[first]];
        out[1] = l->table[1][rgb[middle]];
        out[2] = l->table[2][rgb[third]];
    }
}

/* ---- filling ----------------------------------------------------------------------------------
 */

static void fill_padding(const letterbox *l, float *out, int64_t pixels)
{
    const float value[] = {l->table[0][l->config->pad_value], l->table[1][l->config->pad_value],
                           l->table[2][l->config->pad_value]};
    for (int64_t i = 0; i < pixels; i++) {
        out[3 * i] = value[0];
        out[3 * i + 1] = value[1];
        out[3 * i + 2] = value[2];
    }
}

static resampler plane_resampler(letterbox *l, const roto_image *image, int plane, int32_t channels,
                                 int grid)
{
    return (resampler){.data = image->plane[plane],
                       .stride_bytes = image->stride_bytes[plane],
                       .channels = channels,
                       .n_columns = grid == LUMA ? image->width : (image->width + 1) / 2,
                       .x = &l->x[grid],
                       .y = &l->y[grid],
                       .rows = {l->rows[plane][0], l->rows[plane][1]},
                       .row_of = {-1, -1}};
}

letterbox_place letterbox_fill(letterbox *l, const roto_image *image, float *input)
{
    if (l->image_width != image->width || l->image_height != image->height)
        place_image(l, image->width, image->height);
    const letterbox_place *p = &l->place;
    const int32_t width = l->config->width, height = l->config->height;
    const bool planar = image->format == ROTO_PIXEL_YUV420P,
               nv12 = image->format == ROTO_PIXEL_NV12;
    const int32_t channels = image->format == ROTO_PIXEL_RGB8 ? 3 : 1;
    resampler first = plane_resampler(l, image, 0, channels, LUMA), second = first, third = first;
    color_yuv matrix = {0};
    if (planar || nv12) {
        matrix = color_yuv_of(image);
        second = plane_resampler(l, image, 1, nv12 ? 2 : 1, CHROMA);
    }
    if (planar)
        third = plane_resampler(l, image, 2, 1, CHROMA);

    fill_padding(l, input, (int64_t)p->top * width);
    for (int32_t y = 0; y < p->height; y++) {
        float *row = input + (int64_t)(p->top + y) * width * 3;
        fill_padding(l, row, p->left);
        resample_row(&first, y, l->line[0]);
        float *out = row + (ptrdiff_t)p->left * 3;
        if (planar || nv12) {
            resample_row(&second, y, l->line[1]);
            if (planar)
                resample_row(&third, y, l->line[2]);
            if (nv12)
                split_chroma(l->line[1], p->width, l->line[3], l->line[2]);
            yuv_line(l, &matrix, l->line[0], nv12 ? l->line[3] : l->line[1], l->line[2], out);
        } else {
            rgb_line(l, l->line[0], channels, out);
        }
        const int32_t right = p->left + p->width;
        fill_padding(l, row + (ptrdiff_t)right * 3, width - right);
    }
    const int32_t bottom = p->top + p->height;
    fill_padding(l, input + (int64_t)bottom * width * 3, (int64_t)(height - bottom) * width);
    return *p;
}
