/* Windows of pictures as inputs of networks. A block makes a part of a row: it sums the rows of the
 * window that this row is made of, column by column, and keeps the sums; then each thread sums
 * columns for a pixel. Additions and multiplications are rounded where the host rounds them
 * (models/antialias.c, models/frame_input.c), so that both see the same picture. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = PICTURE_TILE };

/* The columns that outputs first_x..last_x are made of. */
static __device__ __forceinline__ void sum_rows(const picture_plane_params &plane, int row,
                                                int first_x, int last_x, float *columns)
{
    const int base = plane.x.first[first_x];
    /* Taps of weight 0 are read, too. */
    const int end = min(plane.x.first[last_x] + plane.x.max_taps, plane.x.n_in);
    const int n = (end - base) * plane.channels;
    const int n_rows = plane.y.count[row];
    const float *weights = plane.y.weights + (int64_t)row * plane.y.max_taps;
    const uint8_t *from =
        plane.samples + plane.y.first[row] * plane.stride_bytes + (int64_t)base * plane.channels;
    for (int i = (int)threadIdx.x; i < n; i += THREADS) {
        float sum = exact_mul(weights[0], (float)from[i]);
        for (int k = 1; k < n_rows; k++)
            sum = fmaf(weights[k], (float)from[k * plane.stride_bytes + i], sum);
        columns[i] = sum;
    }
}

/* As eight lanes of a vector do it. */
static __device__ __forceinline__ float sum_in_lanes(const float *weights, const float *columns,
                                                     int n)
{
    float lane[8];
#pragma unroll
    for (int j = 0; j < 8; j++)
        lane[j] = exact_mul(weights[j], columns[j]);
    for (int k = 8; k < n; k += 8) {
#pragma unroll
        for (int j = 0; j < 8; j++)
            lane[j] = fmaf(weights[k + j], columns[k + j], lane[j]);
    }
    const float low = exact_add(exact_add(lane[0], lane[1]), exact_add(lane[2], lane[3]));
    const float high = exact_add(exact_add(lane[4], lane[5]), exact_add(lane[6], lane[7]));
    return exact_add(low, high);
}

/* Channel c of output x. */
static __device__ __forceinline__ float sum_columns(const picture_plane_params &plane, int width,
                                                    int first_x, int x, int c, const float *columns)
{
    const float *weights = plane.x.weights + (int64_t)x * plane.x.max_taps;
    const float *from = columns + (plane.x.first[x] - plane.x.first[first_x]) * plane.channels + c;
    const int last = x | 7;
    if (plane.channels == 1 && plane.x.lanes == 8 && last < width &&
        plane.x.first[last] + plane.x.max_taps <= plane.x.n_in)
        return sum_in_lanes(weights, from, plane.x.max_taps);
    float sum = 0;
    for (int k = 0; k < plane.x.count[x]; k++)
        sum = exact_add(sum, exact_mul(weights[k], from[k * plane.channels]));
    return sum;
}

static __device__ __forceinline__ float clamp_byte(float value)
{
    value = value < 0 ? 0 : value;
    return value > 255 ? 255 : value;
}

static __device__ __forceinline__ void to_rgb(const picture_view_params &v, float luma, float u,
                                              float b, float rgb[3])
{
    const float y = exact_mul(exact_add(luma, v.luma_offset), v.luma);
    const float cu = u - 128, cv = b - 128;
    rgb[0] = clamp_byte(exact_add(y, exact_mul(v.red_v, cv)));
    rgb[1] =
        clamp_byte(exact_add(exact_add(y, exact_mul(v.green_u, cu)), exact_mul(v.green_v, cv)));
    rgb[2] = clamp_byte(exact_add(y, exact_mul(v.blue_u, cu)));
}

static __global__ void __launch_bounds__(THREADS)
    picture_kernel(const __grid_constant__ picture_params p)
{
    const picture_view_params &v = p.views[blockIdx.z];
    const int row = (int)blockIdx.y, first_x = (int)blockIdx.x * p.tile;
    if (row >= v.height || first_x >= v.width)
        return;
    DYNAMIC_SHARED(memory);
    float *columns = (float *)memory;
    const int last_x = min(first_x + p.tile, v.width) - 1;
    for (int i = 0; i < v.n_planes; i++)
        sum_rows(v.planes[i], row, first_x, last_x, columns + v.planes[i].column_at);
    __syncthreads();
    const int x = first_x + (int)threadIdx.x;
    if (x > last_x)
        return;
    float rgb[3];
    if (v.is_yuv) {
        const int in_one = v.n_planes == 2; /* chroma's samples are side by side */
        const picture_plane_params &u = v.planes[1], &w = v.planes[in_one ? 1 : 2];
        to_rgb(v, sum_columns(v.planes[0], v.width, first_x, x, 0, columns + v.planes[0].column_at),
               sum_columns(u, v.width, first_x, x, 0, columns + u.column_at),
               sum_columns(w, v.width, first_x, x, in_one, columns + w.column_at), rgb);
    } else {
        for (int c = 0; c < 3; c++)
            rgb[c] = c > 0 && v.planes[0].channels == 1
                         ? rgb[0]
                         : sum_columns(v.planes[0], v.width, first_x, x, c, columns);
    }
    float *out = v.out + ((int64_t)row * v.width + x) * 3;
#pragma unroll
    for (int c = 0; c < 3; c++)
        out[c] = exact_add(exact_mul(rgb[c], v.gain[c]), v.offset[c]);
}

cudaError_t picture_launch(const void *params, cudaStream_t stream)
{
    const picture_params *p = (const picture_params *)params;
    int32_t width = 1, height = 1;
    for (int i = 0; i < p->n_views; i++) {
        width = p->views[i].width > width ? p->views[i].width : width;
        height = p->views[i].height > height ? p->views[i].height : height;
    }
    return launch(picture_kernel,
                  dim3(blocks_for(width, p->tile), (unsigned)height, (unsigned)p->n_views), THREADS,
                  (size_t)p->column_floats * sizeof(float), stream, p);
}
