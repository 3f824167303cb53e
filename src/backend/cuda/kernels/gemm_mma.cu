/* Convolutions and linear layers on bf16 operands with mma.sync: an implicit product, operands
 * through shared memory by asynchronous copies, several blocks of depth in flight.
 *
 * Rows of a tile are padded by 16 bytes in shared memory, which makes them an odd number of 16-byte
 * units, so that the eight rows that ldmatrix reads at once meet all banks. */
#include "backend/cuda/kernels/window.cuh"

/* ROWS x COLUMNS a block of 8 warps, WARPS_DOWN x (8 / WARPS_DOWN). PLAIN: rows of x are rows of
 * the product's left side, and nothing has to be divided to find them. */
template <int ROWS_, int COLUMNS_, int WARPS_DOWN_, int DEPTH_, int STAGES_, bool PLAIN_>
struct tile {
    static constexpr int ROWS = ROWS_, COLUMNS = COLUMNS_, WARPS_DOWN = WARPS_DOWN_;
    static constexpr int DEPTH = DEPTH_, STAGES = STAGES_, PITCH = DEPTH + 8;
    static constexpr bool PLAIN = PLAIN_;
    static constexpr int WARPS_ACROSS = 8 / WARPS_DOWN;
    static constexpr int M = ROWS / WARPS_DOWN / 16, N = COLUMNS / WARPS_ACROSS / 8;
    static constexpr int CHUNKS = DEPTH / 8, ROWS_A_TURN = 256 / CHUNKS; /* of copies */
    static constexpr int SHARED_BYTES = STAGES * (ROWS + COLUMNS) * PITCH * 2;
};

/* Where a thread's copies of x are in the window: tap (y, x), channel c. */
typedef struct tap_place {
    int y, x, c;
} tap_place;

static __device__ __forceinline__ void tap_settle(const gemm_params *p, tap_place *at)
{
    while (at->c >= p->channels) {
        at->c -= p->channels;
        if (++at->x == p->window.kernel_w) {
            at->x = 0;
            at->y++;
        }
    }
}

