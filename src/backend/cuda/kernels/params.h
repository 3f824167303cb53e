/* backend/cuda/kernels/params.h - what the host hands to kernels: one struct a kernel, one function
 * to launch it. Plain C on both sides. Counts of elements fit 31 bits (the host refuses more);
 * addresses are formed in 64. */
#ifndef BACKEND_CUDA_KERNELS_PARAMS_H
#define BACKEND_CUDA_KERNELS_PARAMS_H

#include <cuda_runtime_api.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { KERNEL_MAX_RANK = 6 };

/* Elements of device memory: fp32, or bfloat16 where is_bf16. NULL for a missing operand. */
typedef struct dev_ptr {
    void *data;
    int32_t is_bf16;
} dev_ptr;

/* Rows of a tensor, row_stride elements apart. */
typedef struct dev_rows {
    dev_ptr at;
    int64_t row_stride;
} dev_rows;

/* unary_kind with its parameters; the numbers are those of graph.h, which module code asserts. */
typedef struct dev_unary {
    int32_t kind;
    float alpha, beta;
} dev_unary;

typedef struct dev_epilogue {
    dev_unary act;
    int32_t residual_mode; /* residual_mode of graph.h */
    dev_rows residual;
    const float *bias; /* or NULL */
} dev_epilogue;

/* Loops over `dim`, innermost last; operand 0 is the output. `vector` is 4 when dim[rank - 1]
 * counts groups of 4 elements that every operand has side by side (stride 4), in aligned memory, or
 * repeats (stride 0); else 1. */
typedef struct dev_nest {
    int32_t rank, vector, count; /* count: of all turns */
    int32_t dim[KERNEL_MAX_RANK];
    int64_t stride[3][KERNEL_MAX_RANK];
} dev_nest;

/* ---- elementwise.cu ---- */

typedef struct unary_params {
    dev_nest nest;
    dev_ptr out, x;
    dev_unary fn;
} unary_params;
cudaError_t unary_launch(const void *params, cudaStream_t stream);

typedef struct binary_params {
    dev_nest nest;
    dev_ptr out, a, b;
    int32_t kind; /* binary_kind of graph.h */
} binary_params;
cudaError_t binary_launch(const void *params, cudaStream_t stream);

/* ---- transfer.cu: to[i] = from[i] for 0 <= i < n, for each part ---- */

enum { TRANSFER_MAX_PARTS = 96 }; /* a kernel's parameters have 4096 bytes */
typedef struct transfer_part {
    dev_ptr to, from;
    int32_t n, by_four; /* by_four: both begin at a multiple of 4 elements */
} transfer_part;
typedef struct transfer_params {
    int32_t n_parts;
    transfer_part parts[TRANSFER_MAX_PARTS];
} transfer_params;
cudaError_t transfer_launch(const void *params, cudaStream_t stream);

/* ---- move.cu: out[at] = x[sum of (start[i] + at[i]) * stride[i]], or `value` where at[i] +
 * start[i] is outside 0..limit[i] ---- */

typedef struct move_params {
    dev_ptr out, x;
    /* Not 0: a reshape of rows of x_last into rows of out_last elements; only count, x_stride[0]
     * and out_stride[0] (of rows) count then. */
    int32_t x_last, out_last;
    int32_t rank, count, checked; /* checked: some positions may lie outside */
    int32_t dim[KERNEL_MAX_RANK], start[KERNEL_MAX_RANK], limit[KERNEL_MAX_RANK];
    int64_t x_stride[KERNEL_MAX_RANK], out_stride[KERNEL_MAX_RANK];
    float value;
} move_params;
cudaError_t move_launch(const void *params, cudaStream_t stream);

/* ---- normalise.cu ---- */

typedef struct layer_norm_params {
    dev_rows out, x;
    const float *gamma, *beta;      /* or NULL */
    int32_t rows, channels, vector; /* 4 where rows are made of aligned fours, else 1 */
    float epsilon;
    dev_unary act; /* of the result */
} layer_norm_params;
cudaError_t layer_norm_launch(const void *params, cudaStream_t stream);

/* `lines` lines of n elements: along rows, outer apart; or across them: `inner` lines lie beside
 * each other, inner_row of them in a row, rows row apart, a line's elements step apart, and the
 * next `inner` lines outer further. */
typedef struct softmax_params {
    dev_ptr out, x;
    int32_t along_rows, lines, n, inner, inner_row;
    int64_t out_step, x_step, out_outer, x_outer, out_row, x_row;
} softmax_params;
cudaError_t softmax_launch(const void *params, cudaStream_t stream);

/* ---- reduce.cu ---- */

