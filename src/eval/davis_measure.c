#include "eval/davis_measure.h"

#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Boundaries match within this part of the picture's diagonal, rounded up to whole pixels. */
static const double TOLERANCE = 0.008;

/* What is known about one of the two masks. */
typedef struct outline {
    uint8_t
        *inside; /* [height + 1, width + 1] 0 or 1; last row and column repeat the ones before */
    uint8_t *distance; /* [height, width] along the column to the next pixel of the boundary */
    int64_t n_boundary;
} outline;

struct davis_measure {
    int32_t width, height;
    int32_t reach;     /* px; at most 186 */
    uint8_t half[256]; /* of a disk of that radius: the height at a horizontal distance */
    outline truth, found;
};

static bool new_outline(const davis_measure *m, outline *out)
{
    const size_t width = (size_t)m->width, height = (size_t)m->height;
    out->inside = memory_new_array((width + 1) * (height + 1), 1);
    out->distance = memory_new_array(width * height, 1);
    return out->inside && out->distance;
}

roto_status davis_measure_new(int32_t width, int32_t height, davis_measure **out)
{
    *out = NULL;
    davis_measure *m = memory_new_array(1, sizeof(*m));
    if (!m)
        return ROTO_ERROR_MEMORY;
    m->width = width;
    m->height = height;
    const double w = width, h = height;
    m->reach = (int32_t)ceil(TOLERANCE * sqrt(h * h + w * w));
    for (int32_t dx = 0; dx <= m->reach; dx++)
        m->half[dx] = (uint8_t)sqrt((double)(m->reach * m->reach - dx * dx));
    if (!new_outline(m, &m->truth) || !new_outline(m, &m->found)) {
        davis_measure_free(m);
        return ROTO_ERROR_MEMORY;
    }
    *out = m;
    return ROTO_OK;
}

void davis_measure_free(davis_measure *m)
{
    if (!m)
        return;
    free(m->truth.inside);
    free(m->truth.distance);
    free(m->found.inside);
    free(m->found.distance);
    free(m);
}

static void mark_inside(const davis_measure *m, const uint8_t *ids, uint8_t id, uint8_t *inside)
{
    const ptrdiff_t width = m->width, pitch = width + 1;
    uint8_t *to = inside;
    for (int32_t y = 0; y < m->height; y++, ids += width, to += pitch) {
        for (ptrdiff_t x = 0; x < width; x++)
            to[x] = ids[x] == id;
        to[width] = to[width - 1];
    }
    memcpy(to, to - pitch, (size_t)pitch);
}

/* A pixel is on the boundary when the one to the right, the one below or the one diagonally between
 * them is on another side. Distances go no further than one pixel beyond the reach. */
static void measure_distances(const davis_measure *m, outline *o)
{
    const ptrdiff_t width = m->width, pitch = width + 1;
    const uint8_t far = (uint8_t)(m->reach + 1);
    int64_t n = 0;
    for (int32_t y = 0; y < m->height; y++) {
        const uint8_t *row = o->inside + y * pitch, *below = row + pitch;
        uint8_t *to = o->distance + y * width;
        const uint8_t *above = y ? to - width : NULL;
        int32_t n_row = 0;
        for (ptrdiff_t x = 0; x < width; x++) {
            const uint8_t sides = (uint8_t)(row[x] + row[x + 1] + below[x] + below[x + 1]) & 3;
            const uint8_t next = above ? (uint8_t)(above[x] + 1) : far;
            const uint8_t rest = next < far ? next : far;
            to[x] = sides ? 0 : rest;
            n_row += sides != 0;
        }
        n += n_row;
    }
    for (int32_t y = m->height - 2; y >= 0; y--) {
        uint8_t *to = o->distance + y * width;
        const uint8_t *below = to + width;
        for (ptrdiff_t x = 0; x < width; x++) {
            const uint8_t next = (uint8_t)(below[x] + 1);
            to[x] = to[x] < next ? to[x] : next;
        }
    }
    o->n_boundary = n;
}

static void trace(const davis_measure *m, const uint8_t *ids, uint8_t id, outline *o)
{
    mark_inside(m, ids, id, o->inside);
    measure_distances(m, o);
}

/* Whether a boundary pixel lies in the disk around x of this row. */
static bool is_near(const davis_measure *m, const uint8_t *distance, int32_t x)
{
    const int32_t first = x > m->reach ? x - m->reach : 0;
    const int32_t last = x + m->reach < m->width ? x + m->reach : m->width - 1;
    for (int32_t i = first; i <= last; i++)
        if (distance[i] <= m->half[abs(i - x)])
            return true;
    return false;
}

/* How many boundary pixels of `of` have one of `to` near them. */
static int64_t count_matches(const davis_measure *m, const outline *of, const outline *to)
{
    int64_t n = 0;
    for (int32_t y = 0; y < m->height; y++) {
        const ptrdiff_t row = (ptrdiff_t)y * m->width;
        const uint8_t *at = of->distance + row, *end = at + m->width;
        while ((at = memchr(at, 0, (size_t)(end - at)))) {
            n += is_near(m, to->distance + row, (int32_t)(at - of->distance - row));
            if (++at == end)
                break;
        }
    }
    return n;
}

static double boundary_fit(const davis_measure *m)
{
    const double n_truth = (double)m->truth.n_boundary, n_found = (double)m->found.n_boundary;
    if (n_truth == 0 || n_found == 0)
        return n_truth == n_found ? 1 : 0;
    const double precision = (double)count_matches(m, &m->found, &m->truth) / n_found;
    const double recall = (double)count_matches(m, &m->truth, &m->found) / n_truth;
    const double sum = precision + recall;
    return sum > 0 ? 2 * precision * recall / sum : 0;
}

static double region_fit(const davis_measure *m, const uint8_t *truth, const uint8_t *found,
                         uint8_t id)
{
    int64_t both = 0, either = 0;
    for (int32_t y = 0; y < m->height; y++, truth += m->width, found += m->width) {
        int32_t n_both = 0, n_either = 0;
        for (int32_t x = 0; x < m->width; x++) {
            n_both += (truth[x] == id) & (found[x] == id);
            n_either += (truth[x] == id) | (found[x] == id);
        }
        both += n_both;
        either += n_either;
    }
    return either ? (double)both / (double)either : 1;
}

davis_fit davis_measure_compare(davis_measure *m, const uint8_t *truth, const uint8_t *found,
                                uint8_t id)
{
    trace(m, truth, id, &m->truth);
    trace(m, found, id, &m->found);
    return (davis_fit){.j = region_fit(m, truth, found, id), .f = boundary_fit(m)};
}

/* ---- sequences -------------------------------------------------------------------------------
 */

static double mean_of(const double *values, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return sum / (double)n;
}

/* Where the quarter number `i` of n values starts; each holds the first value of the next, too. */
static size_t quarter(size_t n, int i)
{
    /* The small addend makes halves round up, as in the official code, which rounds to even. */
    return (size_t)(rint(1 + (double)(n - 1) * i / 4 + 1e-10) - 1);
}

davis_statistics davis_statistics_of(const double *values, size_t n)
{
    if (n == 0)
        return (davis_statistics){NAN, NAN, NAN};
    size_t n_good = 0;
    for (size_t i = 0; i < n; i++)
        n_good += values[i] > 0.5;
    const size_t last = quarter(n, 3);
    return (davis_statistics){.mean = mean_of(values, n),
                              .recall = (double)n_good / (double)n,
                              .decay = mean_of(values, quarter(n, 1) + 1) -
                                       mean_of(values + last, n - last)};
}
