/* Attention with mma.sync on bf16: a block holds a tile of queries, keys and values stream through
 * shared memory, scores live in registers alone, the softmax is rescaled as larger scores turn up
 * (Milakov and Gimelshein 2018; Dao 2023 for keeping everything in a warp's registers).
 *
 * Rows in shared memory are padded by 16 bytes, which makes them an odd number of 16-byte units, so
 * that the eight rows of an ldmatrix meet all banks. */
#include "backend/cuda/kernels/attention.cuh"

static constexpr int PAD = 8;

/* Heads of up to DK and DV elements, 16 queries a warp. */
template <int DK_, int DV_, int WARPS_, int KEYS_, int STAGES_, bool Q_IN_REGISTERS_> struct tile {
    static constexpr int DK = DK_, DV = DV_, WARPS = WARPS_, KEYS = KEYS_, STAGES = STAGES_;
    static constexpr bool Q_IN_REGISTERS = Q_IN_REGISTERS_;
    static constexpr int THREADS = WARPS * 32, QUERIES = WARPS * 16;
    static constexpr int K_PITCH = DK + PAD, V_PITCH = DV + PAD;
    static constexpr int Q_ELEMENTS = Q_IN_REGISTERS ? 0 : QUERIES * K_PITCH;
    static constexpr int K_ELEMENTS = KEYS * K_PITCH, V_ELEMENTS = KEYS * V_PITCH;
    static constexpr int SHARED_BYTES =
        (Q_ELEMENTS + STAGES * (K_ELEMENTS + V_ELEMENTS)) * 2 + STAGES * KEYS * 4;
};

/* Copies the keys and values of cells first..first + KEYS and says which take part. Rows of those
 * that do not are zeros: weights of 0 must not meet infinities. Some threads share a key, so that
 * each looks for no more than one. */
template <typename T>
static __device__ __forceinline__ void
load_keys(const attention_params *p, const attention_window *window, int batch, int head, int first,
          int last, uint16_t *ks, uint16_t *vs, float *bias)
{
    constexpr int SHARERS = T::THREADS / T::KEYS;
    const bool global = p->n_windows == 1 && p->k_grid.window_h == 1;
    const int key = (int)threadIdx.x / SHARERS, share = (int)threadIdx.x % SHARERS * 8;
    const int cell = first + key;
    const uint16_t *k = (const uint16_t *)p->k.at.data, *v = (const uint16_t *)p->v.at.data;
    bool there = cell < last;
    if (there) {
        const int token = global ? cell : token_of_cell(p, window, cell);
        if (token < 0) {
            there = p->pad_k.data != NULL;
            if (there) {
                k = (const uint16_t *)p->pad_k.data + head * p->dk;
                v = (const uint16_t *)p->pad_v.data + head * p->dv;
            }
        } else {
            const int64_t row = (p->key_batches == 1 ? 0 : (int64_t)batch * p->lk) + token;
            there = key_is_valid(p, batch, token);
            k += row * p->k.row_stride + head * p->dk;
            v += row * p->v.row_stride + head * p->dv;
        }
    }
#pragma unroll
    for (int d = 0; d < T::DK; d += SHARERS * 8) {
        const bool read = there && d + share < p->dk;
        if (T::DK % (SHARERS * 8) == 0 || d + share < T::DK)
            copy_16_async(ks + key * T::K_PITCH + d + share, read ? k + d + share : k,
                          read ? 16 : 0);
    }
#pragma unroll
    for (int d = 0; d < T::DV; d += SHARERS * 8) {
        const bool read = there && d + share < p->dv;
        if (T::DV % (SHARERS * 8) == 0 || d + share < T::DV)
            copy_16_async(vs + key * T::V_PITCH + d + share, read ? v + d + share : v,
                          read ? 16 : 0);
    }
    if (share == 0)
        bias[key] = there ? 0 : -INFINITY;
}

/* Two neighbouring elements of a query, zeros where there are none. */
static __device__ __forceinline__ uint32_t query_pair(const attention_params *p, int batch,
                                                      int head, int query, int d)
{
    if (query < 0 || d >= p->dk)
        return 0;
    const uint16_t *const q = (const uint16_t *)p->q.at.data;
    const int64_t row = (int64_t)batch * p->lq + query;
    return *(const uint32_t *)(q + row * p->q.row_stride + head * p->dk + d);
}

