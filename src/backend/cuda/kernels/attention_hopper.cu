/* Global attention on Hopper: a warp copies tiles of keys and values with the bulk copy engine, two
 * warpgroups of 64 queries each multiply with wgmma. They take turns, so that one's products keep
 * the matrix units busy during the other's softmax, and scores of the next tile are started before
 * the weights of this one meet the values (both after Shah et al. 2024). Tiles without a valid key
 * are never read. */
#include "backend/cuda/kernels/attention.cuh"
#include "backend/cuda/kernels/tensor_map.cuh"

static constexpr int CONSUMERS = 2, HOPPER_THREADS = 128 * (1 + CONSUMERS), ROW_BYTES = 128;
static constexpr int TURNS = 1; /* the first of the barriers by which consumers take turns */

/* Heads of up to K_STEPS * 16 and V_COLUMNS (64, 96, 128 or 256) elements. Operands lie in blocks
 * of 64 columns, in rows of 128 bytes. */
template <int K_STEPS_, int V_COLUMNS_, int KEYS_, int STAGES_> struct hopper_tile {
    static constexpr int K_STEPS = K_STEPS_, V_COLUMNS = V_COLUMNS_;
    static constexpr int KEYS = KEYS_, STAGES = STAGES_;
    static constexpr int V_BLOCKS = (V_COLUMNS + 63) / 64;
    static constexpr int SUMS = V_COLUMNS / 2; /* of a thread */
    /* Whether a warpgroup's softmax overlaps with its own products of values, too, beside those of
     * the other warpgroup. */
    static constexpr bool OVERLAPS_ITSELF = V_COLUMNS == 256;
    static constexpr int K_BLOCKS = (K_STEPS + 3) / 4;
    static constexpr int Q_BYTES = K_BLOCKS * 64 * ROW_BYTES; /* of a warpgroup */
    static constexpr int K_BYTES = K_BLOCKS * KEYS * ROW_BYTES;
    static constexpr int V_BYTES = V_BLOCKS * KEYS * ROW_BYTES;
    static constexpr int BARRIERS = 1 + 4 * STAGES;
    /* The tiles have to start at a multiple of 1024 bytes, which the runtime does not promise. */
    static constexpr int SHARED_BYTES =
        1024 + CONSUMERS * Q_BYTES + STAGES * (K_BYTES + V_BYTES) + BARRIERS * 8;
};

template <typename T> struct hopper_shared {
    unsigned char *q, *k, *v;
    uint64_t *q_full, *k_full, *v_full, *k_empty, *v_empty;
};

template <typename T>
static __device__ __forceinline__ hopper_shared<T> place_shared(unsigned char *shared)
{
    hopper_shared<T> s;
    s.q = (unsigned char *)(((uintptr_t)shared + 1023) & ~(uintptr_t)1023);
    s.k = s.q + CONSUMERS * T::Q_BYTES;
    s.v = s.k + T::STAGES * T::K_BYTES;
    s.q_full = (uint64_t *)(s.v + T::STAGES * T::V_BYTES);
    s.k_full = s.q_full + 1;
    s.v_full = s.k_full + T::STAGES;
    s.k_empty = s.v_full + T::STAGES;
    s.v_empty = s.k_empty + T::STAGES;
    return s;
}

/* A place in the ring of stages, and how often it has been there. */
typedef struct ring {
    int stage, parity;
} ring;

template <int STAGES> static __device__ __forceinline__ void ring_next(ring *r)
{
    if (++r->stage == STAGES) {
        r->stage = 0;
        r->parity ^= 1;
    }
}

/* What a block is to do. */
typedef struct block_work {
    int batch, head, split, first_query;
    const int32_t *tiles;
    const float *bias;
    int first, last; /* of `tiles` */
} block_work;

