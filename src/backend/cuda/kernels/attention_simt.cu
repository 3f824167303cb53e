/* Attention in fp32 arithmetic, for checks and for operands that the matrix instructions cannot
 * take: a warp a query and head, keys one after the other, the softmax rescaled as larger scores
 * turn up (Milakov and Gimelshein 2018). */
#include "backend/cuda/kernels/attention.cuh"

enum { THREADS = 128, WARPS = THREADS / 32, MAX_WIDTH = 512, PER_LANE = MAX_WIDTH / 32 };

/* Element i of a head, rotated by its row of (cos, sin), if any. */
static __device__ __forceinline__ float rotated(dev_ptr p, int64_t head, int i, const float *row)
{
    const float x = load(p, head + i);
    if (!row)
        return x;
    const float other = load(p, head + (i ^ 1)), cosine = row[i / 2 * 2], sine = row[i / 2 * 2 + 1];
    return i % 2 == 0 ? x * cosine - other * sine : other * sine + x * cosine;
}

static __global__ void __launch_bounds__(THREADS)
    attention_simt_kernel(const __grid_constant__ attention_params p)
{
    const int64_t item = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    const int lane = (int)(threadIdx.x % 32);
    if (item >= (int64_t)p.batch * p.lq * p.heads)
        return;
    const int head = (int)(item % p.heads), query = (int)(item / p.heads % p.lq),
              batch = (int)(item / p.heads / p.lq);
    const attention_window window = window_of_query(&p, query);
    const int key_batch = p.key_batches == 1 ? 0 : batch;
    const int64_t q_row = (int64_t)batch * p.lq + query, key_row = (int64_t)key_batch * p.lk;
    const float *rope_q = p.rope_q ? p.rope_q + (int64_t)query * p.dk : NULL;
    float q[PER_LANE], sums[PER_LANE];
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) {
        const int d = i * 32 + lane;
        q[i] = d < p.dk ? rotated(p.q.at, q_row * p.q.row_stride + head * p.dk, d, rope_q) : 0;
        sums[i] = 0;
    }
    float max = -INFINITY, total = 0;
    for (int cell = 0; cell < window.cells; cell++) {
        const int token = token_of_cell(&p, &window, cell);
        if (token < 0 ? !p.pad_k.data : !key_is_valid(&p, batch, token))
            continue;
        const float *rope_k = p.rope_k && token >= 0 && token < p.rope_keys
                                  ? p.rope_k + (int64_t)(token % p.rope_rows) * p.dk
                                  : NULL;
        const dev_ptr k = token < 0 ? p.pad_k : p.k.at, v = token < 0 ? p.pad_v : p.v.at;
        const int64_t k_at = (token < 0 ? 0 : (key_row + token) * p.k.row_stride) + head * p.dk;
        const int64_t v_at = (token < 0 ? 0 : (key_row + token) * p.v.row_stride) + head * p.dv;
        float score = 0;
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) {
            const int d = i * 32 + lane;
            if (d < p.dk)
                score += q[i] * rotated(k, k_at, d, rope_k);
        }
#pragma unroll
        for (int mask = 16; mask > 0; mask /= 2)
            score += __shfl_xor_sync(~0u, score, mask);
        score *= p.scale;
        if (score == -INFINITY)
            continue;
        if (score > max) {
            const float shrink = expf(max - score); /* 0 the first time */
            total *= shrink;
#pragma unroll
            for (int i = 0; i < PER_LANE; i++)
                sums[i] *= shrink;
            max = score;
        }
        const float weight = expf(score - max);
        total += weight;
#pragma unroll
        for (int i = 0; i < PER_LANE; i++) {
            const int d = i * 32 + lane;
            if (d < p.dv)
                sums[i] += weight * load(v, v_at + d);
        }
    }
#pragma unroll
    for (int i = 0; i < PER_LANE; i++) {
        const int d = i * 32 + lane;
        if (d < p.dv) /* without any key: zeros */
            store(p.out.at, q_row * p.out.row_stride + head * p.dv + d,
                  total == 0 ? 0 : sums[i] / total);
    }
}

cudaError_t attention_simt_launch(const void *params, cudaStream_t stream)
{
    const attention_params *p = (const attention_params *)params;
    const int64_t items = (int64_t)p->batch * p->lq * p->heads;
    return launch(attention_simt_kernel, dim3(blocks_for(items, WARPS)), THREADS, 0, stream, p);
}

