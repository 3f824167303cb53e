#include "eval/detection_ap.h"

#include "base/error.h"
#include "base/memory.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* One detection after matching: bit k of `hits` says that it took a box at overlap k. */
typedef struct ranked {
    double score;
    size_t order; /* among the class's detections, by image and then by rank; breaks ties */
    uint32_t hits;
} ranked;

/* Objects of one class, sorted by image; detections also by falling score. */
typedef struct class_slice {
    const ap_object *truth, *found;
    size_t n_truth, n_found;
} class_slice;

/* Scratch memory for the largest image and class. */
typedef struct matcher {
    uint32_t *taken; /* per box of an image, bit k: taken at overlap k */
    double *overlap; /* per box of an image, with the current detection */
    ranked *ranks;
} matcher;

/* The reference spaces them by numpy.linspace, and a recall or an overlap right at one of them
 * counts by its last bit, so that these have to be the same doubles. */
static double overlap_at(int k)
{
    return k == AP_N_OVERLAPS - 1 ? 0.95 : 0.5 + k * ((0.95 - 0.5) / (AP_N_OVERLAPS - 1));
}

static double recall_at(int r)
{
    return r == AP_N_RECALLS - 1 ? 1.0 : r * (1.0 / (AP_N_RECALLS - 1));
}

static int compare_class_image(const ap_object *a, const ap_object *b)
{
    if (a->class_id != b->class_id)
        return a->class_id < b->class_id ? -1 : 1;
    return (a->image > b->image) - (a->image < b->image);
}

/* Sorts pointers, so that objects equal in every key keep the order in which they were given. */
static int compare_truth(const void *left, const void *right)
{
    const ap_object *a = *(const ap_object *const *)left, *b = *(const ap_object *const *)right;
    int order = compare_class_image(a, b);
    return order ? order : (a > b) - (a < b);
}

static int compare_found(const void *left, const void *right)
{
    const ap_object *a = *(const ap_object *const *)left, *b = *(const ap_object *const *)right;
    int order = compare_class_image(a, b);
    if (!order)
        order = (a->score < b->score) - (a->score > b->score);
    return order ? order : (a > b) - (a < b);
}

static int compare_ranks(const void *left, const void *right)
{
    const ranked *a = left, *b = right;
    if (a->score != b->score)
        return a->score < b->score ? 1 : -1;
    return (a->order > b->order) - (a->order < b->order);
}