typedef struct reduce_params {
    dev_ptr out, x;
    int32_t kind; /* reduce_kind of graph.h */
    int32_t n_out, n_in;
    int32_t out_rank, out_dim[KERNEL_MAX_RANK];
    int64_t out_stride[KERNEL_MAX_RANK], outer_stride[KERNEL_MAX_RANK];
    int32_t in_rank, in_dim[KERNEL_MAX_RANK];
    int64_t in_stride[KERNEL_MAX_RANK];
    int32_t cuts;   /* parts that an output's inputs are cut into, at least 1 */
    float *partial; /* (cuts, n_out); unused with one cut */
} reduce_params;
cudaError_t reduce_launch(const void *params, cudaStream_t stream);
cudaError_t reduce_join_launch(const void *params, cudaStream_t stream); /* after several cuts */

/* ---- image.cu ---- */

typedef struct pool_params {
    dev_rows out, x;
    int32_t n, in_h, in_w, out_h, out_w, channels, vector; /* 1 or 4 channels a thread */
    int32_t kernel_h, kernel_w, stride_h, stride_w, pad_top, pad_left, pad_bottom, pad_right;
    int32_t average, count_padding;
} pool_params;
cudaError_t pool_launch(const void *params, cudaStream_t stream);

/* The input positions and weights of each output position along one axis, n_taps each. */
typedef struct resize_axis {
    const int32_t *index; /* [out][n_taps] */
    const float *weight;
    int32_t n_taps;
} resize_axis;
typedef struct resize_params {
    dev_rows out, x;
    int32_t n, in_h, in_w, out_h, out_w, channels, vector;
    resize_axis rows, columns;
} resize_params;
cudaError_t resize_launch(const void *params, cudaStream_t stream);

/* ---- picture.cu: windows of pictures as inputs, as backend/picture.h says ---- */

typedef struct picture_axis_params {
    const int32_t *first, *count;
    const float *weights;
    int32_t n_in, max_taps, lanes;
} picture_axis_params;
typedef struct picture_plane_params {
    const uint8_t *samples;
    int64_t stride_bytes;
    picture_axis_params x, y;
    int32_t channels;
    int32_t column_at; /* of a block's floats: sums over rows of this plane */
} picture_plane_params;
typedef struct picture_view_params {
    picture_plane_params planes[3];
    int32_t n_planes, is_yuv, width, height;
    float luma, luma_offset, red_v, green_u, green_v, blue_u, gain[3], offset[3];
    float *out;
} picture_view_params;
enum { PICTURE_MAX_VIEWS = 8, PICTURE_TILE = 128, PICTURE_COLUMN_BYTES = 48 << 10 };
typedef struct picture_params {
    int32_t n_views, tile; /* columns of the output that a block makes: 1..PICTURE_TILE */
    int32_t column_floats; /* room for a block's sums over rows, of any view */
    picture_view_params views[PICTURE_MAX_VIEWS];
} picture_params;
cudaError_t picture_launch(const void *params, cudaStream_t stream);

/* ---- products ---- */

/* A product's left side as pixels of [n, in_h, in_w, c]: row (image, y, x) of the output reads tap
 * (ky, kx) at y * stride_h - pad_top + ky * dilation_h, or, transposed, at (y + pad_top - ky) /
 * stride_h where that divides. A linear layer has one image of one pixel column. */
typedef struct dev_window {
    int32_t in_h, in_w, out_h, out_w, kernel_h, kernel_w;
    int32_t stride_h, stride_w, pad_top, pad_left, dilation_h, dilation_w;
    int32_t transposed;
} dev_window;

/* out[row][column] = epilogue(sum over k of x[row][k] * w[column][k]), k = tap * channels + c. */
typedef struct gemm_params {
    dev_rows out, x;
    dev_ptr w; /* [groups * columns][k_stride] */
    dev_window window;
    dev_epilogue epi;
    int32_t rows, columns, channels, k, groups; /* columns and channels of one group */
    int64_t k_stride;
    /* scatter > 0: a transposed convolution whose kernel is its stride, scatter_h x scatter_w;
     * columns are [ky][kx][scatter] and out's row (image, y, x) takes up scatter_h x scatter_w
     * pixels. */
    int32_t scatter, scatter_h, scatter_w;
    int32_t n_multiprocessors;
    int32_t vector; /* gemm_mma: 4 where out and residual take four elements at once, else 1 */
} gemm_params;
cudaError_t gemm_simt_launch(const void *params, cudaStream_t stream);
/* bf16 operands, fp32 sums; one group. x and w are bf16, 16-byte aligned; channels, x.row_stride
 * and k_stride are multiples of 8. */
cudaError_t gemm_mma_launch(const void *params, cudaStream_t stream);
/* The same for few rows of x, where gemm_rows_are_rows; x is bf16 or fp32, its rows 16-byte
 * aligned.
 */
cudaError_t linear_few_launch(const void *params, cudaStream_t stream);
/* The same for pictures of three channels: x is bf16 or fp32, rows of w have conv_patch_depth()
 * elements, of which conv_patch_place() says where they belong; the others are zeros. */
