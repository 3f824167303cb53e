/* Linear layers on Hopper. A block stays on its multiprocessor and takes tile after tile: a warp
 * copies both operands with the bulk copy engine, two warpgroups multiply with wgmma, each its own
 * tiles in turn, so that one writes results while the other multiplies. Where all of k fits, a
 * block keeps the weights of its columns in shared memory and streams rows past them. */
#include "backend/cuda/kernels/tensor_map.cuh"

enum {
    DEPTH = 64, /* of a stage: a row of 128 bytes */
    MAX_STAGES = 12,
    MAX_KEPT = 16, /* blocks of kept weights */
    CONSUMERS = 2,
    THREADS = CONSUMERS * 128 + 128,
    /* Of a thread: an accumulator for each of 128 x 128 elements, and what else it takes. */
    CONSUMER_REGISTERS = 240,
    PRODUCER_REGISTERS = 24,
    CHUNK = 64, /* columns whose residuals are in flight together */
    SHARED_LIMIT = 227 * 1024,
    /* Tiles have to start at a multiple of 1024 bytes, which the runtime does not promise. */
    SHARED_OTHER = 1024 + (2 * MAX_STAGES + MAX_KEPT + CONSUMERS) * 8
};

/* A warpgroup's tile: SLABS * 64 rows. */
template <int SLABS_, int COLUMNS_> struct hopper_tile {
    static constexpr int SLABS = SLABS_, COLUMNS = COLUMNS_, ROWS = SLABS * 64;
    static constexpr int X_BYTES = ROWS * DEPTH * 2, W_BYTES = COLUMNS * DEPTH * 2;
    static constexpr int SUMS = COLUMNS / 2; /* of a slab, in each thread */
};

typedef struct gemm_shared {
    unsigned char *kept, *stages; /* kept: weights of all k, or nothing */
    uint64_t *full, *empty, *kept_full;
    uint64_t *go; /* [CONSUMERS]: that the tile before has all its operands */
} gemm_shared;

typedef struct gemm_tile {
    int row, column; /* of its first element */
} gemm_tile;

/* The i-th tile of this block: of its own columns where weights are kept, so that they stay the
 * same; else tiles of the same rows are computed at the same time. */
template <typename T>
static __device__ __forceinline__ bool tile_at(const gemm_hopper_params *p, int i, gemm_tile *tile)
{
    const int across = divide_up(p->g.columns, T::COLUMNS), down = divide_up(p->g.rows, T::ROWS);
    const int index = (int)blockIdx.x + i * (int)gridDim.x;
    /* gridDim.x is a multiple of `across` where weights are kept */
    tile->row = index / across * T::ROWS;
    tile->column = index % across * T::COLUMNS;
    return index < across * down;
}

template <typename T>
static __device__ __forceinline__ void produce(const gemm_hopper_params *p, const gemm_shared *s,
                                               int n_blocks)
{
    const int stage_bytes = T::X_BYTES + (p->keep ? 0 : T::W_BYTES);
    int stage = 0, parity = 1; /* at first all are empty */
    gemm_tile tile;
    for (int i = 0; tile_at<T>(p, i, &tile); i++) {
        for (int block = 0; block < n_blocks; block++) {
            unsigned char *const x = s->stages + stage * stage_bytes;
            unsigned char *const w = p->keep ? s->kept + block * T::W_BYTES : x + T::X_BYTES;
            uint64_t *const full = s->full + stage;
            if (p->keep && i == 0) {
                mbarrier_expect(s->kept_full + block, T::W_BYTES);
                tensor_copy_4d(w, p->w_map, s->kept_full + block, block * DEPTH, 0, tile.column, 0);
            }
            mbarrier_wait(s->empty + stage, parity);
            mbarrier_expect(full, stage_bytes);
            tensor_copy_4d(x, p->x_map, full, block * DEPTH, 0, tile.row, 0);
            if (!p->keep)
                tensor_copy_4d(w, p->w_map, full, block * DEPTH, 0, tile.column, 0);
            if (++stage == p->n_stages) {
                stage = 0;
                parity ^= 1;
            }
        }
    }
}

/* A block of depth, STEPS * 16 of it. */
template <typename T, int STEPS>
static __device__ __forceinline__ void multiply_block(const unsigned char *x,
                                                      const unsigned char *w, bool add, float *sums)
{
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
#pragma unroll
        for (int slab = 0; slab < T::SLABS; slab++)
            wgmma_64xn<T::COLUMNS>(sums + slab * T::SUMS,
                                   matrix_descriptor(x + slab * (64 * DEPTH * 2) + step * 32),
                                   matrix_descriptor(w + step * 32), step > 0 || add);
    }
    wgmma_commit();
}