static __device__ __forceinline__ block_work work_of_block(const attention_hopper_params *p)
{
    block_work w;
    w.batch = (int)blockIdx.z;
    w.head = (int)blockIdx.y / p->a.n_splits;
    w.split = (int)blockIdx.y % p->a.n_splits;
    w.first_query = (int)blockIdx.x * 64 * CONSUMERS;
    const int row = p->a.valid_batches > 1 ? w.batch : 0;
    const int32_t *const list = p->list + row * (1 + p->n_tiles);
    const int n = list[0];
    w.tiles = list + 1;
    w.bias = p->bias;
    w.first = n * w.split / p->a.n_splits;
    w.last = n * (w.split + 1) / p->a.n_splits;
    return w;
}

/* One thread. */
template <typename T>
static __device__ __forceinline__ void produce(const attention_hopper_params *p,
                                               const hopper_shared<T> *s, const block_work *w)
{
    if (w->first >= w->last)
        return; /* nobody would wait for the copy, which must not outlive the block */
    mbarrier_expect(s->q_full, CONSUMERS * T::Q_BYTES);
    for (int consumer = 0; consumer < CONSUMERS; consumer++)
        for (int block = 0; block < T::K_BLOCKS; block++)
            tensor_copy_4d(s->q + consumer * T::Q_BYTES + block * 64 * ROW_BYTES, p->q_map,
                           s->q_full, block * 64, w->head, w->first_query + consumer * 64,
                           w->batch);
    const int batch = p->a.key_batches == 1 ? 0 : w->batch;
    ring r = {0, 1}; /* the first time round every stage is empty */
    for (int i = w->first; i < w->last; i++) {
        const int key = w->tiles[i] / 2 * T::KEYS;
        mbarrier_wait(s->k_empty + r.stage, r.parity);
        mbarrier_expect(s->k_full + r.stage, T::K_BYTES);
        for (int block = 0; block < T::K_BLOCKS; block++)
            tensor_copy_4d(s->k + r.stage * T::K_BYTES + block * T::KEYS * ROW_BYTES, p->k_map,
                           s->k_full + r.stage, block * 64, w->head, key, batch);
        mbarrier_wait(s->v_empty + r.stage, r.parity);
        mbarrier_expect(s->v_full + r.stage, T::V_BYTES);
        for (int block = 0; block < T::V_BLOCKS; block++)
            tensor_copy_4d(s->v + r.stage * T::V_BYTES + block * T::KEYS * ROW_BYTES, p->v_map,
                           s->v_full + r.stage, block * 64, w->head, key, batch);
        ring_next<T::STAGES>(&r);
    }
}

/* Starts scores = q k^T. */
template <typename T>
static __device__ __forceinline__ void start_scores(float *scores, const unsigned char *q,
                                                    const unsigned char *k)
{
#pragma unroll
    for (int step = 0; step < T::K_STEPS; step++) {
        const uint64_t a = matrix_descriptor(q + step / 4 * 64 * ROW_BYTES + step % 4 * 32);
        const uint64_t b = matrix_descriptor(k + step / 4 * T::KEYS * ROW_BYTES + step % 4 * 32);
        if (T::KEYS == 128)
            wgmma_64x128(scores, a, b, step > 0);
        else
            wgmma_64x64(scores, a, b, step > 0);
    }
    wgmma_commit();
}

/* Starts sums += weights v. */
template <typename T>
static __device__ __forceinline__ void start_sums(float *sums, const uint32_t (*weights)[4],
                                                  const unsigned char *v)
{
#pragma unroll
    for (int step = 0; step < T::KEYS / 16; step++) {
        const uint64_t b = wide_descriptor(v + step * 16 * ROW_BYTES, T::KEYS * ROW_BYTES);
        if (T::V_COLUMNS == 64)
            wgmma_64x64_registers(sums, weights[step], b);
        else if (T::V_COLUMNS == 96)
            wgmma_64x96_registers(sums, weights[step], b);
        else if (T::V_COLUMNS == 128)
            wgmma_64x128_registers(sums, weights[step], b);
        else
            wgmma_64x256_registers(sums, weights[step], b);
    }
    wgmma_commit();
}

