/* Convolutions and linear layers on bf16 operands with mma.sync: an implicit product, operands
 * through shared memory by asynchronous copies, three blocks of 32 deep in flight.
 *
 * Rows of a tile lie 80 bytes apart in shared memory: an odd number of 16-byte units, so that the
 * eight rows that ldmatrix reads at once meet all banks. */
#include "backend/cuda/kernels/window.cuh"

enum { DEPTH = 32, PITCH = DEPTH + 8, STAGES = 3 };

/* Eight elements of x from depth k on, all of one pixel; `from` is valid even if nothing is read.
 */
static __device__ __forceinline__ void load_x(const gemm_params *p, uint16_t *to,
                                              output_pixel pixel, int k)
{
    const uint16_t *x = (const uint16_t *)p->x.at.data;
    const int tap = k / p->channels, c = k % p->channels;
    int64_t row = -1;
    if (k < p->k)
        row = input_row(&p->window, pixel, tap / p->window.kernel_w, tap % p->window.kernel_w);
    copy_16_async(to, row < 0 ? x : x + row * p->x.row_stride + c, row < 0 ? 0 : 16);
}

/* Four sums of a row, side by side. */
static __device__ __forceinline__ void write_group(const gemm_params *p, int row, int column,
                                                   const float *sums)
{
    if (p->vector == 1) {
#pragma unroll 1
        for (int i = 0; i < 4 && column + i < p->columns; i++) {
            const output_place o = output_place_of(p, row, column + i, 0);
            store(p->out.at, o.row * p->out.row_stride + o.column,
                  apply_epilogue(&p->epi, sums[i], o.column,
                                 o.row * p->epi.residual.row_stride + o.column));
        }
        return;
    }
    const output_place o = output_place_of(p, row, column, 0);
    float4_t v = *(const float4_t *)sums, residual = {{0, 0, 0, 0}};
    if (p->epi.residual_mode)
        residual = load4(p->epi.residual.at, o.row * p->epi.residual.row_stride + o.column);
#pragma unroll
    for (int i = 0; i < 4; i++) {
        if (p->epi.bias)
            v.x[i] += p->epi.bias[o.column + i];
        if (p->epi.residual_mode == 1)
            v.x[i] += residual.x[i];
        v.x[i] = apply_unary(p->epi.act, v.x[i]);
        if (p->epi.residual_mode == 2)
            v.x[i] += residual.x[i];
    }
    store4(p->out.at, o.row * p->out.row_stride + o.column, v);
}

