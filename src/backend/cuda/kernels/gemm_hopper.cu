/* Linear layers on Hopper. A block stays on its multiprocessor and takes tile after tile: a warp
 * copies both operands with the bulk copy engine, two warpgroups multiply with wgmma, each its own
 * tiles in turn, so that one writes results while the other multiplies. Where all of k fits, a
 * block keeps the weights of its columns in shared memory and streams rows past them. */
#include "backend/cuda/kernels/tensor_map.cuh"

enum {
    DEPTH = 64, /* of a stage: a row of 128 bytes */
    MAX_STAGES = 12,
    MAX_KEPT = 16, /* blocks of kept weights */
    MAX_CONSUMERS = 3,
    PRODUCER_REGISTERS = 24,
    /* Rows of a warp's part of a slab on their way out: 128 bytes of each, apart so that neither
     * a fragment's eight rows nor whole rows meet a bank twice. */
    LINE = 128,
    BF16_PITCH = LINE + 16,
    F32_PITCH = LINE + 32,
    WARP_LINES = 16 * F32_PITCH,
    SHARED_LIMIT = 227 * 1024,
    /* Tiles have to start at a multiple of 1024 bytes, which the runtime does not promise. */
    SHARED_OTHER = 1024 + (2 * MAX_STAGES + MAX_KEPT + MAX_CONSUMERS) * 8
};

/* A warpgroup's tile: SLABS * 64 rows; and how many warpgroups a block has that multiply. */
template <int SLABS_, int COLUMNS_, int CONSUMERS_> struct hopper_tile {
    static constexpr int CONSUMERS = CONSUMERS_, THREADS = CONSUMERS * 128 + 128;
    static constexpr int CONSUMER_REGISTERS = CONSUMERS == 2 ? 240 : 160;
    static constexpr int SLABS = SLABS_, COLUMNS = COLUMNS_, ROWS = SLABS * 64;
    static constexpr int X_BYTES = ROWS * DEPTH * 2, W_BYTES = COLUMNS * DEPTH * 2;
    static constexpr int SUMS = COLUMNS / 2; /* of a slab, in each thread */
};

typedef struct gemm_shared {
    unsigned char *kept, *stages; /* kept: weights of all k, or nothing */
    unsigned char *lines;         /* of results */
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
    const int across = divide_up(p->g.columns, T::COLUMNS);
    const int rows = T::ROWS << p->together, down = divide_up(p->g.rows, rows);
    const int index = (int)blockIdx.x + i * (int)gridDim.x;
    /* gridDim.x is a multiple of `across` where weights are kept */
    tile->row = index / across * rows;
    tile->column = index % across * T::COLUMNS;
    return index < across * down;
}

