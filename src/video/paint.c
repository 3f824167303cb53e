#include "video/paint.h"

#include "models/color.h"

#include <math.h>
#include <stdbool.h>

static uint8_t to_byte(double value)
{
    return (uint8_t)lrint(fmin(fmax(value, 0), 255));
}

/* Luma is Kr R + Kg G + Kb B, chroma the scaled differences. */
paint paint_new(const draw_target *target, overlay_color color)
{
    paint p = {.target = target, .value = {color.r, color.g, color.b}};
    if (target->format == ROTO_PIXEL_RGB8)
        return p;
    const color_luma weights = color_luma_of(target->matrix);
    double kr = weights.red, kb = weights.blue;
    double luma = kr * color.r + (1 - kr - kb) * color.g + kb * color.b;
    double u = (color.b - luma) / (2 * (1 - kb)), v = (color.r - luma) / (2 * (1 - kr));
    bool full = target->full_range || target->format == ROTO_PIXEL_GRAY8;
    p.value[0] = to_byte(full ? luma : 16 + luma * 219 / 255);
    p.value[1] = to_byte(128 + (full ? u : u * 224 / 255));
    p.value[2] = to_byte(128 + (full ? v : v * 224 / 255));
    return p;
}

/* from + (to - from) * coverage / 255, rounded, without a division. All of it fits in 16 bits, of
 * which a vector holds twice as many as of 32. */
static inline uint8_t blend(uint8_t from, uint8_t to, unsigned coverage)
{
    uint16_t sum = (uint16_t)(from * (255 - coverage) + to * coverage + 128);
    return (uint8_t)((uint16_t)(sum + (sum >> 8)) >> 8);
}

static void paint_luma(const paint *p, int x, int y, int width, int height, const uint8_t *coverage,
                       ptrdiff_t stride)
{
    const draw_target *t = p->target;
    for (int row = 0; row < height; row++) {
        uint8_t *to = t->plane[0] + (y + row) * t->stride_bytes[0] + x;
        const uint8_t *c = coverage + row * stride;
        for (int i = 0; i < width; i++)
            to[i] = blend(to[i], p->value[0], c[i]);
    }
}

static void paint_rgb(const paint *p, int x, int y, int width, int height, const uint8_t *coverage,
                      ptrdiff_t stride)
{
    const draw_target *t = p->target;
    for (int row = 0; row < height; row++) {
        uint8_t *to = t->plane[0] + (y + row) * t->stride_bytes[0] + (ptrdiff_t)x * 3;
        const uint8_t *c = coverage + row * stride;
        for (int i = 0; i < width; i++, to += 3) {
            for (int k = 0; k < 3; k++)
                to[k] = blend(to[k], p->value[k], c[i]);
        }
    }
}

/* Chroma under the rectangle, of any position: the slow way, for rims. */
static void paint_chroma_pixel(const paint *p, int bx, int by, int x, int y, int width, int height,
                               const uint8_t *coverage, ptrdiff_t stride)
{
    const draw_target *t = p->target;
    unsigned sum = 0, n = 0;
    for (int py = 2 * by; py < 2 * by + 2 && py < t->height; py++) {
        for (int px = 2 * bx; px < 2 * bx + 2 && px < t->width; px++, n++) {
            bool inside = px >= x && px < x + width && py >= y && py < y + height;
            sum += inside ? coverage[(py - y) * stride + px - x] : 0;
        }
    }
    bool interleaved = t->format == ROTO_PIXEL_NV12;
    uint8_t *u = t->plane[1] + by * t->stride_bytes[1] + (interleaved ? 2 * bx : bx);
    uint8_t *v = interleaved ? u + 1 : t->plane[2] + by * t->stride_bytes[2] + bx;
    unsigned mean = (sum + n / 2) / n;
    *u = blend(*u, p->value[1], mean);
    *v = blend(*v, p->value[2], mean);
}

/* n chroma pixels with four pixels of coverage each. */
static void paint_chroma_run(const paint *p, int bx, int by, int n, const uint8_t *restrict upper,
                             const uint8_t *restrict lower)
{
    const draw_target *t = p->target;
    bool interleaved = t->format == ROTO_PIXEL_NV12;
    uint8_t *restrict u = t->plane[1] + by * t->stride_bytes[1] + (interleaved ? 2 * bx : bx);
    uint8_t *restrict v = interleaved ? u : t->plane[2] + by * t->stride_bytes[2] + bx;
    for (int i = 0; i < n; i++) {
        unsigned sum = (unsigned)upper[2 * i] + upper[2 * i + 1] + lower[2 * i] + lower[2 * i + 1];
        unsigned mean = (sum + 2) >> 2;
        if (interleaved) {
            u[2 * i] = blend(u[2 * i], p->value[1], mean);
            u[2 * i + 1] = blend(u[2 * i + 1], p->value[2], mean);
        } else {
            u[i] = blend(u[i], p->value[1], mean);
            v[i] = blend(v[i], p->value[2], mean);
        }
    }
}

static void paint_chroma(const paint *p, int x, int y, int width, int height,
                         const uint8_t *coverage, ptrdiff_t stride)
{
    int first = (x + 1) / 2, last = (x + width) / 2; /* with all of their pixels in the rectangle */
    for (int by = y / 2; by <= (y + height - 1) / 2; by++) {
        bool both_rows = 2 * by >= y && 2 * by + 2 <= y + height;
        int fast0 = both_rows ? first : last, fast1 = both_rows && last > first ? last : fast0;
        const uint8_t *upper = coverage + (2 * by - y) * stride + 2 * fast0 - x;
        if (fast1 > fast0)
            paint_chroma_run(p, fast0, by, fast1 - fast0, upper, upper + stride);
        for (int bx = x / 2; bx <= (x + width - 1) / 2; bx++) {
            if (bx < fast0 || bx >= fast1)
                paint_chroma_pixel(p, bx, by, x, y, width, height, coverage, stride);
        }
    }
}

void paint_tile(const paint *p, int x, int y, int width, int height, const uint8_t *coverage,
                ptrdiff_t stride)
{
    if (x < 0) {
        coverage -= x;
        width += x;
        x = 0;
    }
    if (y < 0) {
        coverage -= y * stride;
        height += y;
        y = 0;
    }
    if (width > p->target->width - x)
        width = p->target->width - x;
    if (height > p->target->height - y)
        height = p->target->height - y;
    if (width <= 0 || height <= 0)
        return;
    if (p->target->format == ROTO_PIXEL_RGB8) {
        paint_rgb(p, x, y, width, height, coverage, stride);
        return;
    }
    paint_luma(p, x, y, width, height, coverage, stride);
    if (p->target->format != ROTO_PIXEL_GRAY8)
        paint_chroma(p, x, y, width, height, coverage, stride);
}