template <typename T>
static __global__ void __launch_bounds__(T::THREADS)
    attention_mma_kernel(const __grid_constant__ attention_params p)
{
    constexpr int K_STEPS = T::DK / 16, S_TILES = T::KEYS / 8, O_TILES = T::DV / 8;
    DYNAMIC_SHARED(shared);
    uint16_t *const qs = (uint16_t *)shared, *const ks = qs + T::Q_ELEMENTS,
                    *const vs = ks + T::STAGES * T::K_ELEMENTS;
    float *const biases = (float *)(vs + T::STAGES * T::V_ELEMENTS);
    const int warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32, batch = (int)blockIdx.z;
    const int head = (int)blockIdx.y / p.n_splits, split = (int)blockIdx.y % p.n_splits;
    const int n_cells = p.q_grid.window_h * p.q_grid.window_w;
    const int tiles = divide_up(n_cells, T::QUERIES);
    const int window_index = (int)blockIdx.x / tiles;
    const int first_query = (int)blockIdx.x % tiles * T::QUERIES;
    const attention_window window = window_at(&p, window_index);
    const int first_cell = split * p.split_cells;
    const int last_cell = min(first_cell + p.split_cells, window.cells);

    /* This thread's two rows of queries, scores and sums. */
    int query[2];
#pragma unroll
    for (int r = 0; r < 2; r++)
        query[r] = query_of_cell(&p, window_index, first_query + warp * 16 + lane / 4 + r * 8);
    uint32_t q[T::Q_IN_REGISTERS ? K_STEPS : 1][4];
    if (T::Q_IN_REGISTERS) {
#pragma unroll
        for (int step = 0; step < (T::Q_IN_REGISTERS ? K_STEPS : 1); step++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                q[step][i] =
                    query_pair(&p, batch, head, query[i % 2], step * 16 + i / 2 * 8 + lane % 4 * 2);
    } else {
        for (int i = (int)threadIdx.x; i < T::QUERIES * T::DK / 2; i += T::THREADS) {
            const int row = i / (T::DK / 2), d = i % (T::DK / 2) * 2;
            const int token = query_of_cell(&p, window_index, first_query + row);
            *(uint32_t *)(qs + row * T::K_PITCH + d) = query_pair(&p, batch, head, token, d);
        }
    }

    float sums[O_TILES][4], max[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
#pragma unroll
    for (int n = 0; n < O_TILES; n++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            sums[n][i] = 0;
    const float scale = p.scale * 1.44269504f; /* log2 e: powers of two are what the machine has */

    auto load_stage = [&](int first, int stage) {
        if (first < last_cell)
            load_keys<T>(&p, &window, batch, head, first, last_cell, ks + stage * T::K_ELEMENTS,
                         vs + stage * T::V_ELEMENTS, biases + stage * T::KEYS);
        copy_commit();
    };
    int stage = 0;
    if (T::STAGES == 2)
        load_stage(first_cell, 0);
    for (int cell = first_cell; cell < last_cell; cell += T::KEYS) {
        if (T::STAGES == 2) {
            copy_wait<0>();
            __syncthreads(); /* this stage is full, and nobody reads the other one any more */
            load_stage(cell + T::KEYS, stage ^ 1);
        } else {
            __syncthreads(); /* nobody reads the tile before this one any more */
            load_stage(cell, 0);
            copy_wait<0>();
            __syncthreads();
        }
        const uint16_t *const k_from =
            ks + stage * T::K_ELEMENTS + (lane / 16 * 8 + lane % 8) * T::K_PITCH + lane / 8 % 2 * 8;
        const uint16_t *const v_from =
            vs + stage * T::V_ELEMENTS + lane % 16 * T::V_PITCH + lane / 16 * 8;
        const float *const bias = biases + stage * T::KEYS + lane % 4 * 2;

        float s[S_TILES][4];
#pragma unroll
        for (int n = 0; n < S_TILES; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                s[n][i] = 0;
#pragma unroll
        for (int step = 0; step < K_STEPS; step++) {
            uint32_t from_shared[4];
            if (!T::Q_IN_REGISTERS)
                ldmatrix_x4(from_shared,
                            qs + (warp * 16 + lane % 16) * T::K_PITCH + lane / 16 * 8 + step * 16);
            const uint32_t *const a =
                T::Q_IN_REGISTERS ? q[T::Q_IN_REGISTERS ? step : 0] : from_shared;
#pragma unroll
            for (int n = 0; n < S_TILES; n += 2) {
                uint32_t b[4];
                ldmatrix_x4(b, k_from + n * 8 * T::K_PITCH + step * 16);
                mma_16816(s[n], a, b[0], b[1]);
                mma_16816(s[n + 1], a, b[2], b[3]);
            }
        }

        float shrink[2];
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float highest = max[r];
#pragma unroll
            for (int n = 0; n < S_TILES; n++)
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    s[n][r * 2 + i] = s[n][r * 2 + i] * scale + bias[n * 8 + i];
                    highest = fmaxf(highest, s[n][r * 2 + i]);
                }
            highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, 1)); /* a row is in 4 threads */
            highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, 2));
            const float base = highest == -INFINITY ? 0 : highest; /* no key yet: all weights 0 */
            shrink[r] = fast_exp2(max[r] - base);
            max[r] = highest;
            float sum = 0;
#pragma unroll
            for (int n = 0; n < S_TILES; n++)
#pragma unroll
                for (int i = 0; i < 2; i++) {
                    s[n][r * 2 + i] = fast_exp2(s[n][r * 2 + i] - base);
                    sum += s[n][r * 2 + i];
                }
            total[r] = total[r] * shrink[r] + sum;
        }
