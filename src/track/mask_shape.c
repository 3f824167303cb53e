#include "track/mask_shape.h"

#include "base/memory.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WORD_BITS = 64, LEAST_SHARE = 10 /* one LEAST_SHARE-th of the largest part */ };

mask_grid mask_grid_make(int32_t w, int32_t h, int32_t frame_w, int32_t frame_h)
{
    return (mask_grid){.w = w,
                       .h = h,
                       .row_words = (w + WORD_BITS - 1) / WORD_BITS,
                       .cell_w = (float)frame_w / (float)w,
                       .cell_h = (float)frame_h / (float)h};
}

int32_t mask_grid_words(const mask_grid *g)
{
    return g->row_words * g->h;
}

roto_status mask_parts_init(mask_parts *p, int32_t n_cells)
{
    const size_t n = (size_t)n_cells;
    *p = (mask_parts){.queue = memory_new_array(n, sizeof(*p->queue)),
                      .part = memory_new_array(n, sizeof(*p->part)),
                      .sums = memory_new_array(4 * n, sizeof(*p->sums))};
    if (p->queue && p->part && p->sums)
        return ROTO_OK;
    mask_parts_release(p);
    return ROTO_ERROR_MEMORY;
}

void mask_parts_release(mask_parts *p)
{
    free(p->queue);
    free(p->part);
    free(p->sums);
    *p = (mask_parts){0};
}

/* Gives the cells that hang together with cell `at` the number `part`; returns how many. */
static int32_t flood(mask_parts *p, const mask_grid *g, const float *logits, int32_t at,
                     int32_t part)
{
    int32_t n = 0;
    p->queue[n++] = at;
    p->part[at] = part;
    for (int32_t i = 0; i < n; i++) {
        const int32_t cell = p->queue[i], x = cell % g->w, y = cell / g->w;
        for (int32_t dy = -1; dy <= 1; dy++) {
            for (int32_t dx = -1; dx <= 1; dx++) {
                const int32_t u = x + dx, v = y + dy, next = v * g->w + u;
                if (u < 0 || u >= g->w || v < 0 || v >= g->h || p->part[next] != 0 ||
                    !(logits[next] > 0))
                    continue;
                p->part[next] = part;
                p->queue[n++] = next;
            }
        }
    }
    return n;
}

/* Numbers the parts from 1; their areas are kept in `sums`, which has room for all of them. */
static int32_t find_parts(mask_parts *p, const mask_grid *g, const float *logits, int32_t *largest)
{
    const int32_t n_cells = g->w * g->h;
    int32_t n_parts = 0;
    *largest = 0;
    memset(p->part, 0, (size_t)n_cells * sizeof(*p->part));
    for (int32_t i = 0; i < n_cells; i++) {
        if (p->part[i] != 0 || !(logits[i] > 0))
            continue;
        const int32_t area = flood(p, g, logits, i, ++n_parts);
        p->sums[n_parts] = area;
        *largest = area > *largest ? area : *largest;
    }
    return n_parts;
}

int32_t mask_read(mask_parts *p, const mask_grid *g, const float *logits, uint64_t *bits,
                  roto_box *box)
{
    memset(bits, 0, (size_t)mask_grid_words(g) * sizeof(*bits));
    *box = (roto_box){0};
    int32_t largest, area = 0;
    if (find_parts(p, g, logits, &largest) == 0)
        return 0;
    int32_t x0 = g->w, y0 = g->h, x1 = 0, y1 = 0;
    for (int32_t y = 0; y < g->h; y++) {
        for (int32_t x = 0; x < g->w; x++) {
            const int32_t part = p->part[y * g->w + x];
            if (part == 0 || p->sums[part] * LEAST_SHARE < largest)
                continue;
            bits[y * g->row_words + x / WORD_BITS] |= (uint64_t)1 << x % WORD_BITS;
            x0 = x < x0 ? x : x0;
            x1 = x >= x1 ? x + 1 : x1;
            y0 = y < y0 ? y : y0;
            y1 = y + 1;
            area++;
        }
    }
    *box = (roto_box){(float)x0 * g->cell_w, (float)y0 * g->cell_h, (float)x1 * g->cell_w,
                      (float)y1 * g->cell_h};
    return area;
}

int32_t mask_area(const mask_grid *g, const uint64_t *bits)
{
    return mask_common(g, bits, bits);
}

int32_t mask_common(const mask_grid *g, const uint64_t *a, const uint64_t *b)
{
    int32_t n = 0;
    for (int32_t i = 0; i < mask_grid_words(g); i++)
        n += __builtin_popcountll(a[i] & b[i]);
    return n;
}

void mask_add(const mask_grid *g, uint64_t *to, const uint64_t *more)
{
    for (int32_t i = 0; i < mask_grid_words(g); i++)
        to[i] |= more[i];
}

void mask_sum(mask_parts *p, const mask_grid *g, const uint64_t *bits)
{
    const int32_t stride = g->w + 1;
    memset(p->sums, 0, (size_t)stride * sizeof(*p->sums));
    for (int32_t y = 0; y < g->h; y++) {
        const uint64_t *row = bits + y * g->row_words;
        int32_t *above = p->sums + y * stride, *sums = above + stride, n = 0;
        sums[0] = 0;
        for (int32_t x = 0; x < g->w; x++) {
            n += (int32_t)(row[x / WORD_BITS] >> x % WORD_BITS & 1);
            sums[x + 1] = above[x + 1] + n;
        }
    }
}

/* The cells whose centres a box holds. */
typedef struct span {
    int32_t x0, y0, x1, y1;
} span;

static int32_t cell_edge(float at, float cell, int32_t n)
{
    const float edge = roundf(at / cell);
    return edge < 0 ? 0 : edge > (float)n ? n : (int32_t)edge;
}

static span span_of(const mask_grid *g, const roto_box *box)
{
    return (span){cell_edge(box->x0, g->cell_w, g->w), cell_edge(box->y0, g->cell_h, g->h),
                  cell_edge(box->x1, g->cell_w, g->w), cell_edge(box->y1, g->cell_h, g->h)};
}

int32_t mask_in_box(const mask_parts *p, const mask_grid *g, const roto_box *box)
{
    const span s = span_of(g, box);
    const int32_t stride = g->w + 1;
    return p->sums[s.y1 * stride + s.x1] - p->sums[s.y0 * stride + s.x1] -
           p->sums[s.y1 * stride + s.x0] + p->sums[s.y0 * stride + s.x0];
}

int32_t box_cells(const mask_grid *g, const roto_box *box)
{
    const span s = span_of(g, box);
    return (s.x1 - s.x0) * (s.y1 - s.y0);
}
