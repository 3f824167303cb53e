/* Linear layers of few rows, which wait for their weights and for little else: each warp asks for
 * all that it reads of them, 16 bytes a thread, before it uses any. A block has 16 columns and up
 * to 32 rows, each of its warps a piece of the depth.
 *
 * Weights are the left side of mma.sync, 16 columns of the result a tile, and rows of x the right
 * side, 8 a tile. The order of products in a sum is free, as long as both sides agree: thread t of
 * four takes elements 8 t to 8 t + 7 of each 32, so that nothing has to pass through shared memory.
 */
#include "backend/cuda/kernels/window.cuh"

enum {
    WARPS = 8,
    COLUMNS = 16,
    TILES = 4, /* of 8 rows, that share the weights read */
    ROWS = 8 * TILES,
    STEPS = 4,     /* of 32 elements, asked for together */
    PITCH = 16 + 4 /* of a row of sums: no two of a warp's writes meet in a bank */
};

/* Eight elements as they lie in memory. */
template <bool BF16> struct eight_t {
    eight_bf16 bits;
};
template <> struct eight_t<false> {
    float4_t low, high;
};

template <bool BF16>
static __device__ __forceinline__ eight_t<BF16> load_eight(const void *x, int64_t i)
{
    eight_t<BF16> v;
    if constexpr (BF16) {
        check_aligned((const uint16_t *)x + i, 16);
        v.bits = *(const eight_bf16 *)((const uint16_t *)x + i);
    } else {
        v.low = load4_of<false>(x, i);
        v.high = load4_of<false>(x, i + 4);
    }
    return v;
}

template <bool BF16> static __device__ __forceinline__ eight_bf16 round_eight(eight_t<BF16> v)
{
    if constexpr (BF16) {
        return v.bits;
    } else {
        eight_bf16 r;
        r.pair[0] = pack_bf16(v.low.x[0], v.low.x[1]);
        r.pair[1] = pack_bf16(v.low.x[2], v.low.x[3]);
        r.pair[2] = pack_bf16(v.high.x[0], v.high.x[1]);
        r.pair[3] = pack_bf16(v.high.x[2], v.high.x[3]);
        return r;
    }
}

/* Sums of 16 columns from `column` on by up to 32 rows over elements k_first to k_end. No read
 * depends on a condition, so that all of a turn are in flight together: columns and rows that do
 * not exist repeat the last one, and their sums go nowhere; behind k_end weights count as zeros. */
template <bool BF16>
static __device__ __forceinline__ void sum_piece(const gemm_params *p, int first_row, int end_row,
                                                 int column, int k_first, int k_end,
                                                 float sums[TILES][4])
{
    const int lane = (int)(threadIdx.x % 32), g = lane / 4, t = lane % 4;
    const uint16_t *const w = (const uint16_t *)p->w.data;
    const eight_bf16 none = {{0, 0, 0, 0}};
#pragma unroll 1
    for (int k0 = k_first; k0 < k_end; k0 += STEPS * 32) {
        eight_bf16 a[STEPS][2];
#pragma unroll
        for (int s = 0; s < STEPS; s++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                const int k = k0 + s * 32 + t * 8, c = min(column + g + h * 8, p->columns - 1);
                a[s][h] = *(const eight_bf16 *)(w + c * p->k_stride + (k < k_end ? k : k_first));
            }
        eight_t<BF16> x[STEPS]; /* of the first tile */
#pragma unroll
        for (int s = 0; s < STEPS; s++) {
            const int k = k0 + s * 32 + t * 8, row = min(first_row + g, end_row - 1);
            x[s] =
                load_eight<BF16>(p->x.at.data, row * p->x.row_stride + (k < k_end ? k : k_first));
        }
#pragma unroll
        for (int s = 0; s < STEPS; s++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                if (k0 + s * 32 + t * 8 >= k_end)
                    a[s][h] = none;
            }
#pragma unroll
        for (int tile = 0; tile < TILES; tile++) {
            if (first_row + tile * 8 >= end_row)
                break;
            eight_bf16 b[STEPS];
#pragma unroll
            for (int s = 0; s < STEPS; s++)
                b[s] = round_eight<BF16>(x[s]);
            const int row = min(first_row + tile * 8 + 8 + g, end_row - 1);
            if (tile + 1 < TILES && first_row + tile * 8 + 8 < end_row) {
#pragma unroll
                for (int s = 0; s < STEPS; s++) {
                    const int k = k0 + s * 32 + t * 8;
                    x[s] = load_eight<BF16>(p->x.at.data,
                                            row * p->x.row_stride + (k < k_end ? k : k_first));
                }
            }
#pragma unroll
            for (int s = 0; s < STEPS; s++)
#pragma unroll
                for (int half = 0; half < 2; half++) {
                    const uint32_t weights[4] = {a[s][0].pair[2 * half], a[s][1].pair[2 * half],
                                                 a[s][0].pair[2 * half + 1],
                                                 a[s][1].pair[2 * half + 1]};
                    mma_16816(sums[tile], weights, b[s].pair[2 * half], b[s].pair[2 * half + 1]);
                }
        }
    }
}

static __global__ void __launch_bounds__(WARPS * 32)
    linear_few_kernel(const __grid_constant__ gemm_params p)
{
    __shared__ float4_t shared[WARPS * ROWS * PITCH / 4]; /* [warp][row][column] */
    float *const parts = (float *)shared;
    const int warp = (int)(threadIdx.x / 32), lane = (int)(threadIdx.x % 32);
    const int column = (int)blockIdx.x * COLUMNS, first_row = (int)blockIdx.y * ROWS;
    const int end_row = min(p.rows, first_row + (int)ROWS);
    const int depth = divide_up(divide_up(p.k, 32), WARPS) * 32, n_pieces = divide_up(p.k, depth);
    const int k_first = warp * depth, k_end = min(p.k, k_first + depth);
    float sums[TILES][4] = {{0}};
    if (warp < n_pieces && p.x.at.is_bf16)
        sum_piece<true>(&p, first_row, end_row, column, k_first, k_end, sums);
    else if (warp < n_pieces)
        sum_piece<false>(&p, first_row, end_row, column, k_first, k_end, sums);
#pragma unroll
    for (int tile = 0; tile < TILES; tile++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            parts[(warp * ROWS + tile * 8 + lane % 4 * 2 + i % 2) * PITCH + lane / 4 + i / 2 * 8] =
                sums[tile][i];
    __syncthreads();
    const int i = (int)threadIdx.x, row = i / 4, four = i % 4 * 4;
    if (row >= end_row - first_row || column + four >= p.columns)
        return;
    float4_t total = {{0, 0, 0, 0}};
    for (int piece = 0; piece < n_pieces; piece++) {
        const float4_t v = *(const float4_t *)(parts + (piece * ROWS + row) * PITCH + four);
#pragma unroll
        for (int k = 0; k < 4; k++)
            total.x[k] += v.x[k];
    }
    write_four(&p, first_row + row, column + four, total.x);
}

cudaError_t linear_few_launch(const void *params, cudaStream_t stream)
{
    const gemm_params *p = (const gemm_params *)params;
    const dim3 grid(blocks_for(p->columns, COLUMNS), blocks_for(p->rows, ROWS));
    return launch(linear_few_kernel, grid, WARPS * 32, 0, stream, p);
}
