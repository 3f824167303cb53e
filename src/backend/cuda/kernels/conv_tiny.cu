/* Convolutions by 3 x 3 of few channels, with the functions in front of them and the norm and
 * activation behind them: a thread has all channels of a pixel. In fp32, since memory is what they
 * take. */
#include "backend/cuda/kernels/window.cuh"

enum { THREADS = 128, TAPS = 9 };

template <int IN, int OUT, bool BF16>
static __global__ void __launch_bounds__(THREADS)
    conv_tiny_kernel(const __grid_constant__ conv_tiny_params p)
{
    __shared__ float4_t weights[TAPS * IN * OUT / 4];
    for (int i = (int)threadIdx.x; i < TAPS * IN * OUT / 4; i += THREADS)
        weights[i] = ((const float4_t *)p.w)[i];
    __syncthreads();
    const int row = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (row >= p.rows)
        return;
    const output_pixel o = output_pixel_of(&p.window, row, p.rows);
    /* All are asked for before the first is used, the first pixel instead of the padding. */
    float x[TAPS][IN];
#pragma unroll
    for (int tap = 0; tap < TAPS; tap++) {
        const int64_t from = input_row(&p.window, o, tap / 3, tap % 3);
        const int64_t at = (from < 0 ? 0 : from) * p.x.row_stride;
#pragma unroll
        for (int c = 0; c < IN; c++)
            x[tap][c] = load(dev_ptr{p.x.at.data, BF16}, at + c);
    }
    float sums[OUT];
#pragma unroll
    for (int c = 0; c < OUT; c++)
        sums[c] = p.bias ? p.bias[c] : 0;
#pragma unroll
    for (int tap = 0; tap < TAPS; tap++) {
        const bool there = input_row(&p.window, o, tap / 3, tap % 3) >= 0;
#pragma unroll
        for (int c = 0; c < IN; c++) {
            const float acted = p.input_act.kind ? call_unary(p.input_act, x[tap][c]) : x[tap][c];
            const float v = there ? p.input_scale * acted + p.input_shift : 0;
#pragma unroll
            for (int four = 0; four < OUT / 4; four++) {
                const float4_t w = weights[(tap * IN + c) * (OUT / 4) + four];
#pragma unroll
                for (int k = 0; k < 4; k++)
                    sums[four * 4 + k] += v * w.x[k];
            }
        }
    }
    if (p.norm) {
        float mean = 0, variance = 0;
#pragma unroll
        for (int c = 0; c < OUT; c++)
            mean += sums[c];
        mean /= OUT;
#pragma unroll
        for (int c = 0; c < OUT; c++) {
            sums[c] -= mean;
            variance += sums[c] * sums[c];
        }
        const float inverse = 1 / sqrtf(variance / OUT + p.epsilon);
#pragma unroll
        for (int c = 0; c < OUT; c++)
            sums[c] = sums[c] * inverse * (p.gamma ? p.gamma[c] : 1) + (p.beta ? p.beta[c] : 0);
    }
#pragma unroll
    for (int four = 0; four < OUT / 4; four++) {
        float4_t y;
#pragma unroll
        for (int k = 0; k < 4; k++)
            y.x[k] = call_unary(p.act, sums[four * 4 + k]);
        if (p.vector == 4) {
            store4(p.out.at, row * p.out.row_stride + four * 4, y);
            continue;
        }
#pragma unroll
        for (int k = 0; k < 4; k++)
            store(p.out.at, row * p.out.row_stride + four * 4 + k, y.x[k]);
    }
}

cudaError_t conv_tiny_launch(const void *params, cudaStream_t stream)
{
    const conv_tiny_params *p = (const conv_tiny_params *)params;
    const dim3 grid(blocks_for(p->rows, THREADS));
    if (p->in_channels == 1)
        return p->x.at.is_bf16 ? launch(conv_tiny_kernel<1, 4, true>, grid, THREADS, 0, stream, p)
                               : launch(conv_tiny_kernel<1, 4, false>, grid, THREADS, 0, stream, p);
    return p->x.at.is_bf16 ? launch(conv_tiny_kernel<4, 16, true>, grid, THREADS, 0, stream, p)
                           : launch(conv_tiny_kernel<4, 16, false>, grid, THREADS, 0, stream, p);
}