template <typename T>
static __device__ __forceinline__ void produce(const gemm_hopper_params *p, const gemm_shared *s,
                                               int n_blocks)
{
    const int x_bytes = T::X_BYTES << p->together;
    const int stage_bytes = x_bytes + (p->keep ? 0 : T::W_BYTES);
    int stage = 0, parity = 1; /* at first all are empty */
    gemm_tile tile;
    if (p->keep && tile_at<T>(p, 0, &tile)) {
        for (int block = 0; block < n_blocks; block++) {
            mbarrier_expect(s->kept_full + block, T::W_BYTES);
            tensor_copy_4d(s->kept + block * T::W_BYTES, p->w_map, s->kept_full + block,
                           block * DEPTH, 0, tile.column, 0);
        }
    }
    for (int i = 0; tile_at<T>(p, i, &tile); i++) {
        for (int block = 0; block < n_blocks; block++) {
            unsigned char *const x = s->stages + stage * stage_bytes;
            uint64_t *const full = s->full + stage;
            mbarrier_wait(s->empty + stage, parity);
            mbarrier_expect(full, stage_bytes);
            tensor_copy_4d(x, p->x_map, full, block * DEPTH, 0, tile.row, 0);
            if (!p->keep)
                tensor_copy_4d(x + x_bytes, p->w_map, full, block * DEPTH, 0, tile.column, 0);
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
                                                      const unsigned char *w, float *sums)
{
    wgmma_fence();
#pragma unroll
    for (int step = 0; step < STEPS; step++) {
#pragma unroll
        for (int slab = 0; slab < T::SLABS; slab++)
            wgmma_64xn<T::COLUMNS>(sums + slab * T::SUMS,
                                   matrix_descriptor(x + slab * (64 * DEPTH * 2) + step * 32),
                                   matrix_descriptor(w + step * 32), 1);
    }
    wgmma_commit();
}

/* Tile `turn` of the block. The last block of depth is STEPS * 16 deep. */
template <typename T, int STEPS>
static __device__ __forceinline__ void multiply(const gemm_hopper_params *p, const gemm_shared *s,
                                                int group, int turn, int n_blocks, float *sums)
{
    const bool speaks = threadIdx.x % 32 == 0; /* for its warp */
    const int x_bytes = T::X_BYTES << p->together;
    const int stage_bytes = x_bytes + (p->keep ? 0 : T::W_BYTES);
    int stage = turn * n_blocks % p->n_stages, parity = turn * n_blocks / p->n_stages & 1;
    int before = 0;
    hold<T::SLABS * T::SUMS>(sums);
    wgmma_fence(); /* other instructions wrote the sums */
    /* In turns: a wait can tell a phase from the one before, not from the one before that. */
    if (turn > 0 && !p->together)
        mbarrier_wait(s->go + turn % T::CONSUMERS, (turn - 1) / T::CONSUMERS & 1);
    for (int block = 0; block < n_blocks; block++) {
        const unsigned char *const x = s->stages + stage * stage_bytes;
        const unsigned char *const w = p->keep ? s->kept + block * T::W_BYTES : x + x_bytes;
        const unsigned char *const own = p->together ? x + group * T::X_BYTES : x;
        if (p->keep && turn < T::CONSUMERS)
            mbarrier_wait(s->kept_full + block, 0);
        mbarrier_wait(s->full + stage, parity);
        if (block == n_blocks - 1) {
            multiply_block<T, STEPS>(own, w, sums);
            if (speaks)
                mbarrier_arrive(s->go + (turn + 1) % T::CONSUMERS);
            break;
        }
        multiply_block<T, DEPTH / 16>(own, w, sums);
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

/* Which of a thread's elements of a slab there are: it has two columns of each eight, in rows row
 * and row + 8. */
typedef struct slab {
    int row, column; /* of the thread's first element */
    int columns;     /* from its first on */
    bool there[2];   /* the two rows */
} slab;

template <int EIGHTS>
static __device__ __forceinline__ void load_residual(const dev_epilogue *e, const slab *s, float *v)
{
    if (e->residual.at.is_bf16) {
        const uint16_t *from = (const uint16_t *)e->residual.at.data +
                               (int64_t)s->row * e->residual.row_stride + s->column;
#pragma unroll
        for (int h = 0; h < 2; h++, from += 8 * e->residual.row_stride)
#pragma unroll
            for (int i = 0; i < EIGHTS; i++) {
                const uint32_t two =
                    s->there[h] && i * 8 < s->columns ? *(const uint32_t *)(from + i * 8) : 0;
                v[i * 4 + h * 2] = bf16_to_float((uint16_t)two);
                v[i * 4 + h * 2 + 1] = bf16_to_float((uint16_t)(two >> 16));
            }
    } else {
        const float *from = (const float *)e->residual.at.data +
                            (int64_t)s->row * e->residual.row_stride + s->column;
#pragma unroll
        for (int h = 0; h < 2; h++, from += 8 * e->residual.row_stride)
#pragma unroll
            for (int i = 0; i < EIGHTS; i++) {
                const float2_t two = s->there[h] && i * 8 < s->columns
                                         ? *(const float2_t *)(from + i * 8)
                                         : float2_t{{0, 0}};
                v[i * 4 + h * 2] = two.x[0];
                v[i * 4 + h * 2 + 1] = two.x[1];
            }
    }
}

/* A residual that comes before the activation. */
static __device__ __forceinline__ bool residual_first(const dev_epilogue *e)
{
    return e->residual_mode == 1 || (e->residual_mode == 2 && e->act.kind == 0);
}

template <typename T>
static __device__ __forceinline__ slab slab_at(const gemm_params *p, const gemm_tile *tile,
                                               int index)
{
    const int lane = (int)threadIdx.x % 32, warp = (int)threadIdx.x / 32 % 4;
    slab s;
    s.row = tile->row + index * 64 + warp * 16 + lane / 4;
    s.column = tile->column + lane % 4 * 2;
    s.columns = p->columns - s.column;
    s.there[0] = s.row < p->rows;
    s.there[1] = s.row + 8 < p->rows;
    return s;
}

/* What is added to: bias and residual, so that memory answers while the other warpgroup
 * multiplies. */
template <typename T>
static __device__ __forceinline__ void begin_sums(const gemm_params *p, const gemm_tile *tile,
                                                  float *sums)
{
    constexpr int EIGHTS = T::COLUMNS / 8;
    const dev_epilogue *const e = &p->epi;
    if (residual_first(e)) {
#pragma unroll
        for (int i = 0; i < T::SLABS; i++) {
            const slab s = slab_at<T>(p, tile, i);
            load_residual<EIGHTS>(e, &s, sums + i * T::SUMS);
        }
    } else {
#pragma unroll
        for (int i = 0; i < T::SLABS * T::SUMS; i++)
            sums[i] = 0;
    }
    if (!e->bias)
        return;
    const slab s = slab_at<T>(p, tile, 0);
#pragma unroll
    for (int i = 0; i < EIGHTS; i++) {
        const float2_t bias =
            i * 8 < s.columns ? *(const float2_t *)(e->bias + s.column + i * 8) : float2_t{{0, 0}};
#pragma unroll
        for (int j = 0; j < 4 * T::SLABS; j++)
            sums[j / 4 * T::SUMS + i * 4 + j % 4] += bias.x[j % 2];
    }
}

/* Where a thread writes lines to: 16 bytes of rows first, first + 4, .. of its warp's 16. */
template <typename E> struct line_place {
    E *to;
    int64_t four_rows; /* elements from one of its rows to the next */
    int rows, left;    /* of which so many exist; columns from `to` on */
};

template <typename E>
static __device__ __forceinline__ line_place<E> line_place_of(const gemm_params *p, int row,
                                                              int column)
{
    const int lane = (int)threadIdx.x % 32, first = lane / 8;
    const int at = column + lane % 8 * (16 / (int)sizeof(E));
    return line_place<E>{(E *)p->out.at.data + (row + first) * p->out.row_stride + at,
                         4 * p->out.row_stride, divide_up(p->rows - row - first, 4),
                         p->columns - at};
}

/* A warp's lines to columns `column` and on of its tile. */
template <typename E, int PITCH, int COLUMNS>
static __device__ __forceinline__ void write_lines(const unsigned char *lines,
                                                   const line_place<E> *place, int column)
{
    const int lane = (int)threadIdx.x % 32;
    float4_t four[4];
    __syncwarp();
#pragma unroll
    for (int i = 0; i < 4; i++)
        four[i] = load_shared_16(lines + (lane / 8 + i * 4) * PITCH + lane % 8 * 16);
    __syncwarp();
    if (lane % 8 * (16 / (int)sizeof(E)) < COLUMNS && column < place->left) {
        E *to = place->to + column;
#pragma unroll
        for (int i = 0; i < 4; i++, to += place->four_rows)
            if (i < place->rows)
                *(float4_t *)to = four[i];
    }
}

/* EIGHTS times eight columns as bf16, from `column` on of the tile. */
template <int EIGHTS>
static __device__ __forceinline__ void
write_bf16(unsigned char *lines, const line_place<uint16_t> *place, int column, const float *sums)
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < EIGHTS; i += 2) {
        uint32_t four[4]; /* 8 x 8 matrices: both halves of the rows, then the next columns */
#pragma unroll
        for (int m = 0; m < 4; m++)
            four[m] = pack_bf16(sums[i * 4 + m * 2], sums[i * 4 + m * 2 + 1]);
        stmatrix_x4(lines + (lane % 16) * BF16_PITCH + (i + lane / 16) * 16, four);
    }
    write_lines<uint16_t, BF16_PITCH, EIGHTS * 8>(lines, place, column);
}

template <int EIGHTS>
static __device__ __forceinline__ void
write_f32(unsigned char *lines, const line_place<float> *place, int column, const float *sums)
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int i = 0; i < EIGHTS; i++)
#pragma unroll
        for (int h = 0; h < 2; h++)
            store_shared_8(lines + (lane / 4 + h * 8) * F32_PITCH + i * 32 + lane % 4 * 8,
                           float2_t{{sums[i * 4 + h * 2], sums[i * 4 + h * 2 + 1]}});
    write_lines<float, F32_PITCH, EIGHTS * 8>(lines, place, column);
}