template <typename T>
static __global__ void __launch_bounds__(256) gemm_mma_kernel(const __grid_constant__ gemm_params p)
{
    constexpr int M = T::M, N = T::N, PITCH = T::PITCH, STAGES = T::STAGES;
    DYNAMIC_SHARED(shared);
    uint16_t *const xs = (uint16_t *)shared, *const ws = xs + STAGES * T::ROWS * PITCH;
    const int tid = (int)threadIdx.x, warp = tid / 32, lane = tid % 32;
    const int first_row = (int)blockIdx.x * T::ROWS, first_column = (int)blockIdx.y * T::COLUMNS;
    const int load_row = tid / T::CHUNKS, load_k = tid % T::CHUNKS * 8;
    const uint16_t *const x = (const uint16_t *)p.x.at.data, *const w = (const uint16_t *)p.w.data;

    output_pixel pixels[T::PLAIN ? 1 : T::ROWS / T::ROWS_A_TURN];
    tap_place tap = {0, 0, load_k};
    if (!T::PLAIN) {
#pragma unroll
        for (int i = 0; i < T::ROWS / T::ROWS_A_TURN; i++)
            pixels[T::PLAIN ? 0 : i] =
                output_pixel_of(&p.window, first_row + load_row + T::ROWS_A_TURN * i, p.rows);
        tap_settle(&p, &tap);
    }

    float sums[M][N][4];
#pragma unroll
    for (int m = 0; m < M; m++)
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                sums[m][n][i] = 0;

    const int n_blocks = divide_up(p.k, T::DEPTH);
    /* In order, since `tap` moves on. One group a block, also past the end, so that waits count
     * right. */
    auto load_block = [&](int block) {
        const int k = block * T::DEPTH + load_k;
        uint16_t *const x_to = xs + (block % STAGES * T::ROWS + load_row) * PITCH + load_k;
        uint16_t *const w_to = ws + (block % STAGES * T::COLUMNS + load_row) * PITCH + load_k;
        if (block < n_blocks) {
#pragma unroll
            for (int i = 0; i < T::ROWS / T::ROWS_A_TURN; i++) {
                int64_t row = first_row + load_row + T::ROWS_A_TURN * i;
                if (!T::PLAIN)
                    row = input_row(&p.window, pixels[T::PLAIN ? 0 : i], tap.y, tap.x);
                const bool there = k < p.k && (T::PLAIN ? row < p.rows : row >= 0);
                copy_16_async(x_to + T::ROWS_A_TURN * i * PITCH,
                              there ? x + row * p.x.row_stride + (T::PLAIN ? k : tap.c) : x,
                              there ? 16 : 0);
            }
#pragma unroll
            for (int i = 0; i < T::COLUMNS / T::ROWS_A_TURN; i++) {
                const int column = first_column + load_row + T::ROWS_A_TURN * i;
                const bool there = column < p.columns && k < p.k_stride;
                copy_16_async(w_to + T::ROWS_A_TURN * i * PITCH,
                              there ? w + column * p.k_stride + k : w, there ? 16 : 0);
            }
            tap.c += T::DEPTH;
            if (!T::PLAIN)
                tap_settle(&p, &tap);
        }
        copy_commit();
    };

    for (int block = 0; block < STAGES - 1; block++)
        load_block(block);
    const int row = warp / T::WARPS_ACROSS * (T::ROWS / T::WARPS_DOWN);
    const int column = warp % T::WARPS_ACROSS * (T::COLUMNS / T::WARPS_ACROSS);
    /* ldmatrix: x as (rows 0-7, 8-15) x (k 0-7, 8-15), columns first; w the other way round. */
    const int x_at = (row + lane % 16) * PITCH + lane / 16 * 8;
    const int w_at = (column + lane / 16 * 8 + lane % 8) * PITCH + lane / 8 % 2 * 8;
    for (int block = 0; block < n_blocks; block++) {
        copy_wait<STAGES - 2>();
        __syncthreads();
        load_block(block + STAGES - 1);
        const uint16_t *const x_from = xs + block % STAGES * T::ROWS * PITCH + x_at;
        const uint16_t *const w_from = ws + block % STAGES * T::COLUMNS * PITCH + w_at;
#pragma unroll
        for (int k = 0; k < T::DEPTH; k += 16) {
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
    constexpr int PASS_ROWS = T::WARPS_DOWN * 16, TILE_PITCH = T::COLUMNS + 4;
    constexpr int GROUPS = T::COLUMNS / 4;
    static_assert(PASS_ROWS * TILE_PITCH * 4 <= T::SHARED_BYTES, "the tile of sums does not fit");
    float *const tile = (float *)shared;
    copy_wait<0>();
#pragma unroll
    for (int m = 0; m < M; m++) {
        __syncthreads();
#pragma unroll
        for (int n = 0; n < N; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                tile[(warp / T::WARPS_ACROSS * 16 + i / 2 * 8 + lane / 4) * TILE_PITCH + column +
                     n * 8 + lane % 4 * 2 + i % 2] = sums[m][n][i];
        __syncthreads();
#pragma unroll 1
        for (int i = tid; i < PASS_ROWS * GROUPS; i += 256) {
            const int r = i / GROUPS, c = first_column + i % GROUPS * 4;
            const int out_row = first_row + r / 16 * (T::ROWS / T::WARPS_DOWN) + m * 16 + r % 16;
            if (out_row < p.rows && c < p.columns)
                write_four(&p, out_row, c, tile + r * TILE_PITCH + i % GROUPS * 4);
        }
    }
}

template <typename T> static cudaError_t launch_tile(const gemm_params *p, cudaStream_t stream)
{
    return launch(gemm_mma_kernel<T>,
                  dim3(blocks_for(p->rows, T::ROWS), blocks_for(p->columns, T::COLUMNS)), 256,
                  T::SHARED_BYTES, stream, p);
}

template <bool PLAIN> static cudaError_t launch_some(const gemm_params *p, cudaStream_t stream)
{
    /* Large tiles read operands half as often, but have to be enough for every multiprocessor.
     * Where each has hardly a block of its own, nothing but more depth in flight hides how long
     * memory takes. */
    const int64_t large = (int64_t)blocks_for(p->rows, 128) * blocks_for(p->columns, 128);
    const int64_t small = (int64_t)blocks_for(p->rows, 64) * blocks_for(p->columns, 64);
    if (large >= p->n_multiprocessors && p->columns > 64)
        return launch_tile<tile<128, 128, 2, 32, 4, PLAIN>>(p, stream);
    if (small <= 2 * p->n_multiprocessors && p->k > 64)
        return launch_tile<tile<64, 64, 4, 64, 4, PLAIN>>(p, stream);
    return launch_tile<tile<64, 64, 4, 32, 3, PLAIN>>(p, stream);
}

cudaError_t gemm_mma_launch(const void *params, cudaStream_t stream)
{
    const gemm_params *p = (const gemm_params *)params;
    return gemm_rows_are_rows(p) ? launch_some<true>(p, stream) : launch_some<false>(p, stream);
}