/* Tile `turn` of the block. The last block of depth is STEPS * 16 deep. */
template <typename T, int STEPS>
static __device__ __forceinline__ void multiply(const gemm_hopper_params *p, const gemm_shared *s,
                                                int turn, int n_blocks, float *sums)
{
    const bool speaks = threadIdx.x % 32 == 0; /* for its warp */
    const int stage_bytes = T::X_BYTES + (p->keep ? 0 : T::W_BYTES);
    int stage = turn * n_blocks % p->n_stages, parity = turn * n_blocks / p->n_stages & 1;
    int before = 0;
    /* In turns: a wait can tell a phase from the one before, not from the one before that. */
    if (turn > 0)
        mbarrier_wait(s->go + turn % CONSUMERS, (turn - 1) / CONSUMERS & 1);
    for (int block = 0; block < n_blocks; block++) {
        const unsigned char *const x = s->stages + stage * stage_bytes;
        const unsigned char *const w = p->keep ? s->kept + block * T::W_BYTES : x + T::X_BYTES;
        if (p->keep && turn < CONSUMERS)
            mbarrier_wait(s->kept_full + block, 0);
        mbarrier_wait(s->full + stage, parity);
        if (block == n_blocks - 1) {
            multiply_block<T, STEPS>(x, w, block > 0, sums);
            if (speaks)
                mbarrier_arrive(s->go + (turn + 1) % CONSUMERS);
            break;
        }
        multiply_block<T, DEPTH / 16>(x, w, block > 0, sums);
        wgmma_wait<1>(); /* the block before is done with */
        if (speaks && block > 0)
            mbarrier_arrive(s->empty + before);
        before = stage;
        if (++stage == p->n_stages) {
            stage = 0;
            parity ^= 1;
        }
    }
    wgmma_wait<0>();
    hold<T::SLABS * T::SUMS>(sums);
    if (speaks) {
        if (n_blocks > 1)
            mbarrier_arrive(s->empty + before);
        mbarrier_arrive(s->empty + stage);
    }
}

/* x Phi(x) = max(x, 0) - |x| Phi(-|x|), where log2 Phi(-a) is close to a polynomial for
 * 0 <= a <= 6 (a least-maximum fit; what comes out is within 3e-7 of GELU), and Phi(-8) is nothing. */
static __device__ __forceinline__ float fast_gelu(float x)
{
    const float a = fminf(fabsf(x), 8);
    float q = 3.574430593289435e-05f;
    q = q * a - 0.0007890241104178131f;
    q = q * a + 0.008129391819238663f;
    q = q * a - 0.053450629115104675f;
    q = q * a - 0.458780974149704f;
    q = q * a - 1.151181697845459f;
    q = q * a - 0.9999970197677612f;
    return fmaxf(x, 0) - a * fast_exp2(q);
}

static __device__ __forceinline__ float2_t load2(dev_ptr p, int64_t i)
{
    float2_t v;
    if (p.is_bf16) {
        const uint32_t bits = *(const uint32_t *)((const uint16_t *)p.data + i);
        v.x[0] = bf16_to_float((uint16_t)bits);
        v.x[1] = bf16_to_float((uint16_t)(bits >> 16));
    } else {
        v = *(const float2_t *)((const float *)p.data + i);
    }
    return v;
}

/* Results of up to CHUNK columns of a slab. A thread has two columns of each eight in rows r and
 * r + 8; in bf16 it trades with its neighbour so as to write four columns of one eight. */
