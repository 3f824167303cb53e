#include "track/mask_holes.h"

#include <stdbool.h>
#include <string.h>

/* Which regions are looked for, and in what. A row is made of runs of pixels that belong to one;
 * runs of neighbouring rows that touch are joined in a forest (union-find). A run is known by its
 * first pixel, at which `links` has the run that it was joined to, or, of a root, minus the pixels
 * of its tree. A run of more than one pixel has its end at its second one. */
typedef struct regions {
    uint8_t *inside; /* by pixel: it is what is looked for */
    int32_t *links;
    int32_t w, h;
} regions;

static void mark(const float *restrict logits, bool positive, int32_t n, uint8_t *restrict inside)
{
    for (int32_t i = 0; i < n; i++)
        inside[i] = (logits[i] > 0) == positive;
}

/* The first pixel of i..end - 1 whose mark is `value`; `end` if there is none. */
static inline int32_t find_mark(const regions *r, int32_t i, int32_t end, uint8_t value)
{
    const uint64_t other = value ? 0 : 0x0101010101010101u;
    for (; i + 8 <= end; i += 8) { /* runs may be short: no call for each */
        uint64_t marks;
        memcpy(&marks, r->inside + i, sizeof(marks));
        if (marks != other)
            break;
    }
    while (i < end && r->inside[i] != value)
        i++;
    return i;
}

static int32_t end_of(const regions *r, int32_t run, int32_t row_end)
{
    return run + 1 < row_end && r->inside[run + 1] ? r->links[run + 1] : run + 1;
}

static int32_t root_of(const regions *r, int32_t run)
{
    while (r->links[run] >= 0) {
        const int32_t above = r->links[run];
        if (r->links[above] >= 0)
            r->links[run] = r->links[above];
        run = above;
    }
    return run;
}

/* The root that comes first stays one, so that nothing depends on the order of joining. */
static void join(const regions *r, int32_t a, int32_t b)
{
    a = root_of(r, a);
    b = root_of(r, b);
    if (a == b)
        return;
    const int32_t first = a < b ? a : b, second = a < b ? b : a;
    r->links[first] += r->links[second];
    r->links[second] = first;
}

/* Runs of the row that begins at pixel `row`, joined with those of the row above. */
static void add_row(const regions *r, int32_t row)
{
    const int32_t row_end = row + r->w;
    int32_t above = row > 0 ? find_mark(r, row - r->w, row, 1) : row;
    for (int32_t run = find_mark(r, row, row_end, 1); run < row_end;) {
        const int32_t end = find_mark(r, run, row_end, 0);
        r->links[run] = run - end;
        if (end - run > 1)
            r->links[run + 1] = end;
        while (above < row && above + r->w <= end) { /* over a corner counts */
            const int32_t above_end = end_of(r, above, row);
            if (above_end + r->w >= run)
                join(r, run, above);
            if (above_end + r->w > end) /* it may reach the next run */
                break;
            above = find_mark(r, above_end, row, 1);
        }
        run = find_mark(r, end, row_end, 1);
    }
}

/* Gives the pixels of small regions `logit` in out, which may be `logits`. */
static void replace_small(const regions *r, const float *logits, bool positive, int32_t max_area,
                          float logit, float *out)
{
    const int32_t n = r->w * r->h;
    if (max_area <= 0)
        return;
    mark(logits, positive, n, r->inside);
    for (int32_t row = 0; row < n; row += r->w)
        add_row(r, row);
    for (int32_t row = 0; row < n; row += r->w) {
        const int32_t row_end = row + r->w;
        for (int32_t run = find_mark(r, row, row_end, 1); run < row_end;) {
            const int32_t end = end_of(r, run, row_end);
            const bool small = -r->links[root_of(r, run)] <= max_area;
            for (int32_t i = run; small && i < end; i++)
                out[i] = logit;
            run = find_mark(r, end, row_end, 1);
        }
    }
}

void mask_fill_holes(float *logits, int32_t w, int32_t h, int32_t max_area, int32_t *queue,
                     uint8_t *state)
{
    const regions r = {.inside = state, .links = queue, .w = w, .h = h};
    replace_small(&r, logits, false, max_area, MASK_HOLE_LOGIT, logits);
}

void mask_clean(const float *logits, int32_t w, int32_t h, int32_t max_area, int32_t *queue,
                uint8_t *state, float *out)
{
    memcpy(out, logits, (size_t)w * (size_t)h * sizeof(*out));
    const regions r = {.inside = state, .links = queue, .w = w, .h = h};
    replace_small(&r, logits, false, max_area, MASK_CLEAN_LOGIT, out);
    replace_small(&r, logits, true, max_area, -MASK_CLEAN_LOGIT, out);
}