template <typename T>
static __device__ __forceinline__ void write_tile(const gemm_params *p, const gemm_tile *tile,
                                                  unsigned char *lines, float *sums)
{
    constexpr int EIGHTS = T::COLUMNS / 8, WIDE = 8, NARROW = 4;
    const dev_epilogue *const e = &p->epi;
#pragma unroll
    for (int k = 0; k < T::SLABS; k++) {
        float *const own = sums + k * T::SUMS;
        if (e->act.kind == 5) {
#pragma unroll
            for (int i = 0; i < T::SUMS; i++)
                own[i] = fast_gelu(own[i]);
        } else if (e->act.kind == 1) {
#pragma unroll
            for (int i = 0; i < T::SUMS; i++)
                own[i] = max_or_nan(own[i], 0);
        }
        if (e->residual_mode && !residual_first(e)) {
            const slab s = slab_at<T>(p, tile, k);
#pragma unroll
            for (int i = 0; i < EIGHTS; i += 2) {
                slab part = s;
                float v[8];
                part.column += i * 8;
                part.columns -= i * 8;
                load_residual<2>(e, &part, v);
#pragma unroll
                for (int j = 0; j < 8; j++)
                    own[i * 4 + j] += v[j];
            }
        }
        const int row = tile->row + k * 64 + (int)threadIdx.x / 32 % 4 * 16;
        if (p->out.at.is_bf16) {
            const line_place<uint16_t> place = line_place_of<uint16_t>(p, row, tile->column);
#pragma unroll
            for (int i = 0; i + WIDE <= EIGHTS; i += WIDE)
                write_bf16<WIDE>(lines, &place, i * 8, own + i * 4);
            constexpr int LEFT = EIGHTS % WIDE, DONE = EIGHTS - LEFT;
            if (LEFT > 0)
                write_bf16<LEFT>(lines, &place, DONE * 8, own + DONE * 4);
        } else {
            const line_place<float> place = line_place_of<float>(p, row, tile->column);
#pragma unroll
            for (int i = 0; i + NARROW <= EIGHTS; i += NARROW)
                write_f32<NARROW>(lines, &place, i * 8, own + i * 4);
            constexpr int LEFT = EIGHTS % NARROW, DONE = EIGHTS - LEFT;
            if (LEFT > 0)
                write_f32<LEFT>(lines, &place, DONE * 8, own + DONE * 4);
        }
    }
}