typedef struct softmax_state { /* of this thread's two rows */
    float max[2], total[2], shrink[2];
} softmax_state;

/* Scores become weights; shrink is what earlier sums have to be multiplied by. */
template <int KEYS>
static __device__ __forceinline__ void online_softmax(float *scores, float scale, const float *bias,
                                                      softmax_state *state)
{
    if (bias) {
        const int lane = (int)threadIdx.x % 32;
#pragma unroll
        for (int i = 0; i < KEYS / 2; i++)
            scores[i] += bias[i / 4 * 8 + lane % 4 * 2 + i % 2];
    }
    /* Four chains for each row: one would wait for every operation before it. */
    float parts[2][4];
#pragma unroll
    for (int i = 0; i < KEYS / 2; i++) {
        float *const part = &parts[i % 4 / 2][i / 4 % 2 * 2 + i % 2];
        *part = i < 8 ? scores[i] : fmaxf(*part, scores[i]);
    }
    float base[2];
#pragma unroll
    for (int r = 0; r < 2; r++) {
        float highest = fmaxf(fmaxf(parts[r][0], parts[r][1]), fmaxf(parts[r][2], parts[r][3]));
        highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, 1)); /* a row is in four threads */
        highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, 2));
        highest = fmaxf(state->max[r], highest * scale); /* scale > 0 */
        base[r] = highest == -INFINITY ? 0 : highest;    /* no key yet: all weights 0 */
        state->shrink[r] = fast_exp2(state->max[r] - base[r]);
        state->max[r] = highest;
    }
#pragma unroll
    for (int i = 0; i < KEYS / 2; i++) {
        const int r = i % 4 / 2;
        scores[i] = fast_exp2(scores[i] * scale - base[r]);
        float *const part = &parts[r][i / 4 % 2 * 2 + i % 2];
        *part = i < 8 ? scores[i] : *part + scores[i];
    }
#pragma unroll
    for (int r = 0; r < 2; r++)
        state->total[r] = state->total[r] * state->shrink[r] +
                          ((parts[r][0] + parts[r][1]) + (parts[r][2] + parts[r][3]));
}

template <int KEYS>
static __device__ __forceinline__ void pack_weights(uint32_t (*weights)[4], const float *scores)
{
#pragma unroll
    for (int step = 0; step < KEYS / 16; step++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            weights[step][i] = pack_bf16(scores[step * 8 + i * 2], scores[step * 8 + i * 2 + 1]);
}

/* One of a thread's two rows of results. */
template <typename T>
static __device__ __forceinline__ void write_row(const attention_params *a, dev_ptr out, int64_t to,
                                                 int r, float factor, const float *sums)
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int n = r * 2; n < T::SUMS; n += 4)
        write_pair(a, out, to, n / 4 * 8 + lane % 4 * 2, sums[n] * factor, sums[n + 1] * factor);
}

