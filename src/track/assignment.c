/* Shortest augmenting paths with potentials: Jonker and Volgenant 1987, in the rectangular form of
 * Crouse 2016, "On implementing 2D rectangular assignment algorithms". */
#include "track/assignment.h"

#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* "Short" is the side with fewer members, each of which gets a partner; "long" is the other. */
struct assignment {
    int max_rows, max_columns;
    double *short_price, *long_price; /* dual variables */
    double *distance;                 /* of the best path found to each long member */
    int *before;                      /* short member before a long one on that path */
    int *long_of, *short_of;          /* the pairs so far, -1: none */
    int *waiting;                     /* long members that the search has not reached */
    bool *short_reached, *long_reached;
};

typedef struct {
    const double *gain;
    int n_short, n_long;
    size_t short_stride, long_stride;
} problem;

roto_status assignment_new(int max_rows, int max_columns, assignment **out)
{
    *out = NULL;
    if (max_rows < 1 || max_columns < 1)
        return roto_fail(ROTO_ERROR_ARGUMENT, "an assignment of %d x %d is empty", max_rows,
                         max_columns);
    assignment *a = memory_new_array(1, sizeof(*a));
    if (!a)
        return ROTO_ERROR_MEMORY;
    size_t n = (size_t)(max_rows > max_columns ? max_rows : max_columns);
    a->max_rows = max_rows;
    a->max_columns = max_columns;
    a->short_price = memory_new_array(n, sizeof(*a->short_price));
    a->long_price = memory_new_array(n, sizeof(*a->long_price));
    a->distance = memory_new_array(n, sizeof(*a->distance));
    a->before = memory_new_array(n, sizeof(*a->before));
    a->long_of = memory_new_array(n, sizeof(*a->long_of));
    a->short_of = memory_new_array(n, sizeof(*a->short_of));
    a->waiting = memory_new_array(n, sizeof(*a->waiting));
    a->short_reached = memory_new_array(n, sizeof(*a->short_reached));
    a->long_reached = memory_new_array(n, sizeof(*a->long_reached));
    if (!a->short_price || !a->long_price || !a->distance || !a->before || !a->long_of ||
        !a->short_of || !a->waiting || !a->short_reached || !a->long_reached) {
        assignment_free(a);
        return ROTO_ERROR_MEMORY;
    }
    *out = a;
    return ROTO_OK;
}

void assignment_free(assignment *a)
{
    if (!a)
        return;
    free(a->short_price);
    free(a->long_price);
    free(a->distance);
    free(a->before);
    free(a->long_of);
    free(a->short_of);
    free(a->waiting);
    free(a->short_reached);
    free(a->long_reached);
    free(a);
}

/* A gain that is not positive costs as much as staying alone, so that it is never worth taking. */
static double cost(const problem *p, int s, int l)
{
    double gain = p->gain[(size_t)s * p->short_stride + (size_t)l * p->long_stride];
    return gain > 0 ? -gain : 0;
}

/* Dijkstra from short member `start` over reduced costs to the nearest free long member, which is
 * returned; *length is the path's length. */
static int nearest_free(assignment *a, const problem *p, int start, double *length)
{
    int n_waiting = p->n_long;
    for (int l = 0; l < p->n_long; l++) {
        a->waiting[l] = p->n_long - 1 - l;
        a->distance[l] = INFINITY;
        a->long_reached[l] = false;
    }
    for (int s = 0; s < p->n_short; s++)
        a->short_reached[s] = false;
    double reached_at = 0;
    int s = start, sink = -1;
    while (sink < 0) {
        a->short_reached[s] = true;
        int best = -1;
        for (int i = 0; i < n_waiting; i++) {
            int l = a->waiting[i];
            double d = reached_at + cost(p, s, l) - a->short_price[s] - a->long_price[l];
            if (d < a->distance[l]) {
                a->distance[l] = d;
                a->before[l] = s;
            }
            /* A free member among equals ends the search at once; the last one that waits, as in
             * SciPy, so that scores which depend on ties equal those computed with it. */
            if (best < 0 || a->distance[l] < a->distance[a->waiting[best]] ||
                (a->distance[l] <= a->distance[a->waiting[best]] && a->short_of[l] < 0))
                best = i;
        }
        int l = a->waiting[best];
        reached_at = a->distance[l];
        a->long_reached[l] = true;
        a->waiting[best] = a->waiting[--n_waiting];
        if (a->short_of[l] < 0)
            sink = l;
        else
            s = a->short_of[l];
    }
    *length = reached_at;
    return sink;
}

static void augment(assignment *a, const problem *p, int start)
{
    double length = 0;
    int l = nearest_free(a, p, start, &length);
    /* Prices first: they keep every reduced cost >= 0 and those of the pairs at 0. */
    a->short_price[start] += length;
    for (int s = 0; s < p->n_short; s++)
        if (a->short_reached[s] && s != start)
            a->short_price[s] += length - a->distance[a->long_of[s]];
    for (int i = 0; i < p->n_long; i++)
        if (a->long_reached[i])
            a->long_price[i] -= length - a->distance[i];
    for (int s = -1; s != start;) {
        s = a->before[l];
        a->short_of[l] = s;
        int freed = a->long_of[s];
        a->long_of[s] = l;
        l = freed;
    }
}

void assignment_solve(assignment *a, const double *gain, int n_rows, int n_columns,
                      int *column_of_row)
{
    bool rows_short = n_rows <= n_columns;
    problem p = {.gain = gain,
                 .n_short = rows_short ? n_rows : n_columns,
                 .n_long = rows_short ? n_columns : n_rows,
                 .short_stride = rows_short ? (size_t)n_columns : 1,
                 .long_stride = rows_short ? 1 : (size_t)n_columns};
    for (int s = 0; s < p.n_short; s++) {
        a->short_price[s] = 0;
        a->long_of[s] = -1;
    }
    for (int l = 0; l < p.n_long; l++) {
        a->long_price[l] = 0;
        a->short_of[l] = -1;
    }
    for (int s = 0; s < p.n_short; s++)
        augment(a, &p, s);
    for (int r = 0; r < n_rows; r++)
        column_of_row[r] = -1;
    for (int s = 0; s < p.n_short; s++) {
        int r = rows_short ? s : a->long_of[s], c = rows_short ? a->long_of[s] : s;
        if (gain[(size_t)r * (size_t)n_columns + (size_t)c] > 0)
            column_of_row[r] = c;
    }
}
