#include "track/memory_prune.h"

#include "models/sam2/config.h"

#include <stdbool.h>
#include <string.h>

enum { SIDE = SAM2_STRIDE / SAM2_MASK_STRIDE };

static bool has_mask(const float *logits, int32_t w, int32_t x, int32_t y)
{
    const float *from = logits + ((int64_t)y * w * SIDE + x) * SIDE;
    for (int32_t v = 0; v < SIDE; v++, from += w * SIDE)
        for (int32_t u = 0; u < SIDE; u++)
            if (from[u] > 0)
                return true;
    return false;
}

static int32_t limit(int32_t at, int32_t most)
{
    return at < 0 ? 0 : at > most ? most : at;
}

int32_t memory_prune(const float *logits, int32_t w, int32_t h, int32_t margin, uint8_t *cells)
{
    const int32_t n_cells = w * h;
    int32_t n = 0;
    memset(cells, 0, (size_t)n_cells);
    for (int32_t i = 0; i < n_cells; i++) {
        const int32_t x = i % w, y = i / w;
        if (!has_mask(logits, w, x, y))
            continue;
        const int32_t x0 = limit(x - margin, w), x1 = limit(x + margin + 1, w),
                      y1 = limit(y + margin + 1, h);
        for (int32_t v = limit(y - margin, h); v < y1; v++)
            memset(cells + v * w + x0, 1, (size_t)(x1 - x0));
    }
    for (int32_t i = 0; i < n_cells; i++)
        n += cells[i];
    if (n > 0)
        return n;
    memset(cells, 1, (size_t)n_cells);
    return n_cells;
}