/* A warpgroup of 64 queries. */
template <typename T>
static __device__ __forceinline__ void consume(const attention_hopper_params *p,
                                               const hopper_shared<T> *s, const block_work *w,
                                               int consumer)
{
    const int warp = (int)threadIdx.x % 128 / 32, lane = (int)threadIdx.x % 32;
    const unsigned char *const q = s->q + consumer * T::Q_BYTES;
    const float scale = p->a.scale * 1.44269504f; /* log2 e */
    float scores[T::KEYS / 2], sums[T::SUMS];
    uint32_t weights[T::KEYS / 16][4];
    softmax_state state = {{-INFINITY, -INFINITY}, {0, 0}, {0, 0}};
#pragma unroll
    for (int i = 0; i < T::SUMS; i++)
        sums[i] = 0;
    const int64_t bias_row = p->a.valid_batches > 1 ? (int64_t)w->batch * p->n_tiles * T::KEYS : 0;
    auto bias_of = [&](int i) -> const float * {
        return w->tiles[i] & 1 ? w->bias + bias_row + (int64_t)(w->tiles[i] / 2) * T::KEYS : NULL;
    };

    if (consumer == CONSUMERS - 1)
        barrier_arrive(TURNS, 256); /* the first turn is the first consumer's */
    if (w->first < w->last) {
        ring k_at = {0, 0}, v_at = {0, 0};
        mbarrier_wait(s->q_full, 0);
        mbarrier_wait(s->k_full, 0);
        wgmma_fence();
        start_scores<T>(scores, q, s->k);
        wgmma_wait<0>();
        hold<T::KEYS / 2>(scores);
        if (lane == 0)
            mbarrier_arrive(s->k_empty);
        ring_next<T::STAGES>(&k_at);
        online_softmax<T::KEYS>(scores, scale, bias_of(w->first), &state);
        pack_weights<T::KEYS>(weights, scores);
        for (int i = w->first + 1; i < w->last; i++) {
            mbarrier_wait(s->k_full + k_at.stage, k_at.parity);
            mbarrier_wait(s->v_full + v_at.stage, v_at.parity);
            barrier_wait(TURNS + consumer, 256);
            wgmma_fence();
            start_scores<T>(scores, q, s->k + k_at.stage * T::K_BYTES);
            start_sums<T>(sums, weights, s->v + v_at.stage * T::V_BYTES);
            barrier_arrive(TURNS + (consumer + 1) % CONSUMERS, 256);
            wgmma_wait<1>(); /* the scores are there */
            hold<T::KEYS / 2>(scores);
            if (lane == 0)
                mbarrier_arrive(s->k_empty + k_at.stage);
            online_softmax<T::KEYS>(scores, scale, bias_of(i), &state);
            if (T::OVERLAPS_ITSELF)
                wait_after(state.total[0] + state.total[1], s->q_full);
            wgmma_wait<0>(); /* the sums as well */
            hold<T::SUMS>(sums);
            if (lane == 0)
                mbarrier_arrive(s->v_empty + v_at.stage);
            ring_next<T::STAGES>(&k_at);
            ring_next<T::STAGES>(&v_at);
#pragma unroll
            for (int n = 0; n < T::SUMS; n++)
                sums[n] *= state.shrink[n % 4 / 2];
            pack_weights<T::KEYS>(weights, scores);
        }
        mbarrier_wait(s->v_full + v_at.stage, v_at.parity);
        wgmma_fence();
        start_sums<T>(sums, weights, s->v + v_at.stage * T::V_BYTES);
        wgmma_wait<0>();
        hold<T::SUMS>(sums);
    }

#pragma unroll
    for (int r = 0; r < 2; r++) {
        state.total[r] += __shfl_xor_sync(~0u, state.total[r], 1);
        state.total[r] += __shfl_xor_sync(~0u, state.total[r], 2);
    }
    const int dv = p->a.dv_out, first_query = w->first_query + consumer * 64 + warp * 16 + lane / 4;
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int query = first_query + r * 8;
        if (query >= p->a.lq)
            continue;
        const float total = state.total[r];
        if (p->a.n_splits > 1) {
            const int64_t item =
                (((int64_t)w->split * p->a.batch + w->batch) * p->a.heads + w->head) * p->a.lq +
                query;
            if (lane % 4 == 0)
                write_peak(&p->a, item, state.max[r], total);
            write_row<T>(&p->a, {p->a.partial, 0}, item * dv, r, 1, sums);
            continue;
        }
        const int64_t row = (int64_t)w->batch * p->a.lq + query;
        write_row<T>(&p->a, p->a.out.at, row * p->a.out.row_stride + w->head * dv, r,
                     total == 0 ? 0 : 1 / total, sums); /* without any key: zeros */
    }
}