template <typename T, int STEPS>
static __global__ void __launch_bounds__(T::THREADS, 1)
    gemm_hopper_kernel(const __grid_constant__ gemm_hopper_params p)
{
    DYNAMIC_SHARED(shared);
    const int n_blocks = divide_up(p.g.k, DEPTH);
    const int stage_bytes = (T::X_BYTES << p.together) + (p.keep ? 0 : T::W_BYTES);
    gemm_shared s;
    s.kept = (unsigned char *)(((uintptr_t)shared + 1023) & ~(uintptr_t)1023);
    s.stages = s.kept + (p.keep ? n_blocks * T::W_BYTES : 0);
    s.lines = s.stages + p.n_stages * stage_bytes;
    s.full = (uint64_t *)(s.lines + T::CONSUMERS * 4 * WARP_LINES);
    s.empty = s.full + MAX_STAGES;
    s.kept_full = s.empty + MAX_STAGES;
    s.go = s.kept_full + MAX_KEPT;
    const int tid = (int)threadIdx.x;
    /* To the compiler as well, all threads of a warp go the same way. */
    const int group = __shfl_sync(~0u, tid / 128, 0);
    if (tid == 0) {
        for (int i = 0; i < p.n_stages; i++) {
            mbarrier_init(s.full + i, 1);
            mbarrier_init(s.empty + i, 4 << p.together); /* a warp each */
        }
        for (int i = 0; i < MAX_KEPT; i++)
            mbarrier_init(s.kept_full + i, 1);
        for (int i = 0; i < T::CONSUMERS; i++)
            mbarrier_init(s.go + i, 4);
        mbarrier_init_fence();
    }
    __syncthreads();
    if (group == T::CONSUMERS) {
        registers_shrink_to<PRODUCER_REGISTERS>();
        if (tid == T::CONSUMERS * 128)
            produce<T>(&p, &s, n_blocks);
    } else {
        registers_grow_to<T::CONSUMER_REGISTERS>();
        float sums[T::SLABS * T::SUMS];
        gemm_tile tile;
        const int step = p.together ? 1 : T::CONSUMERS;
        for (int turn = p.together ? 0 : group; tile_at<T>(&p, turn, &tile); turn += step) {
            tile.row += p.together ? group * T::ROWS : 0;
            begin_sums<T>(&p.g, &tile, sums);
            multiply<T, STEPS>(&p, &s, group, turn, n_blocks, sums);
            write_tile<T>(&p.g, &tile, s.lines + tid / 32 * WARP_LINES, sums);
        }
    }
}

/* ---- the host's side ---- */

typedef struct variant {
    int rows, columns, consumers;
    void (*kernel[DEPTH / 16])(gemm_hopper_params); /* [steps of the last block of depth - 1] */
} variant;

