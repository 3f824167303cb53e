#include "eval/mot_sequence.h"

#include "base/error.h"
#include "base/memory.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

/* Pairing the boxes of a frame takes cubic time; the densest benchmarks have 300 in one. */
enum { MAX_BOXES_IN_FRAME = 4096 };

/* The measures need tables of truth identities by result identities: 2 of 512 MB at most. */
static const size_t MAX_IDENTITY_PAIRS = (size_t)1 << 26;

static int compare_ids(const void *left, const void *right)
{
    int64_t a = *(const int64_t *)left, b = *(const int64_t *)right;
    return (a > b) - (a < b);
}

/* Where `id` is in a sorted list that has it. */
static size_t find_id(const int64_t *ids, size_t n, int64_t id)
{
    size_t low = 0;
    while (n > 1) {
        size_t half = n / 2;
        if (ids[low + half] <= id)
            low += half;
        n -= half;
    }
    return low;
}

static roto_status number_ids(mot_side *side)
{
    int64_t *ids = memory_new_array(side->n, sizeof(*ids));
    side->id = memory_new_array(side->n, sizeof(*side->id));
    side->length = memory_new_array(side->n, sizeof(*side->length));
    if (!ids || !side->id || !side->length) {
        free(ids);
        return ROTO_ERROR_MEMORY;
    }
    for (size_t i = 0; i < side->n; i++)
        ids[i] = side->rows[i].id;
    qsort(ids, side->n, sizeof(*ids), compare_ids);
    for (size_t i = 0; i < side->n; i++)
        if (i == 0 || ids[i] != ids[i - 1])
            ids[side->n_ids++] = ids[i];
    for (size_t i = 0; i < side->n; i++) {
        side->id[i] = (int32_t)find_id(ids, side->n_ids, side->rows[i].id);
        side->length[side->id[i]]++;
    }
    free(ids);
    return ROTO_OK;
}

static roto_status init_side(mot_rows *rows, mot_side *side, const char *name)
{
    side->rows = rows->rows;
    side->n = rows->n;
    *rows = (mot_rows){0};
    for (size_t first = 0, end; first < side->n; first = end) {
        for (end = first; end < side->n && side->rows[end].frame == side->rows[first].frame;)
            end++;
        if (end - first > MAX_BOXES_IN_FRAME)
            return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: %zu boxes in frame %lld; at most %d",
                             name, end - first, (long long)side->rows[first].frame,
                             MAX_BOXES_IN_FRAME);
        if (side->most_in_frame < end - first)
            side->most_in_frame = end - first;
    }
    return number_ids(side);
}

/* The benchmark's tools cut the flag to a whole number first. */
static void drop_ignored(mot_rows *truth)
{
    size_t kept = 0;
    for (size_t i = 0; i < truth->n; i++)
        if (fabs(truth->rows[i].score) >= 1)
            truth->rows[kept++] = truth->rows[i];
    truth->n = kept;
}

roto_status mot_sequence_init(mot_rows *truth, mot_rows *found, mot_sequence *out)
{
    *out = (mot_sequence){0};
    drop_ignored(truth);
    roto_status status = init_side(truth, &out->truth, "ground truth");
    if (status == ROTO_OK)
        status = init_side(found, &out->found, "results");
    if (status != ROTO_OK)
        goto fail;
    size_t pairs = 0;
    if (!size_mul(out->truth.n_ids, out->found.n_ids, &pairs) || pairs > MAX_IDENTITY_PAIRS) {
        status = roto_fail(ROTO_ERROR_UNSUPPORTED,
                           "%zu identities in the ground truth and %zu in the results are too many "
                           "to compare; their product may be %zu",
                           out->truth.n_ids, out->found.n_ids, MAX_IDENTITY_PAIRS);
        goto fail;
    }
    out->overlap = memory_new_array(out->truth.most_in_frame * out->found.most_in_frame,
                                    sizeof(*out->overlap));
    if (out->overlap)
        return ROTO_OK;
    status = ROTO_ERROR_MEMORY;
fail:
    mot_sequence_release(out);
    return status;
}

static void release_side(mot_side *side)
{
    free(side->rows);
    free(side->id);
    free(side->length);
}

void mot_sequence_release(mot_sequence *s)
{
    release_side(&s->truth);
    release_side(&s->found);
    free(s->overlap);
    *s = (mot_sequence){0};
}

void mot_sequence_rewind(mot_sequence *s)
{
    s->truth_at = s->found_at = 0;
}

/* In the order of operations of the benchmark's tools: overlaps right at a threshold count by their
 * last bit. */
static double overlap(const mot_row *a, const mot_row *b)
{
    double a_right = a->left + a->width, a_bottom = a->top + a->height;
    double b_right = b->left + b->width, b_bottom = b->top + b->height;
    double width = fmin(a_right, b_right) - fmax(a->left, b->left);
    double height = fmin(a_bottom, b_bottom) - fmax(a->top, b->top);
    double shared = fmax(width, 0) * fmax(height, 0);
    double area_a = (a_right - a->left) * (a_bottom - a->top);
    double area_b = (b_right - b->left) * (b_bottom - b->top);
    double united = area_a + area_b - shared;
    if (area_a <= DBL_EPSILON || area_b <= DBL_EPSILON || united <= DBL_EPSILON)
        return 0;
    return shared / united;
}

static size_t count_in_frame(const mot_side *side, size_t first, int64_t frame)
{
    size_t end = first;
    while (end < side->n && side->rows[end].frame == frame)
        end++;
    return end - first;
}

bool mot_sequence_next(mot_sequence *s, mot_frame *frame)
{
    const mot_row *truth = s->truth.rows + s->truth_at, *found = s->found.rows + s->found_at;
    bool has_truth = s->truth_at < s->truth.n, has_found = s->found_at < s->found.n;
    if (!has_truth && !has_found)
        return false;
    int64_t number = has_truth ? truth->frame : found->frame;
    if (has_found && found->frame < number)
        number = found->frame;
    *frame = (mot_frame){.n_truth = count_in_frame(&s->truth, s->truth_at, number),
                         .n_found = count_in_frame(&s->found, s->found_at, number),
                         .truth_id = s->truth.id + s->truth_at,
                         .found_id = s->found.id + s->found_at,
                         .overlap = s->overlap};
    for (size_t i = 0; i < frame->n_truth; i++)
        for (size_t j = 0; j < frame->n_found; j++)
            s->overlap[i * frame->n_found + j] = overlap(&truth[i], &found[j]);
    s->truth_at += frame->n_truth;
    s->found_at += frame->n_found;
    return true;
}