template <typename T>
static __global__ void __launch_bounds__(HOPPER_THREADS, 1)
    attention_hopper_kernel(const __grid_constant__ attention_hopper_params p)
{
    DYNAMIC_SHARED(shared);
    const hopper_shared<T> s = place_shared<T>(shared);
    const int warpgroup = (int)threadIdx.x / 128;
    const block_work w = work_of_block(&p);
    if (threadIdx.x == 0) {
        mbarrier_init(s.q_full, 1);
        for (int i = 0; i < T::STAGES; i++) {
            mbarrier_init(s.k_full + i, 1);
            mbarrier_init(s.v_full + i, 1);
            mbarrier_init(s.k_empty + i, CONSUMERS * 4); /* a warp each */
            mbarrier_init(s.v_empty + i, CONSUMERS * 4);
        }
        mbarrier_init_fence();
    }
    __syncthreads();
    if (warpgroup == 0) {
        registers_shrink_to<24>();
        if (threadIdx.x == 0)
            produce<T>(&p, &s, &w);
    } else {
        registers_grow_to<240>();
        consume<T>(&p, &s, &w, warpgroup - 1);
    }
}

typedef hopper_tile<4, 64, 128, 3> hopper_64;
typedef hopper_tile<6, 96, 128, 2> hopper_96; /* of Hiera T and S */
typedef hopper_tile<8, 128, 128, 2> hopper_128;
typedef hopper_tile<16, 64, 128, 2> hopper_memory; /* of SAM 2: keys of 256, values of 64 */
typedef hopper_tile<16, 256, 64, 2> hopper_256;

static int tile_index(int dk, int dv)
{
    static const int sizes[5][2] = {{64, 64}, {96, 96}, {128, 128}, {256, 64}, {256, 256}};
    for (int i = 0; i < 5; i++) {
        if (dk <= sizes[i][0] && dv <= sizes[i][1])
            return i;
    }
    return -1;
}

int attention_hopper_tile(int dk, int dv, int *queries, int *keys)
{
    const int i = tile_index(dk, dv);
    *queries = 64 * CONSUMERS;
    *keys = i == 4 ? (int)hopper_256::KEYS : (int)hopper_memory::KEYS;
    return i >= 0;
}

template <typename T>
static cudaError_t launch_tile(const attention_hopper_params *p, cudaStream_t stream)
{
    const dim3 grid(blocks_for(p->a.lq, 64 * CONSUMERS), (unsigned)(p->a.heads * p->a.n_splits),
                    (unsigned)p->a.batch);
    return launch(attention_hopper_kernel<T>, grid, HOPPER_THREADS, T::SHARED_BYTES, stream, p);
}

cudaError_t attention_hopper_launch(const void *params, cudaStream_t stream)
{
    const attention_hopper_params *p = (const attention_hopper_params *)params;
    switch (tile_index(p->a.dk, p->a.dv)) {
    case 0:
        return launch_tile<hopper_64>(p, stream);
    case 1:
        return launch_tile<hopper_96>(p, stream);
    case 2:
        return launch_tile<hopper_128>(p, stream);
    case 3:
        return launch_tile<hopper_memory>(p, stream);
    case 4:
        return launch_tile<hopper_256>(p, stream);
    default:
        return cudaErrorInvalidValue;
    }
}

cudaError_t attention_hopper_maps(attention_hopper_params *p)
{
    const attention_params *a = &p->a;
    int queries, keys;
    if (!attention_hopper_tile(a->dk, a->dv, &queries, &keys))
        return cudaErrorInvalidValue;
    cudaError_t error = tensor_map_make(p->q_map, a->q, a->dk, a->heads, a->lq, a->batch, 64);
    if (error == cudaSuccess)
        error = tensor_map_make(p->k_map, a->k, a->dk, a->heads, a->lk, a->key_batches, keys);
    if (error == cudaSuccess)
        error = tensor_map_make(p->v_map, a->v, a->dv, a->heads, a->lk, a->key_batches, keys);
    return error;
}
