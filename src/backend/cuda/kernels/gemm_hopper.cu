/* Linear layers on Hopper: a warp copies tiles of both operands with the bulk copy engine, two
 * warpgroups of 64 rows each multiply with wgmma. Two blocks fit on a multiprocessor, so that one
 * writes results while the other multiplies. */
#include "backend/cuda/kernels/tensor_map.cuh"
#include "backend/cuda/kernels/window.cuh"

enum {
    ROWS = 128,
    COLUMNS = 128,
    DEPTH = 64, /* a row of 128 bytes */
    STAGES = 3,
    CONSUMERS = 2,
    THREADS = CONSUMERS * 128 + 32,
    X_BYTES = ROWS * DEPTH * 2,
    W_BYTES = COLUMNS * DEPTH * 2,
    OUT_PITCH = COLUMNS + 8, /* pairs of a fragment's rows meet all banks */
    /* Tiles have to start at a multiple of 1024 bytes, which the runtime does not promise. */
    SHARED_BYTES = 1024 + STAGES * (X_BYTES + W_BYTES) + 2 * STAGES * 8
};
static_assert(ROWS * OUT_PITCH * 4 <= STAGES * (X_BYTES + W_BYTES), "results do not fit");

typedef struct gemm_shared {
    unsigned char *x, *w;
    uint64_t *full, *empty;
} gemm_shared;

static __device__ __forceinline__ void produce(const gemm_hopper_params *p, const gemm_shared *s,
                                               int n_blocks)
{
    const int first_row = (int)blockIdx.x * ROWS, first_column = (int)blockIdx.y * COLUMNS;
    for (int block = 0; block < n_blocks; block++) {
        const int stage = block % STAGES;
        mbarrier_wait(s->empty + stage, (block / STAGES & 1) ^ 1); /* at first all are empty */
        mbarrier_expect(s->full + stage, X_BYTES + W_BYTES);
        tensor_copy_4d(s->x + stage * X_BYTES, p->x_map, s->full + stage, block * DEPTH, 0,
                       first_row, 0);
        tensor_copy_4d(s->w + stage * W_BYTES, p->w_map, s->full + stage, block * DEPTH, 0,
                       first_column, 0);
    }
}

/* Rows consumer * 64 and on of the tile. */
static __device__ __forceinline__ void consume(const gemm_shared *s, int consumer, int n_blocks,
                                               float *sums)
{
    const bool speaks = threadIdx.x % 32 == 0; /* for its warp */
    for (int block = 0; block < n_blocks; block++) {
        const int stage = block % STAGES;
        const unsigned char *const x = s->x + stage * X_BYTES + consumer * (X_BYTES / CONSUMERS);
        const unsigned char *const w = s->w + stage * W_BYTES;
        mbarrier_wait(s->full + stage, block / STAGES & 1);
        wgmma_fence();
#pragma unroll
        for (int step = 0; step < DEPTH / 16; step++)
            wgmma_64x128(sums, matrix_descriptor(x + step * 32), matrix_descriptor(w + step * 32),
                         block + step > 0);
        wgmma_commit();
        wgmma_wait<1>(); /* the block before is done with */
        if (speaks && block > 0)
            mbarrier_arrive(s->empty + (block - 1) % STAGES);
    }
    wgmma_wait<0>();
    hold<COLUMNS / 2>(sums);
}

static __global__ void __launch_bounds__(THREADS, 2)
    gemm_hopper_kernel(const __grid_constant__ gemm_hopper_params p)
{
    DYNAMIC_SHARED(shared);
    gemm_shared s;
    s.x = (unsigned char *)(((uintptr_t)shared + 1023) & ~(uintptr_t)1023);
    s.w = s.x + STAGES * X_BYTES;
    s.full = (uint64_t *)(s.w + STAGES * W_BYTES);
    s.empty = s.full + STAGES;
    const int tid = (int)threadIdx.x, warp = tid / 32, lane = tid % 32;
    const int n_blocks = divide_up(p.g.k, DEPTH);
    if (tid == 0) {
        for (int i = 0; i < STAGES; i++) {
            mbarrier_init(s.full + i, 1);
            mbarrier_init(s.empty + i, CONSUMERS * 4); /* a warp each */
        }
        mbarrier_init_fence();
    }
    __syncthreads();
    float sums[COLUMNS / 2];
    if (warp == CONSUMERS * 4) {
        if (lane == 0)
            produce(&p, &s, n_blocks);
        __syncwarp();
    } else {
        consume(&s, warp / 4, n_blocks, sums);
    }

    /* Through shared memory, so that memory is written in whole lines and activations are compiled
     * once instead of once a register. */
    float *const tile = (float *)s.x;
    __syncthreads(); /* nobody multiplies any more */
    if (warp < CONSUMERS * 4) {
#pragma unroll
        for (int i = 0; i < COLUMNS / 2; i += 2) {
            float *const to = tile + (warp * 16 + i % 4 / 2 * 8 + lane / 4) * OUT_PITCH +
                              i / 4 * 8 + lane % 4 * 2;
            to[0] = sums[i];
            to[1] = sums[i + 1];
        }
    }
    __syncthreads();
    const int first_row = (int)blockIdx.x * ROWS, first_column = (int)blockIdx.y * COLUMNS;
#pragma unroll 1
    for (int i = tid; i < ROWS * (COLUMNS / 4); i += THREADS) {
        const int r = i / (COLUMNS / 4), c = i % (COLUMNS / 4) * 4;
        if (first_row + r < p.g.rows && first_column + c < p.g.columns)
            write_four(&p.g, first_row + r, first_column + c, tile + r * OUT_PITCH + c);
    }
}

int64_t gemm_hopper_tiles(const gemm_params *p)
{
    return (int64_t)blocks_for(p->rows, ROWS) * blocks_for(p->columns, COLUMNS);
}

cudaError_t gemm_hopper_launch(const void *params, cudaStream_t stream)
{
    const gemm_hopper_params *p = (const gemm_hopper_params *)params;
    return launch(gemm_hopper_kernel,
                  dim3(blocks_for(p->g.rows, ROWS), blocks_for(p->g.columns, COLUMNS)), THREADS,
                  SHARED_BYTES, stream, p);
}

cudaError_t gemm_hopper_maps(gemm_hopper_params *p)
{
    const dev_rows w = {p->g.w, p->g.k_stride};
    const cudaError_t error = tensor_map_make(p->x_map, p->g.x, p->g.k, 1, p->g.rows, 1, ROWS);
    return error != cudaSuccess ? error
                                : tensor_map_make(p->w_map, w, p->g.k, 1, p->g.columns, 1, COLUMNS);
}