/* ROWS x COLUMNS a block of 8 warps, WARPS_DOWN x (8 / WARPS_DOWN). */
template <int ROWS, int COLUMNS, int WARPS_DOWN>
static __global__ void __launch_bounds__(256) gemm_mma_kernel(const __grid_constant__ gemm_params p)
{
    constexpr int WARPS_ACROSS = 8 / WARPS_DOWN;
    constexpr int M = ROWS / WARPS_DOWN / 16, N = COLUMNS / WARPS_ACROSS / 8;
    DYNAMIC_SHARED(shared);
    uint16_t *const xs = (uint16_t *)shared, *const ws = xs + STAGES * ROWS * PITCH;
    const int tid = (int)threadIdx.x, warp = tid / 32, lane = tid % 32;
    const int first_row = (int)blockIdx.x * ROWS, first_column = (int)blockIdx.y * COLUMNS;
    const int load_row = tid / 4, load_k = tid % 4 * 8;
    const uint16_t *const w = (const uint16_t *)p.w.data;

    output_pixel pixels[ROWS / 64];
#pragma unroll
    for (int i = 0; i < ROWS / 64; i++)
        pixels[i] = output_pixel_of(&p.window, first_row + load_row + 64 * i, p.rows);

    float sums[M][N][4];
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                sums[m][n][i] = 0;

    const int n_blocks = divide_up(p.k, DEPTH);
    auto load_block = [&](int block) {
        const int k = block * DEPTH + load_k;
        uint16_t *const x_to = xs + block % STAGES * ROWS * PITCH;
        uint16_t *const w_to = ws + block % STAGES * COLUMNS * PITCH;
        if (block < n_blocks) {
#pragma unroll
            for (int i = 0; i < ROWS / 64; i++)
                load_x(&p, x_to + (load_row + 64 * i) * PITCH + load_k, pixels[i], k);
#pragma unroll
            for (int i = 0; i < COLUMNS / 64; i++) {
                const int column = first_column + load_row + 64 * i;
                const bool there = column < p.columns && k < p.k_stride;
                copy_16_async(w_to + (load_row + 64 * i) * PITCH + load_k,
                              there ? w + column * p.k_stride + k : w, there ? 16 : 0);
            }
        }
        copy_commit(); /* one group a block, also past the end, so that waits count right */
    };

    for (int block = 0; block < STAGES - 1; block++)
        load_block(block);
    const int row = warp / WARPS_ACROSS * (ROWS / WARPS_DOWN);
    const int column = warp % WARPS_ACROSS * (COLUMNS / WARPS_ACROSS);
    /* ldmatrix: x as (rows 0-7, 8-15) x (k 0-7, 8-15), columns first; w the other way round. */
    const int x_at = (row + lane % 16) * PITCH + lane / 16 * 8;
    const int w_at = (column + lane / 16 * 8 + lane % 8) * PITCH + lane / 8 % 2 * 8;
    for (int block = 0; block < n_blocks; block++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        load_block(block + STAGES - 1);
        const uint16_t *const x_from = xs + block % STAGES * ROWS * PITCH + x_at;
        const uint16_t *const w_from = ws + block % STAGES * COLUMNS * PITCH + w_at;
#pragma unroll
        for (int k = 0; k < DEPTH; k += 16) {
            uint32_t a[M][4], b[N / 2][4];
#pragma unroll
            for (int m = 0; m < M; m++)
                ldmatrix_x4(a[m], x_from + m * 16 * PITCH + k);
#pragma unroll
            for (int n = 0; n < N / 2; n++)
                ldmatrix_x4(b[n], w_from + n * 16 * PITCH + k);
#pragma unroll
            for (int m = 0; m < M; m++)
#pragma unroll
                for (int n = 0; n < N; n++)
                    mma_16816(sums[m][n], a[m], b[n / 2][n % 2 * 2], b[n / 2][n % 2 * 2 + 1]);
        }
    }

    /* Sums go through shared memory, 16 rows of each warp at a time, so that memory is written in
     * whole lines and activations are compiled once instead of once a register. */
    constexpr int PASS_ROWS = WARPS_DOWN * 16, TILE_PITCH = COLUMNS + 4, GROUPS = COLUMNS / 4;
    float *const tile = (float *)shared;
    copy_wait<0>();
#pragma unroll
    for (int m = 0; m < M; m++) {
        __syncthreads();
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                tile[(warp / WARPS_ACROSS * 16 + i / 2 * 8 + lane / 4) * TILE_PITCH + column +
                     n * 8 + lane % 4 * 2 + i % 2] = sums[m][n][i];
        __syncthreads();
#pragma unroll 1
        for (int i = tid; i < PASS_ROWS * GROUPS; i += 256) {
            const int r = i / GROUPS, c = first_column + i % GROUPS * 4;
            const int out_row = first_row + r / 16 * (ROWS / WARPS_DOWN) + m * 16 + r % 16;
            if (out_row < p.rows && c < p.columns)
                write_group(&p, out_row, c, tile + r * TILE_PITCH + i % GROUPS * 4);
        }
    }
}

template <int ROWS, int COLUMNS, int WARPS_DOWN>
static cudaError_t launch_tile(const gemm_params *p, cudaStream_t stream)
{
    const size_t shared = (size_t)STAGES * (ROWS + COLUMNS) * PITCH * sizeof(uint16_t);
    return launch(gemm_mma_kernel<ROWS, COLUMNS, WARPS_DOWN>,
                  dim3(blocks_for(p->rows, ROWS), blocks_for(p->columns, COLUMNS)), 256, shared,
                  stream, p);
}

cudaError_t gemm_mma_launch(const void *params, cudaStream_t stream)
{
    const gemm_params *p = (const gemm_params *)params;
    /* Large tiles read operands half as often, but have to be enough for every multiprocessor. */
    const int64_t large = (int64_t)blocks_for(p->rows, 128) * blocks_for(p->columns, 128);
    if (large >= p->n_multiprocessors && p->columns > 64)
        return launch_tile<128, 128, 2>(p, stream);
    return launch_tile<64, 64, 4>(p, stream);
}