#define VARIANT(slabs, columns, consumers)                                                         \
    {                                                                                              \
        (slabs) * 64, columns, consumers,                                                          \
        {                                                                                          \
            gemm_hopper_kernel<hopper_tile<slabs, columns, consumers>, 1>,                         \
                gemm_hopper_kernel<hopper_tile<slabs, columns, consumers>, 2>,                     \
                gemm_hopper_kernel<hopper_tile<slabs, columns, consumers>, 3>,                     \
                gemm_hopper_kernel<hopper_tile<slabs, columns, consumers>, 4>                      \
        }                                                                                          \
    }
static const variant variants[] = {
    VARIANT(1, 64, 2),  VARIANT(1, 96, 2),  VARIANT(1, 96, 3),  VARIANT(1, 112, 2),
    VARIANT(1, 112, 3), VARIANT(1, 128, 2), VARIANT(1, 128, 3), VARIANT(1, 192, 2),
    VARIANT(1, 224, 2), VARIANT(2, 64, 2),  VARIANT(2, 96, 2),  VARIANT(2, 112, 2),
    VARIANT(2, 128, 2),
};
enum { N_VARIANTS = sizeof(variants) / sizeof(variants[0]) };

bool gemm_hopper_variant(int index, int *rows, int *columns, int *consumers)
{
    if (index < 0 || index >= N_VARIANTS)
        return false;
    *rows = variants[index].rows;
    *columns = variants[index].columns;
    *consumers = variants[index].consumers;
    return true;
}

/* Bytes of lines, of kept weights, of a stage. */
static int line_bytes(const gemm_hopper_params *p)
{
    return variants[p->variant].consumers * 4 * WARP_LINES;
}

static int kept_bytes(const gemm_hopper_params *p)
{
    return p->keep ? divide_up(p->g.k, DEPTH) * variants[p->variant].columns * DEPTH * 2 : 0;
}

static int stage_bytes(const gemm_hopper_params *p)
{
    const variant *v = &variants[p->variant];
    return ((v->rows << p->together) + (p->keep ? 0 : v->columns)) * DEPTH * 2;
}

bool gemm_hopper_fits(gemm_hopper_params *p)
{
    if (p->variant < 0 || p->variant >= N_VARIANTS ||
        (p->together && variants[p->variant].consumers != 2) ||
        (p->keep && divide_up(p->g.k, DEPTH) > MAX_KEPT))
        return false;
    const variant *v = &variants[p->variant];
    const int across = divide_up(p->g.columns, v->columns),
              down = divide_up(p->g.rows, v->rows << p->together);
    const int room = SHARED_LIMIT - SHARED_OTHER - line_bytes(p) - kept_bytes(p);
    const int fit = room / stage_bytes(p);
    p->n_stages = fit > MAX_STAGES ? MAX_STAGES : fit;
    if (p->keep) { /* as many blocks for each column of tiles as there is room for */
        const int each = p->g.n_multiprocessors / across;
        p->n_blocks = across * (each < 1 ? 1 : each > down ? down : each);
    } else {
        const int64_t tiles = (int64_t)across * down;
        p->n_blocks = tiles < p->g.n_multiprocessors ? (int32_t)tiles : p->g.n_multiprocessors;
    }
    return room > 0 && p->n_stages >= 2;
}

cudaError_t gemm_hopper_maps(gemm_hopper_params *p)
{
    const dev_rows w = {p->g.w, p->g.k_stride};
    if (!gemm_hopper_fits(p))
        return cudaErrorInvalidValue;
    const variant *v = &variants[p->variant];
    const cudaError_t error =
        tensor_map_make(p->x_map, p->g.x, p->g.k, 1, p->g.rows, 1, v->rows << p->together);
    return error != cudaSuccess
               ? error
               : tensor_map_make(p->w_map, w, p->g.k, 1, p->g.columns, 1, v->columns);
}

cudaError_t gemm_hopper_launch(const void *params, cudaStream_t stream)
{
    const gemm_hopper_params *p = (const gemm_hopper_params *)params;
    void (*const kernel)(gemm_hopper_params) =
        variants[p->variant].kernel[(p->g.k - 1) % DEPTH / 16];
    const size_t bytes =
        (size_t)(SHARED_OTHER + line_bytes(p) + kept_bytes(p) + p->n_stages * stage_bytes(p));
    const unsigned threads = (unsigned)variants[p->variant].consumers * 128 + 128;
    return launch(kernel, dim3((unsigned)p->n_blocks), threads, bytes, stream, p);
}
