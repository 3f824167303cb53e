/* Attention of many queries to few keys: pixels to the tokens of a prompt. Keys and values of all
 * heads are in shared memory; a thread has one head of one query, neighbours its other heads. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256 };

/* Elements i to i + 7 of bf16 memory. */
static __device__ __forceinline__ void load8(const void *p, int64_t i, float v[8])
{
    const uint16_t *const from = (const uint16_t *)p + i;
    check_aligned(from, 16);
    const eight_bf16 bits = *(const eight_bf16 *)from;
#pragma unroll
    for (int k = 0; k < 4; k++) {
        v[2 * k] = bf16_to_float((uint16_t)bits.pair[k]);
        v[2 * k + 1] = bf16_to_float((uint16_t)(bits.pair[k] >> 16));
    }
}

/* D: elements of a head. Shared memory: [keys and values][lk][D / 4][heads] fours, then [lk] which
 * keys take part. */
template <int D>
static __global__ void __launch_bounds__(THREADS)
    attention_few_kernel(const __grid_constant__ attention_params p)
{
    DYNAMIC_SHARED(raw);
    const int per_key = p.heads * (D / 4), n_fours = p.lk * per_key, batch = (int)blockIdx.y;
    float4_t *const ks = (float4_t *)raw, *const vs = ks + n_fours;
    float *const valid = (float *)(vs + n_fours);
    const int64_t first_key = p.key_batches == 1 ? 0 : (int64_t)batch * p.lk;
    for (int i = (int)threadIdx.x; i < n_fours; i += THREADS) {
        const int key = i / per_key, at = i % per_key, head = at / (D / 4), four = at % (D / 4);
        const int to = (key * (D / 4) + four) * p.heads + head;
        ks[to] = load4_of<true>(p.k.at.data, (first_key + key) * p.k.row_stride + at * 4);
        vs[to] = load4_of<true>(p.v.at.data, (first_key + key) * p.v.row_stride + at * 4);
    }
    for (int key = (int)threadIdx.x; key < p.lk; key += THREADS)
        valid[key] =
            !p.valid.at.data ||
            load(p.valid.at, (p.valid_batches == 1 ? 0 : batch) * p.valid.row_stride + key) != 0;
    __syncthreads();
    const int i = (int)(blockIdx.x * THREADS + threadIdx.x), head = i % p.heads;
    const int query = i / p.heads;
    if (query >= p.lq)
        return;
    const int64_t row = (int64_t)batch * p.lq + query;
    float q[D], sum[D], most = -INFINITY, total = 0;
#pragma unroll
    for (int d = 0; d < D; d += 8)
        load8(p.q.at.data, row * p.q.row_stride + head * D + d, q + d);
#pragma unroll
    for (int d = 0; d < D; d++) {
        q[d] *= p.scale;
        sum[d] = 0;
    }
#pragma unroll 1
    for (int key = 0; key < p.lk; key++) {
        if (valid[key] == 0)
            continue;
        float score = 0;
#pragma unroll
        for (int four = 0; four < D / 4; four++) {
            const float4_t k = ks[(key * (D / 4) + four) * p.heads + head];
#pragma unroll
            for (int d = 0; d < 4; d++)
                score += q[four * 4 + d] * k.x[d];
        }
        const float now = score > most || score != score ? score : most;
        const float keep = most == -INFINITY ? 0 : expf(most - now), e = expf(score - now);
        most = now;
        total = total * keep + e;
#pragma unroll
        for (int four = 0; four < D / 4; four++) {
            const float4_t v = vs[(key * (D / 4) + four) * p.heads + head];
#pragma unroll
            for (int d = 0; d < 4; d++)
                sum[four * 4 + d] = sum[four * 4 + d] * keep + e * v.x[d];
        }
    }
    const float inverse = total == 0 ? 0 : 1 / total; /* no key that takes part: zeros */
#pragma unroll
    for (int four = 0; four < D / 4; four++) {
        float4_t y;
#pragma unroll
        for (int d = 0; d < 4; d++)
            y.x[d] = sum[four * 4 + d] * inverse;
        store4(p.out.at, row * p.out.row_stride + head * D + four * 4, y);
    }
}

static int64_t shared_bytes_of(int heads, int d, int lk)
{
    return (int64_t)lk * heads * d * 2 * (int)sizeof(float) + lk * (int)sizeof(float);
}

int attention_few_suits(int heads, int d, int lq, int lk)
{
    return (d == 8 || d == 16 || d == 32) && lq >= 256 && lk <= 32 &&
           shared_bytes_of(heads, d, lk) <= 48 << 10;
}

cudaError_t attention_few_launch(const void *params, cudaStream_t stream)
{
    const attention_params *p = (const attention_params *)params;
    const dim3 grid(blocks_for((int64_t)p->lq * p->heads, THREADS), (unsigned)p->batch);
    const size_t bytes = (size_t)shared_bytes_of(p->heads, p->dk, p->lk);
    if (p->dk == 8)
        return launch(attention_few_kernel<8>, grid, THREADS, bytes, stream, p);
    if (p->dk == 16)
        return launch(attention_few_kernel<16>, grid, THREADS, bytes, stream, p);
    return launch(attention_few_kernel<32>, grid, THREADS, bytes, stream, p);
}