/* A sorted copy; NULL when out of memory. */
static ap_object *sorted_copy(const ap_object *objects, size_t n,
                              int (*compare)(const void *, const void *))
{
    const ap_object **order = memory_new_array(n, sizeof(const ap_object *));
    ap_object *copy = memory_new_array(n, sizeof(*copy));
    if (!order || !copy) {
        free(order);
        free(copy);
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        order[i] = &objects[i];
    qsort(order, n, sizeof(const ap_object *), compare);
    for (size_t i = 0; i < n; i++)
        copy[i] = *order[i];
    free(order);
    return copy;
}

static double intersection_over_union(const ap_object *a, const ap_object *b)
{
    double width = fmin(a->x1, b->x1) - fmax(a->x0, b->x0);
    double height = fmin(a->y1, b->y1) - fmax(a->y0, b->y0);
    if (width <= 0 || height <= 0)
        return 0;
    double shared = width * height;
    double area_a = (a->x1 - a->x0) * (a->y1 - a->y0);
    double area_b = (b->x1 - b->x0) * (b->y1 - b->y0);
    return shared / (area_a + area_b - shared);
}

/* Which boxes of its image the detection takes: bit k of the result for overlap k. Of boxes that
 * overlap equally the last one is taken, as in the reference. */
static uint32_t take(const ap_object *found, const ap_object *truth, size_t n_truth, matcher *m)
{
    for (size_t i = 0; i < n_truth; i++)
        m->overlap[i] = intersection_over_union(found, &truth[i]);
    uint32_t hits = 0;
    for (int k = 0; k < AP_N_OVERLAPS; k++) {
        uint32_t bit = 1u << k;
        double best = overlap_at(k);
        size_t taken = SIZE_MAX;
        for (size_t i = 0; i < n_truth; i++) {
            if (!(m->taken[i] & bit) && m->overlap[i] >= best) {
                best = m->overlap[i];
                taken = i;
            }
        }
        if (taken != SIZE_MAX) {
            m->taken[taken] |= bit;
            hits |= bit;
        }
    }
    return hits;
}

/* Fills m->ranks with the detections that count; returns how many. */
static size_t match_class(const class_slice *c, matcher *m)
{
    size_t n = 0, truth = 0;
    for (size_t first = 0, end; first < c->n_found; first = end) {
        int64_t image = c->found[first].image;
        for (end = first; end < c->n_found && c->found[end].image == image;)
            end++;
        while (truth < c->n_truth && c->truth[truth].image < image)
            truth++;
        size_t truth_end = truth;
        while (truth_end < c->n_truth && c->truth[truth_end].image == image)
            truth_end++;
        memset(m->taken, 0, (truth_end - truth) * sizeof(*m->taken));
        for (size_t i = first; i < end && i - first < AP_MAX_DETECTIONS; i++) {
            uint32_t hits = take(&c->found[i], c->truth + truth, truth_end - truth, m);
            m->ranks[n] = (ranked){.score = c->found[i].score, .order = n, .hits = hits};
            n++;
        }
        truth = truth_end;
    }
    return n;
}

/* Average precision at overlap k of ranked detections; *recall is the share of boxes found. `curve`
 * has room for n values. */
static double precision_at(int k, const ranked *ranks, size_t n, size_t n_truth, double *curve,
                           double *recall)
{
    double hits = 0;
    for (size_t i = 0; i < n; i++) {
        hits += ranks[i].hits >> k & 1u;
        curve[i] = hits / ((double)(i + 1) + DBL_EPSILON);
    }
    *recall = hits / (double)n_truth;
    for (size_t i = n; i-- > 1;)
        curve[i - 1] = fmax(curve[i - 1], curve[i]);
    double sum = 0;
    size_t i = 0;
    hits = n ? (double)(ranks[0].hits >> k & 1u) : 0;
    for (int r = 0; r < AP_N_RECALLS; r++) {
        while (i < n && hits / (double)n_truth < recall_at(r)) {
            i++;
            hits += i < n ? (double)(ranks[i].hits >> k & 1u) : 0;
        }
        if (i == n)
            break;
        sum += curve[i];
    }
    return sum / AP_N_RECALLS;
}

static roto_status score_class(const class_slice *c, matcher *m, roto_detection_scores *score)
{
    size_t n = match_class(c, m);
    qsort(m->ranks, n, sizeof(*m->ranks), compare_ranks);
    double *curve = memory_new_array(n, sizeof(*curve));
    if (!curve)
        return ROTO_ERROR_MEMORY;
    *score = (roto_detection_scores){.class_id = c->truth->class_id,
                                     .n_boxes = (int64_t)c->n_truth,
                                     .n_detections = (int64_t)c->n_found};
    for (int k = 0; k < AP_N_OVERLAPS; k++) {
        double recall = 0;
        double precision = precision_at(k, m->ranks, n, c->n_truth, curve, &recall);
        score->ap += precision / AP_N_OVERLAPS;
        score->ar100 += recall / AP_N_OVERLAPS;
        if (k == 0)
            score->ap50 = precision;
        if (k == 5)
            score->ap75 = precision;
    }
    free(curve);
    return ROTO_OK;
}

static void score_mean(roto_detection_scores *scores, int32_t n_classes, size_t n_truth,
                       size_t n_found)
{
    roto_detection_scores *mean = &scores[0];
    *mean = (roto_detection_scores){
        .class_id = -1, .n_boxes = (int64_t)n_truth, .n_detections = (int64_t)n_found};
    if (!n_classes)
        mean->ap = mean->ap50 = mean->ap75 = mean->ar100 = -1;
    for (int32_t i = 1; i <= n_classes; i++) {
        mean->ap += scores[i].ap / n_classes;
        mean->ap50 += scores[i].ap50 / n_classes;
        mean->ap75 += scores[i].ap75 / n_classes;
        mean->ar100 += scores[i].ar100 / n_classes;
    }
}

/* Detections of classes without ground truth are passed over: no precision is defined for them. */
static roto_status score_classes(const ap_object *truth, size_t n_truth, const ap_object *found,
                                 size_t n_found, matcher *m, roto_detection_scores *scores)
{
    for (size_t first = 0, end, f = 0; first < n_truth; first = end) {
        int32_t class_id = truth[first].class_id;
        for (end = first; end < n_truth && truth[end].class_id == class_id;)
            end++;
        while (f < n_found && found[f].class_id < class_id)
            f++;
        size_t found_end = f;
        while (found_end < n_found && found[found_end].class_id == class_id)
            found_end++;
        class_slice slice = {truth + first, found + f, end - first, found_end - f};
        ROTO_TRY(score_class(&slice, m, scores++));
        f = found_end;
    }
    return ROTO_OK;
}

static roto_status check_objects(const char *what, const ap_object *objects, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const ap_object *o = &objects[i];
        bool finite = isfinite(o->x0) && isfinite(o->y0) && isfinite(o->x1) && isfinite(o->y1) &&
                      isfinite(o->score);
        if (!finite || o->x0 > o->x1 || o->y0 > o->y1)
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "%s %zu: corners %g,%g %g,%g score %g; finite numbers are needed, the "
                             "first corner left of and above the second",
                             what, i, o->x0, o->y0, o->x1, o->y1, o->score);
    }
    return ROTO_OK;
}

roto_status detection_ap(const ap_object *truth, size_t n_truth, const ap_object *found,
                         size_t n_found, roto_detection_scores **scores, int32_t *n_scores)
{
    *scores = NULL;
    *n_scores = 0;
    ROTO_TRY(check_objects("ground truth", truth, n_truth));
    ROTO_TRY(check_objects("detection", found, n_found));
    roto_status status = ROTO_ERROR_MEMORY;
    ap_object *truth_sorted = sorted_copy(truth, n_truth, compare_truth);
    ap_object *found_sorted = sorted_copy(found, n_found, compare_found);
    matcher m = {memory_new_array(n_truth, sizeof(*m.taken)),
                 memory_new_array(n_truth, sizeof(*m.overlap)),
                 memory_new_array(n_found, sizeof(*m.ranks))};
    roto_detection_scores *all = NULL;
    if (!truth_sorted || !found_sorted || !m.taken || !m.overlap || !m.ranks)
        goto done;
    int32_t n_classes = 0;
    for (size_t i = 0; i < n_truth; i++)
        n_classes += i == 0 || truth_sorted[i].class_id != truth_sorted[i - 1].class_id;
    all = memory_new_array((size_t)n_classes + 1, sizeof(*all));
    if (!all)
        goto done;
    status = score_classes(truth_sorted, n_truth, found_sorted, n_found, &m, all + 1);
    if (status != ROTO_OK)
        goto done;
    score_mean(all, n_classes, n_truth, n_found);
    *scores = all;
    *n_scores = n_classes + 1;
    all = NULL;
done:
    free(all);
    free(m.taken);
    free(m.overlap);
    free(m.ranks);
    free(truth_sorted);
    free(found_sorted);
    return status;
}
