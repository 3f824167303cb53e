#include "models/yolo/nms.h"

#include <math.h>

static bool comes_before(const candidate *a, const candidate *b)
{
    return a->score != b->score ? a->score > b->score : a->index < b->index;
}

/* Heapsort: qsort() may allocate, and this must not. */
static void sift_down(candidate *items, int32_t at, int32_t n)
{
    const candidate moved = items[at];
    for (int32_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && comes_before(&items[child], &items[child + 1]))
            child++;
        if (!comes_before(&moved, &items[child]))
            break;
        items[at] = items[child];
    }
    items[at] = moved;
}

static void sort(candidate *items, int32_t n)
{
    for (int32_t i = n / 2; i-- > 0;)
        sift_down(items, i, n);
    for (int32_t end = n - 1; end > 0; end--) {
        const candidate last = items[0];
        items[0] = items[end];
        items[end] = last;
        sift_down(items, 0, end);
    }
}

static float area(const roto_box *b)
{
    return (b->x1 - b->x0) * (b->y1 - b->y0);
}

static bool overlaps(const roto_box *a, const roto_box *b, float iou)
{
    const float w = fminf(a->x1, b->x1) - fmaxf(a->x0, b->x0),
                h = fminf(a->y1, b->y1) - fmaxf(a->y0, b->y0);
    if (!(w > 0 && h > 0))
        return false;
    const float common = w * h;
    return common > iou * (area(a) + area(b) - common);
}

int32_t nms_keep_best(candidate *items, int32_t n, float iou, int32_t most)
{
    sort(items, n);
    int32_t kept = 0;
    for (int32_t i = 0; i < n && kept < most; i++) {
        bool suppressed = false;
        for (int32_t k = 0; k < kept && !suppressed; k++)
            suppressed = items[k].class_id == items[i].class_id &&
                         overlaps(&items[k].box, &items[i].box, iou);
        if (!suppressed)
            items[kept++] = items[i];
    }
    return kept;
}
