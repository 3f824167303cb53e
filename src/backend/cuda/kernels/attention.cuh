/* backend/cuda/kernels/attention.cuh - which keys a query sees, for every attention kernel. */
#ifndef BACKEND_CUDA_KERNELS_ATTENTION_CUH
#define BACKEND_CUDA_KERNELS_ATTENTION_CUH

#include "backend/cuda/kernels/device.cuh"

/* A window of keys that may reach beyond the grid. */
typedef struct attention_window {
    int top, left, cells;
} attention_window;

static __device__ __forceinline__ attention_window window_at(const attention_params *p, int index)
{
    attention_window w;
    w.top = index / p->windows_across * p->k_grid.window_h;
    w.left = index % p->windows_across * p->k_grid.window_w;
    w.cells = p->k_grid.window_h * p->k_grid.window_w;
    return w;
}

static __device__ __forceinline__ attention_window window_of_query(const attention_params *p,
                                                                   int query)
{
    const int y = query / p->q_grid.grid_w / p->q_grid.window_h;
    const int x = query % p->q_grid.grid_w / p->q_grid.window_w;
    return window_at(p, y * p->windows_across + x);
}

/* The key's token at a cell of a window, or -1 outside the grid. */
static __device__ __forceinline__ int token_of_cell(const attention_params *p,
                                                    const attention_window *w, int cell)
{
    const int y = w->top + cell / p->k_grid.window_w, x = w->left + cell % p->k_grid.window_w;
    return y < p->k_grid.grid_h && x < p->k_grid.grid_w ? y * p->k_grid.grid_w + x : -1;
}

/* The query's token at a cell of window `index` of the queries' grid, or -1 outside. */
static __device__ __forceinline__ int query_of_cell(const attention_params *p, int index, int cell)
{
    const dev_grid *g = &p->q_grid;
    if (cell >= g->window_h * g->window_w)
        return -1;
    const int y = index / p->windows_across * g->window_h + cell / g->window_w;
    const int x = index % p->windows_across * g->window_w + cell % g->window_w;
    return y < g->grid_h && x < g->grid_w ? y * g->grid_w + x : -1;
}

static __device__ __forceinline__ bool key_is_valid(const attention_params *p, int batch, int token)
{
    if (!p->valid.at.data)
        return true;
    const int row = p->valid_batches == 1 ? 0 : batch;
    return load(p->valid.at, row * p->valid.row_stride + token) != 0;
}

/* Elements d and d + 1 of a head (d is even) to out[row + d] and the next, as far as there are. */
static __device__ __forceinline__ void write_pair(const attention_params *p, dev_ptr out,
                                                  int64_t row, int d, float x, float y)
{
    if (d >= p->dv_out)
        return;
    if (p->pairs && out.is_bf16) {
        *(uint32_t *)((uint16_t *)out.data + row + d) = pack_bf16(x, y);
    } else if (p->pairs) {
        float2_t v = {{x, y}};
        *(float2_t *)((float *)out.data + row + d) = v;
    } else {
        store(out, row + d, x);
        if (d + 1 < p->dv_out)
            store(out, row + d + 1, y);
    }
}

/* What joining the parts of a row's result takes beside its sums. */
static __device__ __forceinline__ void write_peak(const attention_params *p, int64_t item,
                                                  float max, float total)
{
    const float2_t peak = {{max, total}};
    *(float2_t *)(p->peaks + item * 2) = peak;
}

#endif