template <int PAIRS>
static __device__ __forceinline__ void write_chunk(const gemm_params *p, float *sums, int row,
                                                   int first_column)
{
    const int lane = (int)threadIdx.x % 32, own = first_column + lane % 4 * 2;
    const bool there[2] = {row < p->rows, row + 8 < p->rows};
    float2_t residual[PAIRS][2][2]; /* eight of the pair, half of the rows */
#pragma unroll
    for (int pair = 0; pair < PAIRS; pair++)
#pragma unroll
        for (int e = 0; e < 2; e++)
#pragma unroll
            for (int h = 0; h < 2; h++) {
                const int column = own + pair * 16 + e * 8;
                residual[pair][e][h] = float2_t{{0, 0}};
                if (p->epi.residual_mode && there[h] && column < p->columns)
                    residual[pair][e][h] =
                        load2(p->epi.residual.at,
                              (row + h * 8) * p->epi.residual.row_stride + column);
            }
    if (p->epi.bias) {
#pragma unroll
        for (int i = 0; i < PAIRS * 2; i++) {
            const int column = own + i * 8;
            const float2_t bias = column < p->columns ? *(const float2_t *)(p->epi.bias + column)
                                                      : float2_t{{0, 0}};
            sums[i * 4] += bias.x[0];
            sums[i * 4 + 1] += bias.x[1];
            sums[i * 4 + 2] += bias.x[0];
            sums[i * 4 + 3] += bias.x[1];
        }
    }
    if (p->epi.act.kind == 5) {
#pragma unroll
        for (int i = 0; i < PAIRS * 8; i++)
            sums[i] = fast_gelu(sums[i]);
    } else if (p->epi.act.kind == 1) {
#pragma unroll
        for (int i = 0; i < PAIRS * 8; i++)
            sums[i] = sums[i] < 0 ? 0 : sums[i];
    }
#pragma unroll
    for (int pair = 0; pair < PAIRS; pair++)
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float v[2][2];
#pragma unroll
            for (int e = 0; e < 2; e++)
#pragma unroll
                for (int i = 0; i < 2; i++)
                    v[e][i] = sums[pair * 8 + e * 4 + h * 2 + i] + residual[pair][e][h].x[i];
            const int64_t to = (row + h * 8) * p->out.row_stride;
            const int column = first_column + pair * 16;
            if (p->out.at.is_bf16) {
                const uint32_t low = pack_bf16(v[0][0], v[0][1]), high = pack_bf16(v[1][0], v[1][1]);
                const bool odd = lane % 2 == 1;
                const uint32_t other = (uint32_t)__shfl_sync(~0u, (int)(odd ? low : high), lane ^ 1);
                const uint64_t four = odd ? other | (uint64_t)high << 32
                                          : low | (uint64_t)other << 32;
                const int at = column + lane % 2 * 8 + lane % 4 / 2 * 4;
                if (there[h] && at < p->columns)
                    *(uint64_t *)((uint16_t *)p->out.at.data + to + at) = four;
            } else {
#pragma unroll
                for (int e = 0; e < 2; e++) {
                    const int at = column + e * 8 + lane % 4 * 2;
                    if (there[h] && at < p->columns)
                        *(float2_t *)((float *)p->out.at.data + to + at) =
                            float2_t{{v[e][0], v[e][1]}};
                }
            }
        }
}

template <typename T>
static __device__ __forceinline__ void write_tile(const gemm_params *p, const gemm_tile *tile,
                                                  float *sums)
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32 % 4;
#pragma unroll
    for (int slab = 0; slab < T::SLABS; slab++) {
        const int row = tile->row + slab * 64 + warp * 16 + lane / 4;
        float *const own = sums + slab * T::SUMS;
#pragma unroll
        for (int column = 0; column + CHUNK <= T::COLUMNS; column += CHUNK)
            write_chunk<CHUNK / 16>(p, own + column / 2, row, tile->column + column);
        constexpr int LEFT = T::COLUMNS % CHUNK, DONE = T::COLUMNS - LEFT;
        if (LEFT > 0)
            write_chunk<(LEFT > 0 ? LEFT : 16) / 16>(p, own + DONE / 2, row, tile->column + DONE);
    }
}

template <typename T, int STEPS>
static __global__ void __launch_bounds__(THREADS, 1)
    gemm_hopper_kernel(const __grid_constant__ gemm_hopper_params p)
{
    DYNAMIC_SHARED(shared);
    const int n_blocks = divide_up(p.g.k, DEPTH);
    const int stage_bytes = T::X_BYTES + (p.keep ? 0 : T::W_BYTES);
    gemm_shared s;
    s.kept = (unsigned char *)(((uintptr_t)shared + 1023) & ~(uintptr_t)1023);
    s.stages = s.kept + (p.keep ? n_blocks * T::W_BYTES : 0);
    s.full = (uint64_t *)(s.stages + p.n_stages * stage_bytes);
    s.empty = s.full + MAX_STAGES;
    s.kept_full = s.empty + MAX_STAGES;
    s.go = s.kept_full + MAX_KEPT;
    const int tid = (int)threadIdx.x;
    /* To the compiler as well, all threads of a warp go the same way. */
    const int group = __shfl_sync(~0u, tid / 128, 0);
    if (tid == 0) {
        for (int i = 0; i < p.n_stages; i++) {
            mbarrier_init(s.full + i, 1);
            mbarrier_init(s.empty + i, 4); /* a warp each */
        }
        for (int i = 0; i < MAX_KEPT; i++)
            mbarrier_init(s.kept_full + i, 1);
        for (int i = 0; i < CONSUMERS; i++)
            mbarrier_init(s.go + i, 4);
        mbarrier_init_fence();
    }
    __syncthreads();
    if (group == CONSUMERS) {
        registers_shrink_to<PRODUCER_REGISTERS>();
        if (tid == CONSUMERS * 128)
            produce<T>(&p, &s, n_blocks);
    } else {
        registers_grow_to<CONSUMER_REGISTERS>();
        float sums[T::SLABS * T::SUMS];
        gemm_tile tile;
        for (int turn = group; tile_at<T>(&p, turn, &tile); turn += CONSUMERS) {
            multiply<T, STEPS>(&p, &s, turn, n_blocks, sums);
            write_tile<T>(&p.g, &tile, sums);
        }
    }
}

