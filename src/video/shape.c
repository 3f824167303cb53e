#include "video/shape.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    TINT = 115,   /* 0.45 of 255: the object stays visible under its colour */
    CONTOUR = 230 /* 0.9 */
};

roto_status shape_scratch_grow(shape_scratch *scratch, int width)
{
    scratch->width = width;
    return memory_grow((void **)&scratch->rows, &scratch->capacity, 2 * (size_t)width, 1)
               ? ROTO_OK
               : ROTO_ERROR_MEMORY;
}

void shape_scratch_free(shape_scratch *scratch)
{
    free(scratch->rows);
    *scratch = (shape_scratch){0};
}

static int clamp(int value, int low, int high)
{
    return value < low ? low : value > high ? high : value;
}

/* A rounded rectangle around its middle. */
typedef struct round_box {
    float x, y, half_width, half_height, radius;
} round_box;

static round_box round_box_of(const roto_box *box, float radius_px)
{
    round_box r = {.x = 0.5f * (box->x0 + box->x1),
                   .y = 0.5f * (box->y0 + box->y1),
                   .half_width = 0.5f * (box->x1 - box->x0),
                   .half_height = 0.5f * (box->y1 - box->y0)};
    r.radius = fminf(radius_px, fminf(r.half_width, r.half_height));
    return r;
}

/* Signed distance of a pixel's middle to the edge, negative inside. */
static inline float distance(const round_box *r, int x, int y)
{
    float dx = fabsf((float)x + 0.5f - r->x) - (r->half_width - r->radius);
    float dy = fabsf((float)y + 0.5f - r->y) - (r->half_height - r->radius);
    if (dx <= 0 || dy <= 0)
        return (dx > dy ? dx : dy) - r->radius;
    return sqrtf(dx * dx + dy * dy) - r->radius;
}

/* A pixel is covered by how far the edge has passed its middle. */
static inline uint8_t coverage_of(float inside_px)
{
    float share = 0.5f + inside_px;
    return share <= 0 ? 0 : share >= 1 ? 255 : (uint8_t)(255 * share + 0.5f);
}

typedef struct span {
    int x0, x1;
} span;

/* The columns of a row, within x0..x1-1, that are nearest to the upper or lower edge: they all have
 * the distance of the first of them. Most of a row, which makes drawing it cheap. */
static span level_span(const round_box *r, int y, int x0, int x1)
{
    float dy = fabsf((float)y + 0.5f - r->y) - (r->half_height - r->radius);
    float reach = r->half_width - r->radius + fminf(dy, 0);
    if (reach <= 0)
        return (span){x1, x1};
    int from = clamp((int)ceilf(r->x - reach - 0.5f), x0, x1);
    int to = clamp((int)floorf(r->x + reach - 0.5f) + 1, from, x1);
    return (span){from, to};
}

/* One row of the shape, columns x0..x1-1: its edges as lines of 2 * half_line, or all of it when
 * that is negative. */
static void shape_row(const round_box *r, float half_line, int y, int x0, int x1, uint8_t *to)
{
    span level = level_span(r, y, x0, x1);
    for (int x = x0; x < x1; x++) {
        float d = distance(r, x, y);
        uint8_t coverage = coverage_of(half_line < 0 ? -d : half_line - fabsf(d));
        if (x == level.x0 && level.x0 < level.x1) {
            memset(to + (x - x0), coverage, (size_t)(level.x1 - level.x0));
            x = level.x1 - 1;
        } else {
            to[x - x0] = coverage;
        }
    }
}

static int even_floor(float value)
{
    return (int)floorf(value) & ~1;
}

/* Paints columns x0..x1-1 of rows y and y + 1; x0 and y are even. */
static void outline_piece(shape_scratch *scratch, const paint *p, const round_box *r,
                          float half_line, int x0, int x1, int y)
{
    x0 = clamp(x0, 0, p->target->width) & ~1;
    x1 = clamp(x1, 0, p->target->width);
    if (x0 >= x1)
        return;
    shape_row(r, half_line, y, x0, x1, scratch->rows);
    shape_row(r, half_line, y + 1, x0, x1, scratch->rows + scratch->width);
    paint_tile(p, x0, y, x1 - x0, 2, scratch->rows, scratch->width);
}

