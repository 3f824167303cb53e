/* Sums, means and maxima over any set of axes: 32 outputs a block, 8 threads for each, whose parts
 * are joined in a fixed order. Where outputs are few, each one's inputs are cut among blocks and a
 * second kernel joins the cuts, in order. */
#include "backend/cuda/kernels/device.cuh"

enum { LANES = 32, PARTS = 8, BLOCKED = 64 };

static __device__ __forceinline__ float join(int kind, float a, float b)
{
    if (kind == 2)
        return b > a || b != b ? b : a;
    return a + b;
}

/* Where output o is in memory whose elements are `stride` apart along its dimensions. */
static __device__ __forceinline__ int64_t place_of(const reduce_params *p, int o,
                                                   const int64_t *stride)
{
    int64_t at = 0;
    for (int d = p->out_rank - 1; d >= 0; d--) {
        at += o % p->out_dim[d] * stride[d];
        o /= p->out_dim[d];
    }
    return at;
}

static __device__ __forceinline__ void finish(const reduce_params *p, int o, float all)
{
    store(p->out, place_of(p, o, p->out_stride), p->kind == 1 ? all / (float)p->n_in : all);
}

static __global__ void __launch_bounds__(LANES *PARTS)
    reduce_kernel(const __grid_constant__ reduce_params p)
{
    __shared__ float parts[PARTS][LANES];
    const int lane = (int)(threadIdx.x % LANES), part = (int)(threadIdx.x / LANES);
    const int o = (int)(blockIdx.x * LANES) + lane;
    const int64_t base = place_of(&p, o, p.outer_stride);
    const float none = p.kind == 2 ? -INFINITY : 0;
    float total = none, block = none; /* sums of sums: errors grow with the root of their number */
    if (o < p.n_out) {
        const int64_t parts_of_all = (int64_t)PARTS * p.cuts, at_part = blockIdx.y * PARTS + part;
        const int first = (int)(p.n_in * at_part / parts_of_all);
        const int last = (int)(p.n_in * (at_part + 1) / parts_of_all);
#pragma unroll 4
        for (int i = first; i < last; i++) {
            int64_t at = base;
            int left = i;
            for (int d = p.in_rank - 1; d >= 0; d--) {
                at += left % p.in_dim[d] * p.in_stride[d];
                left /= p.in_dim[d];
            }
            block = join(p.kind, block, load(p.x, at));
            if ((i - first) % BLOCKED == BLOCKED - 1) {
                total = join(p.kind, total, block);
                block = none;
            }
        }
    }
    parts[part][lane] = join(p.kind, total, block);
    __syncthreads();
    if (part != 0 || o >= p.n_out)
        return;
    float all = parts[0][lane];
    for (int i = 1; i < PARTS; i++)
        all = join(p.kind, all, parts[i][lane]);
    if (p.cuts > 1)
        p.partial[(int64_t)blockIdx.y * p.n_out + o] = all;
    else
        finish(&p, o, all);
}

static __global__ void __launch_bounds__(LANES)
    reduce_join_kernel(const __grid_constant__ reduce_params p)
{
    const int o = (int)(blockIdx.x * LANES + threadIdx.x);
    if (o >= p.n_out)
        return;
    float all = p.partial[o];
    for (int cut = 1; cut < p.cuts; cut++)
        all = join(p.kind, all, p.partial[(int64_t)cut * p.n_out + o]);
    finish(&p, o, all);
}

cudaError_t reduce_launch(const void *params, cudaStream_t stream)
{
    const reduce_params *p = (const reduce_params *)params;
    return launch(reduce_kernel, dim3(blocks_for(p->n_out, LANES), (unsigned)p->cuts),
                  LANES * PARTS, 0, stream, p);
}

cudaError_t reduce_join_launch(const void *params, cudaStream_t stream)
{
    const reduce_params *p = (const reduce_params *)params;
    return launch(reduce_join_kernel, dim3(blocks_for(p->n_out, LANES)), LANES, 0, stream, p);
}