cudaError_t conv_patch_launch(const void *params, cudaStream_t stream);
int conv_patch_suits(const gemm_params *p); /* x and what the shape says; w and k do not count */
int64_t conv_patch_depth(const gemm_params *p);
int64_t conv_patch_place(const gemm_params *p, int tap, int channel);
/* Whether row i of x is row i of the product's left side: a linear layer or the like. */
static inline int gemm_rows_are_rows(const gemm_params *p)
{
    const dev_window *w = &p->window;
    return w->kernel_h == 1 && w->kernel_w == 1 && w->stride_h == 1 && w->stride_w == 1 &&
           w->in_h == w->out_h && w->in_w == w->out_w && !w->pad_top && !w->pad_left &&
           !w->transposed;
}

/* The same on Hopper, with wgmma fed by bulk tensor copies, where gemm_rows_are_rows; no scatter;
 * identity, ReLU or GELU. `out` and the residual begin at multiples of 16 bytes, as do their rows,
 * and whole 16 bytes make up the columns. */
enum { TENSOR_MAP_BYTES = 128, TENSOR_MAP_ALIGN = 64 };
#ifdef __cplusplus
#define KERNEL_ALIGN_64 alignas(64)
#else
#define KERNEL_ALIGN_64 _Alignas(64)
#endif
typedef struct gemm_hopper_params {
    KERNEL_ALIGN_64 unsigned char x_map[TENSOR_MAP_BYTES];
    KERNEL_ALIGN_64 unsigned char w_map[TENSOR_MAP_BYTES];
    gemm_params g;
    int32_t variant;  /* of gemm_hopper_variant's tiles */
    int32_t keep;     /* weights of a tile's columns stay in shared memory */
    int32_t together; /* a block's warpgroups share a tile of twice the rows, else take turns */
    int32_t n_stages, n_blocks;
} gemm_hopper_params;
cudaError_t gemm_hopper_launch(const void *params, cudaStream_t stream);
/* Tiles to choose from; false past the last. */
bool gemm_hopper_variant(int index, int *rows, int *columns, int *consumers);
/* For variant, keep and together: fills in n_stages and n_blocks; false where shared memory is too
 * small. */
bool gemm_hopper_fits(gemm_hopper_params *params);
cudaError_t gemm_hopper_maps(gemm_hopper_params *params); /* fills in the rest */

typedef struct depthwise_params {
    dev_rows out, x;
    const float *w; /* [kernel_h][kernel_w][channels] */
    dev_window window;
    dev_epilogue epi;
    int32_t n, channels, vector; /* 1 or 4 channels a thread */
} depthwise_params;
cudaError_t depthwise_launch(const void *params, cudaStream_t stream);

/* A convolution of few channels, with what is in front of it and behind it: of scale * act(x) +
 * shift, to act(gamma * (normalised sums) + beta) where `norm` says so, else to act(sums). */
typedef struct conv_tiny_params {
    dev_rows out, x;
    const float *w, *bias, *gamma, *beta; /* w: [kernel_h][kernel_w][in][out]; others may be NULL */
    dev_window window;
    int32_t rows, in_channels, channels; /* as conv_tiny_has() */
    int32_t norm, vector;                /* 4: rows of out are aligned fours */
    dev_unary input_act, act;
    float input_scale, input_shift, epsilon;
} conv_tiny_params;
cudaError_t conv_tiny_launch(const void *params, cudaStream_t stream);
static inline int conv_tiny_has(int64_t in_channels, int64_t channels)
{
    return (in_channels == 1 && channels == 4) || (in_channels == 4 && channels == 16);
}

/* out = scale * a b, for each matrix of the leading dimensions. */
typedef struct matmul_params {
    dev_rows out, a, b;
    int32_t m, n, k, transpose_b, matrices;
    int32_t fours; /* rows of a and b are made of aligned fours */
    float scale;
    int32_t rank, dim[KERNEL_MAX_RANK]; /* leading dimensions of out */
    int64_t a_rows[KERNEL_MAX_RANK],
        b_rows[KERNEL_MAX_RANK]; /* rows per step of each, 0: repeats */
} matmul_params;
cudaError_t matmul_launch(const void *params, cudaStream_t stream);

/* ---- attention ---- */

/* Windows of a grid: window i covers window_h x window_w cells; global attention has one window, a
 * row of all tokens. */
typedef struct dev_grid {
    int32_t grid_h, grid_w, window_h, window_w;
} dev_grid;

