/* backend/cuda/kernels/window.cuh - which pixels a convolution's output is made of. */
#ifndef BACKEND_CUDA_KERNELS_WINDOW_CUH
#define BACKEND_CUDA_KERNELS_WINDOW_CUH

#include "backend/cuda/kernels/device.cuh"

typedef struct output_pixel {
    int n, y, x; /* n < 0: there is no such row */
} output_pixel;

static __device__ __forceinline__ output_pixel output_pixel_of(const dev_window *w, int row,
                                                               int rows)
{
    output_pixel o;
    o.x = row % w->out_w;
    o.y = row / w->out_w % w->out_h;
    o.n = row < rows ? row / w->out_w / w->out_h : -1;
    return o;
}

/* The row of x that tap (ky, kx) of an output pixel reads, or -1 outside the image. */
static __device__ __forceinline__ int64_t input_row(const dev_window *w, output_pixel o, int ky,
                                                    int kx)
{
    int y, x;
    if (o.n < 0)
        return -1;
    if (w->transposed) {
        y = o.y + w->pad_top - ky;
        x = o.x + w->pad_left - kx;
        if (y < 0 || x < 0 || y % w->stride_h || x % w->stride_w)
            return -1;
        y /= w->stride_h;
        x /= w->stride_w;
    } else {
        y = o.y * w->stride_h - w->pad_top + ky * w->dilation_h;
        x = o.x * w->stride_w - w->pad_left + kx * w->dilation_w;
    }
    if (y < 0 || x < 0 || y >= w->in_h || x >= w->in_w)
        return -1;
    return ((int64_t)o.n * w->in_h + y) * w->in_w + x;
}

/* Where element (row, column) of a product goes: the row and column of `out`. */
typedef struct output_place {
    int64_t row;
    int column;
} output_place;

static __device__ __forceinline__ output_place output_place_of(const gemm_params *p, int row,
                                                               int column, int group)
{
    output_place o;
    o.row = row;
    o.column = group * p->columns + column;
    if (p->scatter) {
        const int tap = column / p->scatter, ky = tap / p->scatter_w, kx = tap % p->scatter_w;
        const int x = row % p->window.out_w, y = row / p->window.out_w; /* over all images */
        o.row = ((int64_t)y * p->scatter_h + ky) * p->window.out_w * p->scatter_w +
                x * p->scatter_w + kx;
        o.column = column % p->scatter;
    }
    return o;
}

#endif
