#include "backend/cuda/module/hopper_choice.h"

#include "graph/graph.h"

#include <float.h>

static bool aligned(dev_rows rows)
{
    const int elements = rows.at.is_bf16 ? 8 : 4;
    return (uintptr_t)rows.at.data % 16 == 0 && rows.row_stride % elements == 0;
}

/* What gemm_hopper_launch asks for, and enough work that its tiles are worth it. */
static bool suits(const gemm_params *p)
{
    const dev_epilogue *e = &p->epi;
    const bool has_it = e->act.kind == UNARY_IDENTITY || e->act.kind == UNARY_RELU ||
                        e->act.kind == UNARY_GELU;
    return gemm_rows_are_rows(p) && !p->scatter && p->groups == 1 && has_it &&
           p->columns % (p->out.at.is_bf16 ? 8 : 4) == 0 && aligned(p->out) &&
           (e->residual_mode == RESIDUAL_NONE || aligned(e->residual)) && p->columns >= 32 &&
           p->k >= 32 && (int64_t)p->rows * p->columns >= (int64_t)1 << 18;
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static int64_t up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* A multiprocessor's clocks, from what the parts of a tile take: a model fitted to every shape of
 * SAM 2.1 on an H200, which finds the fastest tile or one within a few percent of it. */
static double clocks(const gemm_hopper_params *h, int rows, int columns)
{
    const gemm_params *p = &h->g;
    const double l2 = 28, latency = 300, start = 3000; /* bytes a clock; clocks */
    const int64_t across = up(p->columns, columns), down = up(p->rows, rows), tiles = across * down;
    const int64_t depth = up(p->k, 64), mp = p->n_multiprocessors;
    const int64_t blocks = h->keep ? across * (mp / across < 1 ? 1 : mp / across) : mp;
    const double each = (double)up(tiles, blocks);
    const double multiply = (double)up(p->k, 16) * (rows / 64) * columns / 2;
    const double load = (double)(depth * 128 * (rows + (h->keep ? 0 : columns))) / l2;
    const double element = p->epi.act.kind == UNARY_GELU ? 14 : 4;
    const double bytes = (p->out.at.is_bf16 ? 2 : 4) + (p->epi.residual_mode ? 4 : 0);
    const double finish = rows * columns * larger(element / 128, bytes / 16);
    const double kept = h->keep ? (double)(depth * 128 * columns) / l2 : 0;
    const double busy = larger(larger(multiply + latency, load), finish);
    return start + kept / 2 + each * busy + larger(multiply, load) + finish;
}

bool hopper_choose(gemm_hopper_params *h)
{
    if (!suits(&h->g))
        return false;
    double best = DBL_MAX;
    gemm_hopper_params trial = *h;
    int rows, columns, consumers;
    for (int v = 0; gemm_hopper_variant(v, &rows, &columns, &consumers); v++) {
        for (int keep = 0; keep < 2; keep++) {
            trial.variant = v;
            trial.keep = keep;
            if (!gemm_hopper_fits(&trial))
                continue;
            const double c = clocks(&trial, rows, columns);
            if (c < best) {
                best = c;
                h->variant = v;
                h->keep = keep;
            }
        }
    }
    return best < DBL_MAX;
}
