#include "track/ranking.h"

#include <stdbool.h>

/* A total order: detections that compare equal are equal. */
static bool better(const roto_detection *a, const roto_detection *b)
{
    if (a->score != b->score)
        return a->score > b->score;
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id;
    if (a->box.x0 != b->box.x0)
        return a->box.x0 < b->box.x0;
    if (a->box.y0 != b->box.y0)
        return a->box.y0 < b->box.y0;
    if (a->box.x1 != b->box.x1)
        return a->box.x1 < b->box.x1;
    return a->box.y1 < b->box.y1;
}

/* Moves the item at `at` down until neither child is worse: the worst is at the heap's top. */
static void sift_down(roto_detection *heap, int n, int at)
{
    roto_detection item = heap[at];
    for (;;) {
        int child = 2 * at + 1;
        if (child >= n)
            break;
        if (child + 1 < n && better(&heap[child], &heap[child + 1]))
            child++;
        if (!better(&item, &heap[child]))
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = item;
}

int ranking_best(const roto_detection *detections, int n, roto_detection *best, int keep)
{
    int kept = n < keep ? n : keep;
    for (int i = 0; i < kept; i++)
        best[i] = detections[i];
    for (int i = kept / 2 - 1; i >= 0; i--)
        sift_down(best, kept, i);
    for (int i = kept; i < n; i++)
        if (kept > 0 && better(&detections[i], &best[0])) {
            best[0] = detections[i];
            sift_down(best, kept, 0);
        }
    /* Heap sort: the worst goes to the end, again and again. */
    for (int end = kept - 1; end > 0; end--) {
        roto_detection worst = best[0];
        best[0] = best[end];
        best[end] = worst;
        sift_down(best, end, 0);
    }
    return kept;
}
