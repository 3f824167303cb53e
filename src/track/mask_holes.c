#include "track/mask_holes.h"

#include <stdbool.h>
#include <string.h>

enum { UNSEEN, QUEUED, LARGE }; /* LARGE: of a region that is known to be no hole */

/* Which regions are looked for, and in what. */
typedef struct region {
    const float *logits;
    bool inside; /* of logits above 0; else of those that are not */
    uint8_t *state;
    int32_t *queue;
    int32_t w, h, n;
    bool large;
} region;

static void visit(region *r, int32_t x, int32_t y)
{
    if (x < 0 || x >= r->w || y < 0 || y >= r->h)
        return;
    const int32_t i = y * r->w + x;
    if ((r->logits[i] > 0) != r->inside)
        return;
    if (r->state[i] == LARGE)
        r->large = true;
    if (r->state[i] == UNSEEN) {
        r->state[i] = QUEUED;
        r->queue[r->n++] = i;
    }
}

/* Follows the region of a pixel until it is closed, or large, or joins one that is: most pixels of
 * the background are decided by their neighbours on the left and above. */
static void follow(region *r, int32_t x, int32_t y, int32_t max_area)
{
    r->n = 0;
    r->large = false;
    visit(r, x, y);
    for (int32_t i = 0; i < r->n && !r->large; i++) {
        const int32_t px = r->queue[i] % r->w, py = r->queue[i] / r->w;
        for (int32_t dy = -1; dy <= 1; dy++)
            for (int32_t dx = -1; dx <= 1; dx++)
                visit(r, px + dx, py + dy);
        r->large = r->large || r->n > max_area;
    }
}

/* Gives the pixels of small regions `logit` in out, which may be r->logits. */
static void replace_small(region *r, int32_t max_area, float logit, float *out)
{
    if (max_area <= 0)
        return;
    memset(r->state, UNSEEN, (size_t)r->w * (size_t)r->h);
    for (int32_t y = 0; y < r->h; y++) {
        for (int32_t x = 0; x < r->w; x++) {
            const int32_t i = y * r->w + x;
            if ((r->logits[i] > 0) != r->inside || r->state[i] != UNSEEN)
                continue;
            follow(r, x, y, max_area);
            for (int32_t k = 0; k < r->n; k++) {
                r->state[r->queue[k]] = LARGE; /* of a replaced one it is never looked at again */
                if (!r->large)
                    out[r->queue[k]] = logit;
            }
        }
    }
}

void mask_fill_holes(float *logits, int32_t w, int32_t h, int32_t max_area, int32_t *queue,
                     uint8_t *state)
{
    region r = {.logits = logits, .state = state, .queue = queue, .w = w, .h = h};
    replace_small(&r, max_area, MASK_HOLE_LOGIT, logits);
}

void mask_clean(const float *logits, int32_t w, int32_t h, int32_t max_area, int32_t *queue,
                uint8_t *state, float *out)
{
    memcpy(out, logits, (size_t)w * (size_t)h * sizeof(*out));
    region r = {.logits = logits, .state = state, .queue = queue, .w = w, .h = h};
    replace_small(&r, max_area, MASK_CLEAN_LOGIT, out);
    r.inside = true;
    replace_small(&r, max_area, -MASK_CLEAN_LOGIT, out);
}