/* ---- helpers of the bf16 kernels ---- */

typedef struct alignas(16) packed_t {
    uint32_t x[4];
} packed_t;

/* Eight elements a thread: finding them costs more than they do. */
static __global__ void __launch_bounds__(256) pack_kernel(const __grid_constant__ pack_params p)
{
    const uint32_t i = blockIdx.x * 256 + threadIdx.x;
    const uint32_t units = (uint32_t)p.d_padded / 8, row_units = (uint32_t)p.heads * units;
    const uint32_t row = i / row_units, unit = i % row_units;
    if (row >= (uint32_t)p.rows)
        return;
    const int head = (int)(unit / units), d = (int)(unit % units) * 8;
    const int token = (int)(row % (uint32_t)p.tokens);
    const int64_t from = (int64_t)row * p.x.row_stride + head * p.d + d;
    alignas(16) float v[8] = {0};
    bool there = true;
    if (p.valid.at.data) {
        const int64_t batch = p.valid_batches == 1 ? 0 : row / (uint32_t)p.tokens;
        there = load(p.valid.at, batch * p.valid.row_stride + token) != 0;
    }
    if (there && p.fours) {
#pragma unroll
        for (int k = 0; k < 8; k += 4) {
            if (d + k < p.d)
                *(float4_t *)(v + k) = load4(p.x.at, from + k);
        }
    } else if (there) {
#pragma unroll
        for (int k = 0; k < 8; k++)
            v[k] = d + k < p.d ? load(p.x.at, from + k) : 0;
    }
    if (p.rope && token < p.rope_tokens) {
        const float *const turn = p.rope + (int64_t)(token % p.rope_rows) * p.d + d;
#pragma unroll
        for (int k = 0; k < 8; k += 2) {
            if (d + k >= p.d)
                break;
            const float x = v[k];
            v[k] = x * turn[k] - v[k + 1] * turn[k + 1];
            v[k + 1] = x * turn[k + 1] + v[k + 1] * turn[k];
        }
    }
    uint32_t *const to = (uint32_t *)p.out + (int64_t)i * 4;
    const packed_t packed = {{pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]),
                              pack_bf16(v[6], v[7])}};
    *(packed_t *)to = packed;
}

cudaError_t pack_launch(const void *params, cudaStream_t stream)
{
    const pack_params *p = (const pack_params *)params;
    const int64_t n = (int64_t)p->rows * p->heads * (p->d_padded / 8);
    return launch(pack_kernel, dim3(blocks_for(n, 256)), 256, 0, stream, p);
}

/* Joins the parts that keys were cut into: a warp a query and head. */
static __global__ void __launch_bounds__(THREADS)
    attention_combine_kernel(const __grid_constant__ attention_params p)
{
    const int64_t items = (int64_t)p.batch * p.heads * p.lq;
    const int64_t item = (int64_t)blockIdx.x * WARPS + threadIdx.x / 32;
    const int lane = (int)(threadIdx.x % 32);
    if (item >= items)
        return;
    const int query = (int)(item % p.lq), head = (int)(item / p.lq % p.heads),
              batch = (int)(item / p.lq / p.heads);
    const float *first = p.partial + item * (p.dv_out + 2);
    const int64_t next = items * (p.dv_out + 2);
    float max = -INFINITY, total = 0;
    for (int s = 0; s < p.n_splits; s++)
        max = fmaxf(max, first[s * next + p.dv_out]);
    const float base = max == -INFINITY ? 0 : max;
    for (int s = 0; s < p.n_splits; s++)
        total += first[s * next + p.dv_out + 1] * fast_exp2(first[s * next + p.dv_out] - base);
    const int64_t to = ((int64_t)batch * p.lq + query) * p.out.row_stride + head * p.dv_out;
    for (int d = lane; d < p.dv_out; d += 32) {
        float sum = 0;
        for (int s = 0; s < p.n_splits; s++)
            sum += first[s * next + d] * fast_exp2(first[s * next + p.dv_out] - base);
        store(p.out.at, to + d, total == 0 ? 0 : sum / total);
    }
}

cudaError_t attention_combine_launch(const void *params, cudaStream_t stream)
{
    const attention_params *p = (const attention_params *)params;
    const int64_t items = (int64_t)p->batch * p->lq * p->heads;
    return launch(attention_combine_kernel, dim3(blocks_for(items, WARPS)), THREADS, 0, stream, p);
}