void shape_outline(shape_scratch *scratch, const paint *p, const roto_box *box, float line_px,
                   float radius_px)
{
    round_box r = round_box_of(box, radius_px);
    float half_line = 0.5f * line_px;
    float reach = half_line + 1; /* of the line, with its soft edge */
    float corner =
        fmaxf(r.radius, half_line) + reach; /* beyond it a row meets upright lines only */
    int left = even_floor(box->x0 - reach), right = (int)ceilf(box->x1 + reach);
    int left_end = even_floor(box->x0 + corner) + 2, right_start = even_floor(box->x1 - corner);
    int y0 = clamp(even_floor(box->y0 - reach), 0, p->target->height);
    int y1 = clamp((int)ceilf(box->y1 + reach), 0, p->target->height);
    for (int y = y0; y < y1; y += 2) {
        bool upright_only = (float)y > box->y0 + corner && (float)(y + 2) < box->y1 - corner;
        if (upright_only && left_end < right_start) {
            outline_piece(scratch, p, &r, half_line, left, left_end, y);
            outline_piece(scratch, p, &r, half_line, right_start, right, y);
        } else {
            outline_piece(scratch, p, &r, half_line, left, right, y);
        }
    }
}

void shape_fill(shape_scratch *scratch, const paint *p, const roto_box *box, float radius_px)
{
    round_box r = round_box_of(box, radius_px);
    int x0 = clamp(even_floor(box->x0 - 1), 0, p->target->width);
    int x1 = clamp((int)ceilf(box->x1 + 1), 0, p->target->width);
    int y0 = clamp(even_floor(box->y0 - 1), 0, p->target->height);
    int y1 = clamp((int)ceilf(box->y1 + 1), 0, p->target->height);
    for (int y = y0; y < y1 && x0 < x1; y += 2) {
        shape_row(&r, -1, y, x0, x1, scratch->rows);
        shape_row(&r, -1, y + 1, x0, x1, scratch->rows + scratch->width);
        paint_tile(p, x0, y, x1 - x0, 2, scratch->rows, scratch->width);
    }
}

/* The first and last columns that are not 0; empty when there are none. */
static span mask_span(const uint8_t *row, int width)
{
    int x0 = 0, x1 = width;
    while (x0 + 8 <= width) {
        uint64_t eight;
        memcpy(&eight, row + x0, sizeof(eight));
        if (eight)
            break;
        x0 += 8;
    }
    while (x0 < width && !row[x0])
        x0++;
    while (x1 > x0 && !row[x1 - 1])
        x1--;
    return (span){x0, x1};
}

/* Coverage of one mask row, columns x0..x1-1. */
static void mask_row(const uint8_t *mask, ptrdiff_t stride, int width, int height, int y, int line,
                     span columns, uint8_t *to)
{
    const uint8_t *row = mask + y * stride;
    /* The picture's own edge is no contour: beyond it, pixels count as this one. */
    const uint8_t *above = y >= line ? row - line * stride : row;
    const uint8_t *below = y + line < height ? row + line * stride : row;
    int inner0 = clamp(columns.x0, line, width), inner1 = clamp(columns.x1, inner0, width - line);
    for (int x = columns.x0; x < columns.x1; x++) {
        if (x == inner0) { /* without any test for edges: the compiler makes vectors of it */
            for (; x < inner1; x++) {
                int inside =
                    (above[x] != 0) & (below[x] != 0) & (row[x - line] != 0) & (row[x + line] != 0);
                uint8_t coverage = inside ? TINT : CONTOUR;
                to[x - columns.x0] = row[x] ? coverage : 0;
            }
            if (x == columns.x1)
                break;
        }
        uint8_t left = x >= line ? row[x - line] : 1, right = x + line < width ? row[x + line] : 1;
        uint8_t coverage = above[x] && below[x] && left && right ? TINT : CONTOUR;
        to[x - columns.x0] = row[x] ? coverage : 0;
    }
}

void shape_mask(shape_scratch *scratch, const paint *p, const uint8_t *mask, ptrdiff_t stride_bytes,
                float line_px)
{
    int width = p->target->width, height = p->target->height;
    int line = (int)ceilf(0.75f * line_px);
    for (int y = 0; y < height; y += 2) {
        int n_rows = y + 1 < height ? 2 : 1;
        span columns = mask_span(mask + y * stride_bytes, width);
        if (n_rows == 2) {
            span second = mask_span(mask + (y + 1) * stride_bytes, width);
            if (columns.x0 >= columns.x1)
                columns = second;
            columns.x0 = second.x0 < columns.x0 ? second.x0 : columns.x0;
            columns.x1 = second.x1 > columns.x1 ? second.x1 : columns.x1;
        }
        columns.x0 &= ~1;
        if (columns.x0 >= columns.x1)
            continue;
        for (int i = 0; i < n_rows; i++)
            mask_row(mask, stride_bytes, width, height, y + i, line, columns,
                     scratch->rows + i * scratch->width);
        paint_tile(p, columns.x0, y, columns.x1 - columns.x0, n_rows, scratch->rows,
                   scratch->width);
    }
}