typedef struct attention_params {
    dev_rows out, q, k, v;
    int32_t batch, heads, dk, dv; /* elements of a head of k and v as they lie in memory */
    int32_t dv_out;               /* of v without what pads it */
    int32_t pairs; /* dv_out is even, and out takes two elements at once; not for fp32's kernel */
    int32_t fours; /* the same of four */
    int32_t lq, lk, key_batches; /* key_batches: 1 or batch */
    float scale;
    dev_grid q_grid, k_grid;
    int32_t windows_across, n_windows;
    const float *rope_q, *rope_k; /* fp32 kernel alone; pack_params rotates for the others */
    int32_t rope_keys, rope_rows;
    dev_rows valid; /* [valid_batches, lk] or NULL */
    int32_t valid_batches;
    dev_ptr pad_k, pad_v; /* NULL: cells outside the grid take no part */
    /* Keys are cut into n_splits parts whose results attention_combine joins; 1: written at once.
     */
    int32_t n_splits;
    float *partial;      /* sums: [n_splits][batch][heads][lq][dv_out] */
    float *peaks;        /* maximum and total: [n_splits][batch][heads][lq][2] */
    int32_t split_cells; /* cells of a part, a multiple of attention_tile_keys */
} attention_params;
cudaError_t attention_simt_launch(const void *params, cudaStream_t stream);
/* bf16 q, k, v with dk, dv and row strides multiples of 8, 16-byte aligned; no rope. */
cudaError_t attention_mma_launch(const void *params, cudaStream_t stream);
cudaError_t attention_combine_launch(const void *params, cudaStream_t stream);
/* Many queries, few keys; global, operands as above, but dk = dv = dv_out, whole 16 bytes of q, and
 * rows of out made of aligned fours. */
cudaError_t attention_few_launch(const void *params, cudaStream_t stream);
int attention_few_suits(int heads, int d, int lq, int lk); /* whether there is a kernel */
/* Queries and keys of a block's tile for such heads; false where there is no kernel. */
int attention_mma_tile(int dk, int dv, int *queries, int *keys);

/* The same for windows of few keys, all of which a block holds. */
typedef struct attention_windows_params {
    attention_params a;
    int32_t wide_out; /* out is bf16 and takes 8 elements of a head at once */
} attention_windows_params;
cudaError_t attention_windows_launch(const void *params, cudaStream_t stream);
int attention_windows_suit(const attention_params *params);

/* Rows of heads of d elements to bf16 heads of d_padded, zeros behind, rotated where rope says. */
typedef struct pack_params {
    void *out; /* [rows][heads][d_padded] */
    dev_rows x;
    int32_t rows, heads, d, d_padded;       /* d_padded: a multiple of 8 */
    int32_t fours;                          /* heads of x are made of aligned fours */
    const float *rope;                      /* [rope_rows][d / 2][2] or NULL */
    int32_t tokens, rope_tokens, rope_rows; /* token t = row % tokens < rope_tokens is rotated */
    dev_rows valid; /* [batch or 1, tokens] or NULL: rows of tokens where it is 0 become zeros */
    int32_t valid_batches;
} pack_params;
cudaError_t pack_launch(const void *params, cudaStream_t stream);

/* ---- attention on Hopper: wgmma fed by bulk tensor copies; global attention alone ---- */

/* Which tiles of keys hold keys that take part, for each row of key_valid. */
typedef struct attention_tiles_params {
    dev_rows valid;                     /* fp32 */
    int32_t batches, lk, keys, n_tiles; /* n_tiles tiles of `keys` keys cover lk */
    float *bias;                        /* [batches][n_tiles * keys]: 0, or -infinity */
    int32_t *list; /* [batches][1 + n_tiles]: how many there are, then 2 * tile, + 1 where some key
                      of the tile takes no part */
} attention_tiles_params;
enum { HOPPER_MAX_TILES = 4096 };

/* What has to be done before attention, in one launch. */
typedef struct attention_operands_params {
    int32_t n_parts;
    uint32_t part_blocks[3]; /* the launch fills them in */
    pack_params parts[3];
    attention_tiles_params tiles; /* batches 0: all tiles count */
} attention_operands_params;
cudaError_t attention_operands_launch(const void *params, cudaStream_t stream);

typedef struct attention_hopper_params {
    KERNEL_ALIGN_64 unsigned char q_map[TENSOR_MAP_BYTES];
    KERNEL_ALIGN_64 unsigned char k_map[TENSOR_MAP_BYTES];
    KERNEL_ALIGN_64 unsigned char v_map[TENSOR_MAP_BYTES];
    attention_params a;
    const float *bias;
    const int32_t *list;
    int32_t n_tiles;
} attention_hopper_params;
cudaError_t attention_hopper_launch(const void *params, cudaStream_t stream);
/* Fills in the maps of a's operands, which have to lie as attention_mma wants them. */
cudaError_t attention_hopper_maps(attention_hopper_params *params);
int attention_hopper_tile(int dk, int dv, int *queries, int *keys); /* as attention_mma_tile */

#ifdef __cplusplus
}
#endif
#endif
