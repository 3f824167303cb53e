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

/* Joins the parts that keys were cut into, in their order; WIDTH elements a thread, of which whole
 * rows are made. */
template <int WIDTH>
static __global__ void __launch_bounds__(THREADS)
    attention_combine_kernel(const __grid_constant__ attention_params p)
{
    const uint32_t items = (uint32_t)p.batch * (uint32_t)p.heads * (uint32_t)p.lq;
    const uint32_t i = blockIdx.x * THREADS + threadIdx.x, units = (uint32_t)p.dv_out / WIDTH;
    const uint32_t item = i / units, d = i % units * WIDTH;
    if (item >= items)
        return;
    const float2_t *const peaks = (const float2_t *)p.peaks;
    float max = -INFINITY, total = 0, sums[WIDTH] = {0};
#pragma unroll 4
    for (int s = 0; s < p.n_splits; s++)
        max = fmaxf(max, peaks[(int64_t)s * items + item].x[0]);
    const float base = max == -INFINITY ? 0 : max;
#pragma unroll 4
    for (int s = 0; s < p.n_splits; s++) {
        const float2_t peak = peaks[(int64_t)s * items + item];
        const float *const from = p.partial + ((int64_t)s * items + item) * p.dv_out + d;
        const float weight = fast_exp2(peak.x[0] - base);
        total += peak.x[1] * weight;
        if (WIDTH == 4) {
            const float4_t v = *(const float4_t *)from;
#pragma unroll
            for (int k = 0; k < 4; k++)
                sums[k % WIDTH] += v.x[k] * weight;
        } else {
            sums[0] += from[0] * weight;
        }
    }
    const float inverse = total == 0 ? 0 : 1 / total;
    const uint32_t query = item % (uint32_t)p.lq, head = item / (uint32_t)p.lq % (uint32_t)p.heads,
                   batch = item / (uint32_t)p.lq / (uint32_t)p.heads;
    const int64_t to = ((int64_t)batch * p.lq + query) * p.out.row_stride + head * p.dv_out + d;
    if (WIDTH == 4) {
        float4_t v;
#pragma unroll
        for (int k = 0; k < 4; k++)
            v.x[k] = sums[k % WIDTH] * inverse;
        store4(p.out.at, to, v);
    } else {
        store(p.out.at, to, sums[0] * inverse);
    }
}

cudaError_t attention_combine_launch(const void *params, cudaStream_t stream)
{
    const attention_params *p = (const attention_params *)params;
    const int64_t elements = (int64_t)p->batch * p->lq * p->heads * p->dv_out;
    return p->fours ? launch(attention_combine_kernel<4>, dim3(blocks_for(elements / 4, THREADS)),
                             THREADS, 0, stream, p)
                    : launch(attention_combine_kernel<1>, dim3(blocks_for(elements, THREADS)),
                             THREADS, 0, stream, p);
}