/* ---- the host's side ---- */

typedef struct variant {
    int rows, columns;
    void (*kernel[DEPTH / 16])(gemm_hopper_params); /* [steps of the last block of depth - 1] */
} variant;

#define VARIANT(slabs, columns)                                                                    \
    {                                                                                              \
        (slabs) * 64, columns,                                                                     \
        {                                                                                          \
            gemm_hopper_kernel<hopper_tile<slabs, columns>, 1>,                                    \
                gemm_hopper_kernel<hopper_tile<slabs, columns>, 2>,                                \
                gemm_hopper_kernel<hopper_tile<slabs, columns>, 3>,                                \
                gemm_hopper_kernel<hopper_tile<slabs, columns>, 4>                                 \
        }                                                                                          \
    }
static const variant variants[] = {
    VARIANT(1, 64), VARIANT(1, 96), VARIANT(1, 112), VARIANT(1, 128), VARIANT(1, 192),
    VARIANT(1, 224), VARIANT(2, 64), VARIANT(2, 96), VARIANT(2, 112), VARIANT(2, 128),
};
enum { N_VARIANTS = sizeof(variants) / sizeof(variants[0]) };

bool gemm_hopper_variant(int index, int *rows, int *columns)
{
    if (index < 0 || index >= N_VARIANTS)
        return false;
    *rows = variants[index].rows;
    *columns = variants[index].columns;
    return true;
}

/* Bytes of kept weights, of a stage. */
static int kept_bytes(const gemm_hopper_params *p)
{
    return p->keep ? divide_up(p->g.k, DEPTH) * variants[p->variant].columns * DEPTH * 2 : 0;
}

static int stage_bytes(const gemm_hopper_params *p)
{
    const variant *v = &variants[p->variant];
    return (v->rows + (p->keep ? 0 : v->columns)) * DEPTH * 2;
}

cudaError_t gemm_hopper_maps(gemm_hopper_params *p)
{
    const dev_rows w = {p->g.w, p->g.k_stride};
    if (p->variant < 0 || p->variant >= N_VARIANTS ||
        (p->keep && divide_up(p->g.k, DEPTH) > MAX_KEPT))
        return cudaErrorInvalidValue;
    const variant *v = &variants[p->variant];
    const int across = divide_up(p->g.columns, v->columns), down = divide_up(p->g.rows, v->rows);
    const int room = SHARED_LIMIT - SHARED_OTHER - kept_bytes(p), fit = room / stage_bytes(p);
    p->n_stages = fit > MAX_STAGES ? MAX_STAGES : fit;
    if (room < 0 || p->n_stages < 2)
        return cudaErrorInvalidValue;
    if (p->keep) { /* as many blocks for each column of tiles as there is room for */
        const int each = p->g.n_multiprocessors / across;
        p->n_blocks = across * (each < 1 ? 1 : each > down ? down : each);
    } else {
        const int64_t tiles = (int64_t)across * down;
        p->n_blocks = tiles < p->g.n_multiprocessors ? (int32_t)tiles : p->g.n_multiprocessors;
    }
    const cudaError_t error =
        tensor_map_make(p->x_map, p->g.x, p->g.k, 1, p->g.rows, 1, v->rows);
    return error != cudaSuccess
               ? error
               : tensor_map_make(p->w_map, w, p->g.k, 1, p->g.columns, 1, v->columns);
}

cudaError_t gemm_hopper_launch(const void *params, cudaStream_t stream)
{
    const gemm_hopper_params *p = (const gemm_hopper_params *)params;
    return launch(variants[p->variant].kernel[(p->g.k - 1) % DEPTH / 16], dim3((unsigned)p->n_blocks), THREADS,
                  (size_t)(SHARED_OTHER + kept_bytes(p) + p->n_stages * stage_bytes(p)), stream, p);
}
