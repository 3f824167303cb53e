#include "backend/cuda/module/hopper_choice.h"

#include "graph/graph.h"

#include <float.h>
#include <stddef.h>

static bool aligned(dev_rows rows)
{
    const int elements = rows.at.is_bf16 ? 8 : 4;
    return (uintptr_t)rows.at.data % 16 == 0 && rows.row_stride % elements == 0;
}

/* What gemm_hopper_launch asks for, and enough work that its tiles are worth it. */
static bool suits(const gemm_params *p)
{
    const dev_epilogue *e = &p->epi;
    const bool has_it =
        e->act.kind == UNARY_IDENTITY || e->act.kind == UNARY_RELU || e->act.kind == UNARY_GELU;
    return gemm_rows_are_rows(p) && !p->scatter && p->groups == 1 && has_it &&
           p->columns % (p->out.at.is_bf16 ? 8 : 4) == 0 && aligned(p->out) &&
           (e->residual_mode == RESIDUAL_NONE || aligned(e->residual)) && p->columns >= 32 &&
           p->k >= 32 && (int64_t)p->rows * p->columns >= (int64_t)1 << 18;
}

/* ---- what was measured ---- */

enum { KEEP = 1, TOGETHER = 2, BLAS = 4 };

typedef struct measured {
    int32_t rows, k, columns, act;
    int32_t tile_rows, tile_columns, consumers, flags;
} measured;

/* The fastest of all tiles for every linear layer of SAM 2.1 T, B+ and L with pictures of 1024 x
 * 1024, on an H200; BLAS where cuBLASLt's first choice was faster still. Timing them at start would
 * cost more than a second, and a table chooses the same in every run. */
