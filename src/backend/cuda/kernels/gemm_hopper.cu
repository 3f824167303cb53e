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
    return max_or_nan(x, 0) - a * fast_exp2(q);
}

/* Up to CHUNK columns of a slab: which of a thread's elements there are. A thread has two columns of
 * each eight, in rows row and row + 8. */
typedef struct chunk {
    int row, column; /* of the thread's first element */
    bool there[2];   /* the two rows */
    int columns;     /* from its first on */
} chunk;

template <int PAIRS>
static __device__ __forceinline__ void add_residual(const dev_epilogue *e, const chunk *c,
                                                    float *sums)
{
    float2_t v[PAIRS * 2][2];
    if (e->residual.at.is_bf16) {
        const uint16_t *from = (const uint16_t *)e->residual.at.data +
                               (int64_t)c->row * e->residual.row_stride + c->column;
#pragma unroll
        for (int h = 0; h < 2; h++, from += 8 * e->residual.row_stride)
#pragma unroll
            for (int i = 0; i < PAIRS * 2; i++) {
                const uint32_t two =
                    c->there[h] && i * 8 < c->columns ? *(const uint32_t *)(from + i * 8) : 0;
                v[i][h].x[0] = bf16_to_float((uint16_t)two);
                v[i][h].x[1] = bf16_to_float((uint16_t)(two >> 16));
            }
    } else {
        const float *from = (const float *)e->residual.at.data +
                            (int64_t)c->row * e->residual.row_stride + c->column;
#pragma unroll
        for (int h = 0; h < 2; h++, from += 8 * e->residual.row_stride)
#pragma unroll
            for (int i = 0; i < PAIRS * 2; i++)
                v[i][h] = c->there[h] && i * 8 < c->columns ? *(const float2_t *)(from + i * 8)
                                                            : float2_t{{0, 0}};
    }
#pragma unroll
    for (int i = 0; i < PAIRS * 2; i++)
#pragma unroll
        for (int j = 0; j < 4; j++)
            sums[i * 4 + j] += v[i][j / 2].x[j % 2];
}

template <int PAIRS>
static __device__ __forceinline__ void write_chunk(const gemm_params *p, const chunk *c,
                                                   float *sums)
{
    const dev_epilogue *const e = &p->epi;
    if (e->bias) {
#pragma unroll
        for (int i = 0; i < PAIRS * 2; i++) {
            const float2_t bias = i * 8 < c->columns
                                      ? *(const float2_t *)(e->bias + c->column + i * 8)
                                      : float2_t{{0, 0}};
#pragma unroll
            for (int j = 0; j < 4; j++)
                sums[i * 4 + j] += bias.x[j % 2];
        }
    }
    if (e->residual_mode == 1)
        add_residual<PAIRS>(e, c, sums);
    if (e->act.kind == 5) {
#pragma unroll
        for (int i = 0; i < PAIRS * 8; i++)
            sums[i] = fast_gelu(sums[i]);
    } else if (e->act.kind == 1) {
#pragma unroll
        for (int i = 0; i < PAIRS * 8; i++)
            sums[i] = sums[i] < 0 ? 0 : sums[i];
    }
    if (e->residual_mode == 2)
        add_residual<PAIRS>(e, c, sums);
    if (p->out.at.is_bf16) {
        /* Neighbours trade, so that each writes four columns of one eight. */
        const int lane = (int)threadIdx.x % 32, shift = lane % 2 * 8 - lane % 2 * 2;
        const bool odd = lane % 2 == 1;
        uint16_t *to = (uint16_t *)p->out.at.data + (int64_t)c->row * p->out.row_stride +
                       c->column + shift;
#pragma unroll
        for (int h = 0; h < 2; h++, to += 8 * p->out.row_stride)
#pragma unroll
            for (int pair = 0; pair < PAIRS; pair++) {
                const float *const v = sums + pair * 8 + h * 2;
                const uint32_t low = pack_bf16(v[0], v[1]), high = pack_bf16(v[4], v[5]);
                const uint32_t other =
                    (uint32_t)__shfl_sync(~0u, (int)(odd ? low : high), lane ^ 1);
                const uint64_t four =
                    odd ? other | (uint64_t)high << 32 : low | (uint64_t)other << 32;
                if (c->there[h] && pair * 16 + shift < c->columns)
                    *(uint64_t *)(to + pair * 16) = four;
            }
    } else {
        float *to = (float *)p->out.at.data + (int64_t)c->row * p->out.row_stride + c->column;
#pragma unroll
        for (int h = 0; h < 2; h++, to += 8 * p->out.row_stride)
#pragma unroll
            for (int i = 0; i < PAIRS * 2; i++)
                if (c->there[h] && i * 8 < c->columns)
                    *(float2_t *)(to + i * 8) = float2_t{{sums[i * 4 + h * 2], sums[i * 4 + h * 2 + 1]}};
    }
}

template <typename T>
static __device__ __forceinline__ void write_tile(const gemm_params *p, const gemm_tile *tile,
                                                  float *sums)
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32 % 4;
#pragma unroll
    for (int slab = 0; slab < T::SLABS; slab++) {
        float *const own = sums + slab * T::SUMS;
        chunk c;
        c.row = tile->row + slab * 64 + warp * 16 + lane / 4;
        c.column = tile->column + lane % 4 * 2;
        c.columns = p->columns - c.column;
        c.there[0] = c.row < p->rows;
        c.there[1] = c.row + 8 < p->rows;
#pragma unroll
        for (int column = 0; column < T::COLUMNS / CHUNK * CHUNK; column += CHUNK) {
            write_chunk<CHUNK / 16>(p, &c, own + column / 2);
            c.column += CHUNK;
            c.columns -= CHUNK;
        }
        constexpr int LEFT = T::COLUMNS % CHUNK;
        if (LEFT > 0)
            write_chunk<(LEFT > 0 ? LEFT : 16) / 16>(p, &c, own + (T::COLUMNS - LEFT) / 2);
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
