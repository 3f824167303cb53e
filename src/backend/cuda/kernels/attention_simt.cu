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

static __global__ void __launch_bounds__(256) pack_kernel(const __grid_constant__ pack_params p)
{
    const int64_t i = (int64_t)blockIdx.x * 256 + threadIdx.x; /* a pair of elements */
    const int pairs = p.d_padded / 2;
    if (i >= (int64_t)p.rows * p.heads * pairs)
        return;
    const int pair = (int)(i % pairs), head = (int)(i / pairs % p.heads);
    const int64_t row = i / pairs / p.heads;
    const int64_t from = row * p.x.row_stride + head * p.d + pair * 2;
    float a = pair * 2 < p.d ? load(p.x.at, from) : 0;
    float b = pair * 2 + 1 < p.d ? load(p.x.at, from + 1) : 0;
    const int token = (int)(row % p.tokens);
    if (p.valid.at.data) {
        const int64_t batch = p.valid_batches == 1 ? 0 : row / p.tokens;
        if (load(p.valid.at, batch * p.valid.row_stride + token) == 0)
            a = b = 0;
    }
    if (p.rope && token < p.rope_tokens && pair * 2 < p.d) {
        const float *turn = p.rope + (int64_t)(token % p.rope_rows) * p.d + pair * 2;
        const float x = a;
        a = x * turn[0] - b * turn[1];
        b = x * turn[1] + b * turn[0];
    }
    ((uint32_t *)p.out)[i] = pack_bf16(a, b);
}

cudaError_t pack_launch(const void *params, cudaStream_t stream)
{
    const pack_params *p = (const pack_params *)params;
    const int64_t n = (int64_t)p->rows * p->heads * (p->d_padded / 2);
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