#pragma unroll
        for (int n = 0; n < O_TILES; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                sums[n][i] *= shrink[i / 2];
#pragma unroll
        for (int step = 0; step < T::KEYS / 16; step++) {
            /* Scores lie in registers as sums do; two of their tiles are an operand. */
            const uint32_t a[4] = {pack_bf16(s[2 * step][0], s[2 * step][1]),
                                   pack_bf16(s[2 * step][2], s[2 * step][3]),
                                   pack_bf16(s[2 * step + 1][0], s[2 * step + 1][1]),
                                   pack_bf16(s[2 * step + 1][2], s[2 * step + 1][3])};
#pragma unroll
            for (int n = 0; n < O_TILES; n += 2) {
                uint32_t b[4];
                ldmatrix_x4_trans(b, v_from + step * 16 * T::V_PITCH + n * 8);
                mma_16816(sums[n], a, b[0], b[1]);
                mma_16816(sums[n + 1], a, b[2], b[3]);
            }
        }
        stage ^= T::STAGES - 1;
    }

#pragma unroll
    for (int r = 0; r < 2; r++) {
        total[r] += __shfl_xor_sync(~0u, total[r], 1);
        total[r] += __shfl_xor_sync(~0u, total[r], 2);
        if (query[r] < 0)
            continue;
        if (p.n_splits > 1) {
            const int64_t item =
                (((int64_t)split * p.batch + batch) * p.heads + head) * p.lq + query[r];
            float *const to = p.partial + item * p.dv_out;
#pragma unroll
            for (int n = 0; n < O_TILES; n++) {
                const int d = n * 8 + lane % 4 * 2;
                write_pair(&p, {to, 0}, 0, d, sums[n][r * 2], sums[n][r * 2 + 1]);
            }
            if (lane % 4 == 0)
                write_peak(&p, item, max[r], total[r]);
            continue;
        }
        const float inverse = total[r] == 0 ? 0 : 1 / total[r]; /* without any key: zeros */
        const int64_t row = (int64_t)batch * p.lq + query[r];
        const int64_t to = row * p.out.row_stride + head * p.dv_out;
#pragma unroll
        for (int n = 0; n < O_TILES; n++) {
            const int d = n * 8 + lane % 4 * 2;
            write_pair(&p, p.out.at, to, d, sums[n][r * 2] * inverse, sums[n][r * 2 + 1] * inverse);
        }
    }
}

/* Wide heads keep queries in shared memory and one stage of keys, or registers would not do. */
typedef tile<32, 32, 4, 64, 2, true> tile_32;
typedef tile<64, 64, 4, 64, 2, true> tile_64;
typedef tile<96, 96, 4, 64, 2, true> tile_96;
typedef tile<128, 128, 4, 64, 2, true> tile_128;
typedef tile<256, 64, 8, 64, 2, true> tile_memory; /* of SAM 2: keys of 256, values of 64 */
typedef tile<256, 256, 4, 32, 1, false> tile_256;

template <typename T> static cudaError_t launch_tile(const attention_params *p, cudaStream_t stream)
{
    const int tiles = divide_up(p->q_grid.window_h * p->q_grid.window_w, T::QUERIES);
    const dim3 grid((unsigned)(tiles * p->n_windows), (unsigned)(p->heads * p->n_splits),
                    (unsigned)p->batch);
    return launch(attention_mma_kernel<T>, grid, T::THREADS, T::SHARED_BYTES, stream, p);
}

static int tile_index(int dk, int dv)
{
    static const int sizes[6][2] = {{32, 32},   {64, 64},  {96, 96},
                                    {128, 128}, {256, 64}, {256, 256}};
    for (int i = 0; i < 6; i++) {
        if (dk <= sizes[i][0] && dv <= sizes[i][1])
            return i;
    }
    return -1;
}

int attention_mma_tile(int dk, int dv, int *queries, int *keys)
{
    const int i = tile_index(dk, dv);
    *queries = i == 4 ? tile_memory::QUERIES : tile_64::QUERIES;
    *keys = i == 5 ? tile_256::KEYS : tile_64::KEYS;
    return i >= 0;
}

cudaError_t attention_mma_launch(const void *params, cudaStream_t stream)
{
    const attention_params *p = (const attention_params *)params;
    switch (tile_index(p->dk, p->dv)) {
    case 0:
        return launch_tile<tile_32>(p, stream);
    case 1:
        return launch_tile<tile_64>(p, stream);
    case 2:
        return launch_tile<tile_96>(p, stream);
    case 3:
        return launch_tile<tile_128>(p, stream);
    case 4:
        return launch_tile<tile_memory>(p, stream);
    case 5:
        return launch_tile<tile_256>(p, stream);
    default:
        return cudaErrorInvalidValue;
    }
}
