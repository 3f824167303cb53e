/* Convolutions of pictures, three channels at an even stride: Hiera's patches, stems. A row of the
 * kernel is one piece of memory in the picture, so that a row of the product is kernel_h pieces,
 * not kernel_h x kernel_w pixels padded to eight channels each.
 *
 * A block has 128 neighbours of a row of the output and all channels. The picture's rows that they
 * read and the weights are in shared memory as bf16; mma.sync takes two elements of a piece at a
 * time, which begin at a multiple of two because the stride is even; where the padding is odd,
 * pieces begin one element earlier (`shift`), whose weight is zero. */
#include "backend/cuda/kernels/window.cuh"

enum { THREADS = 256, PIXELS = 128, CHANNELS = 3, PITCH_MORE = 8, AT_ONCE = 7 };

/* Elements of a piece, of all pieces, and of the picture's rows in shared memory. */
typedef struct patch_shape {
    int shift, piece, depth, pitch;
} patch_shape;

static __host__ __device__ __forceinline__ patch_shape patch_shape_of(const dev_window *w)
{
    patch_shape s;
    s.shift = w->pad_left % 2;
    s.piece = (w->kernel_w * CHANNELS + s.shift + 1) / 2 * 2;
    s.depth = (w->kernel_h * s.piece + 15) / 16 * 16;
    s.pitch = (PIXELS - 1) * w->stride_w * CHANNELS + s.piece;
    return s;
}