static const measured table[] = {
    {65536, 112, 336, UNARY_IDENTITY, 64, 112, 3, KEEP},
    {65536, 112, 112, UNARY_IDENTITY, 64, 112, 3, KEEP},
    {65536, 112, 448, UNARY_GELU, 128, 112, 2, KEEP},
    {65536, 448, 112, UNARY_IDENTITY, 64, 128, 2, 0},
    {65536, 112, 224, UNARY_IDENTITY, 64, 224, 2, KEEP},
    {65536, 112, 672, UNARY_IDENTITY, 64, 112, 3, KEEP},
    {16384, 224, 672, UNARY_IDENTITY, 128, 112, 2, KEEP},
    {16384, 224, 224, UNARY_IDENTITY, 64, 224, 2, 0},
    {16384, 224, 896, UNARY_GELU, 128, 112, 2, KEEP},
    {16384, 896, 224, UNARY_IDENTITY, 64, 224, 2, 0},
    {16384, 224, 448, UNARY_IDENTITY, 64, 96, 3, KEEP},
    {16384, 224, 1344, UNARY_IDENTITY, 128, 128, 2, KEEP},
    {4096, 448, 1344, UNARY_IDENTITY, 128, 112, 2, 0},
    {4096, 448, 448, UNARY_IDENTITY, 64, 112, 3, 0},
    {4096, 448, 1792, UNARY_GELU, 128, 112, 2, 0},
    {4096, 1792, 448, UNARY_IDENTITY, 64, 224, 2, 0},
    {4096, 448, 896, UNARY_IDENTITY, 64, 224, 2, 0},
    {4096, 448, 2688, UNARY_IDENTITY, 128, 112, 2, 0},
    {1024, 896, 2688, UNARY_IDENTITY, 128, 96, 2, TOGETHER},
    {1024, 896, 896, UNARY_IDENTITY, 64, 128, 2, BLAS},
    {1024, 896, 3584, UNARY_GELU, 128, 112, 2, TOGETHER},
    {1024, 3584, 896, UNARY_IDENTITY, 128, 64, 2, BLAS},
    {65536, 256, 32, UNARY_IDENTITY, 128, 64, 2, BLAS},
    {16384, 256, 64, UNARY_IDENTITY, 64, 64, 2, 0},
    {65536, 112, 256, UNARY_IDENTITY, 128, 128, 2, KEEP},
    {16384, 224, 256, UNARY_IDENTITY, 64, 128, 3, KEEP},
    {4096, 448, 256, UNARY_IDENTITY, 64, 128, 2, BLAS},
    {4096, 256, 256, UNARY_IDENTITY, 64, 128, 2, 0},
    {28736, 64, 256, UNARY_IDENTITY, 64, 128, 3, KEEP},
    {4096, 256, 2048, UNARY_RELU, 128, 128, 2, KEEP},
    {4096, 2048, 256, UNARY_IDENTITY, 64, 128, 2, BLAS},
    {32768, 256, 2048, UNARY_RELU, 128, 128, 2, KEEP},
    {32768, 2048, 256, UNARY_IDENTITY, 128, 128, 2, 0},
    {32768, 256, 256, UNARY_IDENTITY, 64, 128, 3, 0},
    {4096, 256, 1024, UNARY_GELU, 128, 128, 2, 0},
    {4096, 1024, 256, UNARY_IDENTITY, 64, 128, 2, BLAS},
    {4096, 256, 64, UNARY_IDENTITY, 64, 64, 2, BLAS},
    {65536, 96, 288, UNARY_IDENTITY, 64, 96, 3, KEEP},
    {65536, 96, 96, UNARY_IDENTITY, 64, 96, 2, KEEP},
    {65536, 96, 384, UNARY_GELU, 128, 128, 2, KEEP},
    {65536, 384, 96, UNARY_IDENTITY, 64, 96, 2, KEEP},
    {65536, 96, 192, UNARY_IDENTITY, 64, 192, 2, KEEP},
    {65536, 96, 576, UNARY_IDENTITY, 64, 128, 3, KEEP},
    {16384, 192, 576, UNARY_IDENTITY, 64, 192, 2, KEEP},
    {16384, 192, 192, UNARY_IDENTITY, 64, 96, 2, KEEP | BLAS},
    {16384, 192, 768, UNARY_GELU, 128, 128, 2, KEEP},
    {16384, 768, 192, UNARY_IDENTITY, 64, 192, 2, BLAS},
    {16384, 192, 384, UNARY_IDENTITY, 64, 96, 3, KEEP},
    {16384, 192, 1152, UNARY_IDENTITY, 64, 192, 2, KEEP},
    {4096, 384, 1152, UNARY_IDENTITY, 128, 96, 2, 0},
    {4096, 384, 384, UNARY_IDENTITY, 64, 96, 2, KEEP | TOGETHER | BLAS},
    {4096, 384, 1536, UNARY_GELU, 64, 192, 2, 0},
    {4096, 1536, 384, UNARY_IDENTITY, 64, 192, 2, BLAS},
    {4096, 384, 768, UNARY_IDENTITY, 64, 128, 3, 0},
    {4096, 384, 2304, UNARY_IDENTITY, 64, 192, 2, KEEP},
    {1024, 768, 2304, UNARY_IDENTITY, 128, 96, 2, TOGETHER},
    {1024, 768, 768, UNARY_IDENTITY, 64, 96, 2, BLAS},
    {1024, 768, 3072, UNARY_GELU, 128, 96, 2, TOGETHER},
    {1024, 3072, 768, UNARY_IDENTITY, 64, 112, 2, BLAS},
    {65536, 144, 432, UNARY_IDENTITY, 64, 112, 3, KEEP},
    {65536, 144, 144, UNARY_IDENTITY, 64, 96, 3, KEEP},
    {65536, 144, 576, UNARY_GELU, 64, 192, 2, KEEP},
    {65536, 576, 144, UNARY_IDENTITY, 64, 192, 2, TOGETHER},
    {65536, 144, 288, UNARY_IDENTITY, 64, 96, 3, KEEP},
    {65536, 144, 864, UNARY_IDENTITY, 64, 128, 3, KEEP},
    {16384, 288, 864, UNARY_IDENTITY, 128, 112, 2, KEEP},
    {16384, 288, 288, UNARY_IDENTITY, 64, 96, 3, KEEP | BLAS},
    {16384, 288, 1152, UNARY_GELU, 64, 192, 2, KEEP},
    {16384, 1152, 288, UNARY_IDENTITY, 128, 96, 2, BLAS},
    {16384, 288, 576, UNARY_IDENTITY, 64, 96, 3, KEEP},
    {16384, 288, 1728, UNARY_IDENTITY, 128, 112, 2, KEEP},
    {4096, 576, 1728, UNARY_IDENTITY, 128, 112, 2, 0},
    {4096, 576, 576, UNARY_IDENTITY, 64, 96, 3, 0},
    {4096, 576, 2304, UNARY_GELU, 128, 96, 2, 0},
    {4096, 2304, 576, UNARY_IDENTITY, 128, 96, 2, TOGETHER | BLAS},
    {4096, 576, 1152, UNARY_IDENTITY, 64, 192, 2, 0},
    {4096, 576, 3456, UNARY_IDENTITY, 128, 128, 2, 0},
    {1024, 1152, 3456, UNARY_IDENTITY, 128, 112, 2, 0},
    {1024, 1152, 1152, UNARY_IDENTITY, 64, 96, 2, TOGETHER},
    {1024, 1152, 4608, UNARY_GELU, 128, 96, 2, 0},
    {1024, 4608, 1152, UNARY_IDENTITY, 128, 96, 2, BLAS},
};

