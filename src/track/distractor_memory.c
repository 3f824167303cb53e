#include "track/distractor_memory.h"

#include <stdlib.h>
#include <string.h>

/* Half-open; empty: x1 0. */
typedef struct extent {
    int32_t x0, y0, x1, y1;
} extent;

static void include(extent *e, int32_t x, int32_t y)
{
    e->x0 = x < e->x0 ? x : e->x0;
    e->y0 = y < e->y0 ? y : e->y0;
    e->x1 = x >= e->x1 ? x + 1 : e->x1;
    e->y1 = y >= e->y1 ? y + 1 : e->y1;
}

static int64_t area_of(const extent *e)
{
    return (int64_t)(e->x1 - e->x0) * (e->y1 - e->y0);
}

enum { OUTSIDE, INSIDE, VISITED };

/* Follows a part over edges and corners; returns its cells. */
static int32_t follow(const distractor_scratch *s, int32_t w, int32_t h, int32_t at, extent *out)
{
    int32_t n = 0;
    s->queue[n++] = at;
    s->state[at] = VISITED;
    for (int32_t i = 0; i < n; i++) {
        const int32_t x = s->queue[i] % w, y = s->queue[i] / w;
        include(out, x, y);
        for (int32_t v = y > 0 ? y - 1 : 0; v <= y + 1 && v < h; v++) {
            for (int32_t u = x > 0 ? x - 1 : 0; u <= x + 1 && u < w; u++) {
                if (s->state[v * w + u] != INSIDE)
                    continue;
                s->state[v * w + u] = VISITED;
                s->queue[n++] = v * w + u;
            }
        }
    }
    return n;
}

float distractor_ratio(const float *mask, const float *alternative, int32_t w, int32_t h,
                       const distractor_scratch *scratch)
{
    const extent nothing = {w, h, 0, 0};
    extent own = nothing, largest = nothing;
    for (int32_t i = 0; i < w * h; i++) {
        if (mask[i] > 0)
            include(&own, i % w, i / w);
        scratch->state[i] = alternative[i] > 0 && !(mask[i] > 0) ? INSIDE : OUTSIDE;
    }
    int32_t most = 0;
    for (int32_t i = 0; i < w * h; i++) {
        if (scratch->state[i] != INSIDE)
            continue;
        extent part = nothing;
        const int32_t n = follow(scratch, w, h, i, &part);
        if (n <= most)
            continue;
        most = n;
        largest = part;
    }
    if (most == 0 || own.x1 == 0)
        return 1;
    extent both = own;
    include(&both, largest.x0, largest.y0);
    include(&both, largest.x1 - 1, largest.y1 - 1);
    return (float)area_of(&own) / (float)area_of(&both);
}

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static float median(const distractor_memory *d)
{
    float sorted[DISTRACTOR_N_MEDIAN];
    const int32_t n = d->n_areas;
    memcpy(sorted, d->areas, sizeof(sorted));
    qsort(sorted, (size_t)n, sizeof(sorted[0]), by_value);
    return (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

bool distractor_may_anchor(distractor_memory *d, float area, float iou, int64_t frame)
{
    if (!(area > 0))
        return false;
    d->areas[d->next] = area;
    d->next = (d->next + 1) % DISTRACTOR_N_MEDIAN;
    const bool first = d->n_areas == 0;
    d->n_areas += d->n_areas < DISTRACTOR_N_MEDIAN;
    const float share = area / median(d);
    const int64_t passed =
        frame > d->latest_anchor ? frame - d->latest_anchor : d->latest_anchor - frame;
    return !first && iou > DISTRACTOR_THETA_IOU && share >= 1 - DISTRACTOR_THETA_AREA &&
           share <= 1 + DISTRACTOR_THETA_AREA && (!d->has_anchor || passed > DISTRACTOR_DELTA);
}

void distractor_anchored(distractor_memory *d, int64_t frame)
{
    d->has_anchor = true;
    d->latest_anchor = frame;
}