/* TILES: of 8 channels, at most. */
template <int TILES, bool BF16>
static __global__ void __launch_bounds__(THREADS)
    conv_patch_kernel(const __grid_constant__ gemm_params p)
{
    DYNAMIC_SHARED(raw);
    const dev_window *const w = &p.window;
    const patch_shape s = patch_shape_of(w);
    const int w_pitch = s.depth + PITCH_MORE, tid = (int)threadIdx.x;
    uint16_t *const weights = (uint16_t *)raw, *const picture = weights + p.columns * w_pitch;
    int *const place =
        (int *)(picture + (w->kernel_h + 1) * s.pitch); /* of each pair of elements */

    const int units = s.depth / 8;
    for (int i = tid; i < p.columns * units; i += THREADS)
        copy_16_async(weights + i / units * w_pitch + i % units * 8,
                      (const uint16_t *)p.w.data + (int64_t)i * 8, 16);
    copy_commit();
    for (int i = tid; i < s.depth / 2; i += THREADS) {
        const int row = min(2 * i / s.piece, w->kernel_h); /* behind the last one: zeros */
        place[i] = row * s.pitch + (row < w->kernel_h ? 2 * i % s.piece : 0);
    }
    const int first = (int)blockIdx.x * PIXELS, y = (int)blockIdx.y, image = (int)blockIdx.z;
    const int first_element = (first * w->stride_w - w->pad_left) * CHANNELS - s.shift;
    for (int row = 0; row <= w->kernel_h; row++) {
        const int from_y = y * w->stride_h - w->pad_top + row;
        const bool there = row < w->kernel_h && from_y >= 0 && from_y < w->in_h;
        const int64_t from = there ? ((int64_t)image * w->in_h + from_y) * w->in_w * CHANNELS : 0;
        /* Reads depend on no condition, so that several are in flight. */
        for (int begin = tid; begin < s.pitch; begin += THREADS * AT_ONCE) {
            float v[AT_ONCE];
#pragma unroll
            for (int n = 0; n < AT_ONCE; n++) {
                const int at = first_element + begin + n * THREADS;
                v[n] = load(dev_ptr{p.x.at.data, BF16},
                            from + min(max(at, 0), w->in_w * CHANNELS - 1));
            }
#pragma unroll
            for (int n = 0; n < AT_ONCE; n++) {
                const int i = begin + n * THREADS, at = first_element + i;
                const bool inside = there && at >= 0 && at < w->in_w * CHANNELS;
                if (i < s.pitch)
                    picture[row * s.pitch + i] = (uint16_t)pack_bf16(inside ? v[n] : 0, 0);
            }
        }
    }
    copy_wait<0>();
    __syncthreads();

    const int warp = tid / 32, lane = tid % 32, g = lane / 4, t = lane % 4;
    const int n_tiles = p.columns / 8;
    const int step = w->stride_w * CHANNELS, pixel = warp * 16 + g;
    const uint16_t *const low = picture + pixel * step, *const high = low + 8 * step;
    const uint16_t *const w_from =
        weights + (lane / 16 * 8 + lane % 8) * w_pitch + lane / 8 % 2 * 8;
    float sums[TILES][4];
#pragma unroll
    for (int n = 0; n < TILES; n++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            sums[n][i] = 0;
    for (int k = 0; k < s.depth; k += 16) {
        const int near = place[k / 2 + t], far = place[k / 2 + 4 + t];
        const uint32_t a[4] = {*(const uint32_t *)(low + near), *(const uint32_t *)(high + near),
                               *(const uint32_t *)(low + far), *(const uint32_t *)(high + far)};
#pragma unroll
        for (int n = 0; n < TILES; n += 2) {
            if (n >= n_tiles)
                break;
            uint32_t b[4];
            ldmatrix_x4(b, w_from + n * 8 * w_pitch + k);
            mma_16816(sums[n], a, b[0], b[1]);
            mma_16816(sums[n + 1], a, b[2], b[3]);
        }
    }
#pragma unroll
    for (int n = 0; n < TILES; n++) {
        if (n >= n_tiles)
            break;
#pragma unroll
        for (int half = 0; half < 2; half++) {
            const int x = first + pixel + half * 8, column = n * 8 + t * 2;
            if (x >= w->out_w)
                continue;
            const int64_t row = ((int64_t)image * w->out_h + y) * w->out_w + x;
            float v[2] = {sums[n][half * 2], sums[n][half * 2 + 1]}, residual[2] = {0, 0};
            const int64_t at = row * p.epi.residual.row_stride + column;
            if (p.epi.residual_mode && p.epi.residual.at.is_bf16) {
                residual[0] = load(p.epi.residual.at, at);
                residual[1] = load(p.epi.residual.at, at + 1);
            } else if (p.epi.residual_mode) {
                const float2_t both =
                    *(const float2_t *)((const float *)p.epi.residual.at.data + at);
                residual[0] = both.x[0];
                residual[1] = both.x[1];
            }
#pragma unroll
            for (int i = 0; i < 2; i++) {
                if (p.epi.bias)
                    v[i] += p.epi.bias[column + i];
                if (p.epi.residual_mode == 1)
                    v[i] += residual[i];
                if (p.epi.act.kind)
                    v[i] = call_unary(p.epi.act, v[i]);
                if (p.epi.residual_mode == 2)
                    v[i] += residual[i];
            }
            const int64_t to = row * p.out.row_stride + column;
            if (p.out.at.is_bf16)
                *(uint32_t *)((uint16_t *)p.out.at.data + to) = pack_bf16(v[0], v[1]);
            else
                *(float2_t *)((float *)p.out.at.data + to) = float2_t{{v[0], v[1]}};
        }
    }
}

static int64_t shared_bytes_of(const gemm_params *p)
{
    const patch_shape s = patch_shape_of(&p->window);
    return ((int64_t)p->columns * (s.depth + PITCH_MORE) +
            (int64_t)(p->window.kernel_h + 1) * s.pitch) *
               2 +
           s.depth / 2 * 4;
}

int64_t conv_patch_depth(const gemm_params *p)
{
    return patch_shape_of(&p->window).depth;
}

int64_t conv_patch_place(const gemm_params *p, int tap, int channel)
{
    const patch_shape s = patch_shape_of(&p->window);
    return tap / p->window.kernel_w * s.piece + s.shift + tap % p->window.kernel_w * CHANNELS +
           channel;
}

int conv_patch_suits(const gemm_params *p)
{
    const dev_window *const w = &p->window;
    return p->channels == CHANNELS && p->groups == 1 && p->x.row_stride == CHANNELS &&
           !w->transposed && w->dilation_h == 1 && w->dilation_w == 1 && w->stride_w % 2 == 0 &&
           w->kernel_h <= 16 && w->kernel_w <= 16 && p->columns % 16 == 0 && p->columns <= 144 &&
           w->out_h <= 65535 && p->rows / w->out_h / w->out_w <= 65535 &&
           shared_bytes_of(p) <= 96 << 10;
}

template <int TILES>
static cudaError_t launch_tiles(const gemm_params *p, dim3 grid, cudaStream_t stream)
{
    const size_t bytes = (size_t)shared_bytes_of(p);
    return p->x.at.is_bf16
               ? launch(conv_patch_kernel<TILES, true>, grid, THREADS, bytes, stream, p)
               : launch(conv_patch_kernel<TILES, false>, grid, THREADS, bytes, stream, p);
}

cudaError_t conv_patch_launch(const void *params, cudaStream_t stream)
{
    const gemm_params *p = (const gemm_params *)params;
    const dev_window *const w = &p->window;
    const dim3 grid(blocks_for(w->out_w, PIXELS), (unsigned)w->out_h,
                    (unsigned)(p->rows / w->out_h / w->out_w));
    if (p->columns <= 32)
        return launch_tiles<4>(p, grid, stream);
    if (p->columns <= 64)
        return launch_tiles<8>(p, grid, stream);
    return p->columns <= 112 ? launch_tiles<14>(p, grid, stream)
                             : launch_tiles<18>(p, grid, stream);
}