static const measured *find_measured(const gemm_params *p)
{
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        const measured *m = &table[i];
        if (m->rows == p->rows && m->k == p->k && m->columns == p->columns &&
            m->act == p->epi.act.kind)
            return m;
    }
    return NULL;
}

/* ---- what is estimated where nothing was measured ---- */

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static int64_t up(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

/* A multiprocessor's clocks, from what the parts of a tile take: fitted to the measurements behind
 * the table, of which it finds tiles that are 6 % slower than the best on average. */
static double clocks(const gemm_hopper_params *h, int rows, int columns, int consumers)
{
    const double l2 = 17, memory = 36;                             /* bytes a clock */
    const double start = 3000, latency = 300;                      /* clocks */
    const double line = 1500, gelu = 93. / 128, plain = 23. / 128; /* of a tile, of an element */
    const gemm_params *p = &h->g;
    const int all_rows = rows << h->together;
    const int64_t across = up(p->columns, columns), down = up(p->rows, all_rows);
    const int64_t mp = p->n_multiprocessors, depth_bytes = up(p->k, 64) * 128;
    const int64_t blocks = h->keep ? across * (mp / across < 1 ? 1 : mp / across) : mp;
    const double each = (double)up(across * down, blocks);
    const double multiply = (double)(up(p->k, 16) * (all_rows / 64) * columns) / 2 + latency;
    const double load = (double)(depth_bytes * (all_rows + (h->keep ? 0 : columns))) / l2;
    const double finish = rows * columns * (p->epi.act.kind == UNARY_GELU ? gelu : plain) + line;
    const int bytes = (p->out.at.is_bf16 ? 2 : 4) + (p->epi.residual_mode ? 4 : 0);
    const double traffic = (double)all_rows * columns * bytes / memory;
    const double kept = h->keep ? 1.3 * (double)(depth_bytes * columns) / l2 : 0;
    const double alone = (multiply + finish) / (h->together ? 1 : consumers);
    const double busy = larger(larger(multiply, load), larger(traffic, alone));
    return start + kept + (each - 1) * busy + larger(multiply, load) + larger(finish, traffic);
}

bool hopper_choose(gemm_hopper_params *h, bool *blas_first)
{
    const gemm_params *p = &h->g;
    *blas_first = false;
    if (!suits(p))
        return false;
    const measured *m = find_measured(p);
    *blas_first =
        m ? (m->flags & BLAS) != 0 : p->rows <= 16384 && p->k >= 1024 && p->k >= 2 * p->columns;
    double best = DBL_MAX;
    gemm_hopper_params trial = *h;
    int rows, columns, consumers;
    for (int v = 0; gemm_hopper_variant(v, &rows, &columns, &consumers); v++) {
        for (int way = 0; way < 4; way++) {
            trial.variant = v;
            trial.keep = way & KEEP;
            trial.together = (way & TOGETHER) != 0;
            if (!gemm_hopper_fits(&trial))
                continue;
            const bool was_best = m && m->tile_rows == rows && m->tile_columns == columns &&
                                  m->consumers == consumers && way == (m->flags & 3);
            const double c = was_best ? 0 : clocks(&trial, rows, columns, consumers);
            if (c < best) {
                best = c;
                h->variant = v;
                h->keep = trial.keep;
                h->together = trial.together;
            }
        }
    }
    return best < DBL_MAX;
}
