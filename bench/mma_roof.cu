/* bench_mma_roof - what this GPU's mma.sync reaches at best: products of 16 x 8 x 16 in bf16 with
 * fp32 sums, from registers alone. Kernels for every GPU are made of them; Hopper has faster ones.
 * Prints TFLOP/s. */
#include "backend/cuda/kernels/device.cuh"

#include <cstdio>

enum { THREADS = 256, ROUNDS = 2000, RUNS = 8 };

/* So many products at once of each warp, which do not wait for each other. */
template <int CHAINS> static __global__ void __launch_bounds__(THREADS) products(float *out)
{
    float sums[CHAINS][4] = {};
    /* Bits of numbers between 0 and 2 that differ from thread to thread. */
    const uint32_t bits = threadIdx.x * 0x9E3779B9u & 0x007f007fu;
    const uint32_t a[4] = {0x3f803f80u ^ bits, 0x3f003f00u ^ bits, 0x3e803e80u, 0x3f403f40u ^ bits},
                   b0 = 0x3f203f20u ^ bits, b1 = 0x3ea03ea0u ^ blockIdx.x % 64;
    for (int i = 0; i < ROUNDS; i++)
#pragma unroll
        for (int c = 0; c < CHAINS; c++)
            mma_16816(sums[c], a, b0, b1);
    float sum = 0;
    for (int c = 0; c < CHAINS; c++)
        sum += sums[c][0] + sums[c][1] + sums[c][2] + sums[c][3];
    if (sum == -1) /* never, but the compiler does not know */
        *out = sum;
}

template <int CHAINS> static double tflops(int blocks, float *out)
{
    cudaEvent_t begin, end;
    cudaEventCreate(&begin);
    cudaEventCreate(&end);
    float least = 1e30f;
    for (int i = 0; i < RUNS; i++) {
        float ms = 0;
        cudaEventRecord(begin);
        products<CHAINS><<<blocks, THREADS>>>(out);
        cudaEventRecord(end);
        cudaEventSynchronize(end);
        cudaEventElapsedTime(&ms, begin, end);
        least = ms < least ? ms : least;
    }
    return 2.0 * 16 * 8 * 16 * CHAINS * ROUNDS * (THREADS / 32) * blocks / least * 1e-9;
}

int main()
{
    cudaDeviceProp properties;
    float *out = nullptr;
    if (cudaGetDeviceProperties(&properties, 0) != cudaSuccess ||
        cudaMalloc(&out, sizeof(*out)) != cudaSuccess) {
        fprintf(stderr, "bench_mma_roof: %s\n", cudaGetErrorString(cudaGetLastError()));
        return 1;
    }
    double best = 0;
    for (int per_processor = 2; per_processor <= 4; per_processor *= 2) {
        const int blocks = per_processor * properties.multiProcessorCount;
        const double rates[] = {tflops<4>(blocks, out), tflops<8>(blocks, out),
                                tflops<16>(blocks, out)};
        for (double rate : rates)
            best = rate > best ? rate : best;
    }
    cudaFree(out);
    if (cudaGetLastError() != cudaSuccess)
        return 1;
    printf("%.1f\n", best);
    return 0;
}
