/* Attention within windows of at most 256 keys, with mma.sync on bf16: a block holds all keys and
 * values of its windows, so that each query's scores are in registers at once and the softmax takes
 * one pass. Reading the operands is what takes the time: they are read where they lie, once.
 *
 * Cells outside the grid are all the same key, the padding: they are one key whose weight counts as
 * often as there are such cells. Queries outside are left out.
 *
 * Rows in shared memory are padded by 16 bytes, which makes them an odd number of 16-byte units, so
 * that the eight rows of an ldmatrix meet all banks. */
#include "backend/cuda/kernels/attention.cuh"

enum { MAX_WARPS = 8 };

/* Heads of up to D elements, windows of up to KEYS keys, M times 16 queries a warp, at least
 * LOADERS warps, BLOCKS blocks of MAX_WARPS warps on a multiprocessor. */
template <int D_, int KEYS_, int M_, int CHUNK_, int BLOCKS_, int LOADERS_> struct window_tile {
    static constexpr int BLOCKS = BLOCKS_, LOADERS = LOADERS_;
    static constexpr int D = D_, KEYS = KEYS_, M = M_, ROWS = M * 16, PITCH = D + 8, UNITS = D / 8,
                         STEPS = KEYS / 16;
    static constexpr int CHUNK = CHUNK_; /* steps whose scores are in registers at a time */
    static_assert(D % 16 == 0 && KEYS % 16 == 0, "made of matrices of 16 x 16");
};

/* The cells of a window that lie in the grid, in rows of w. */
typedef struct window_part {
    int first, grid_w; /* token of the first cell */
    int w, n;          /* how many there are */
    uint32_t reciprocal;
} window_part;

static __device__ __forceinline__ window_part part_of_window(const dev_grid *g, int y, int x)
{
    const int top = y * g->window_h, left = x * g->window_w;
    window_part part;
    part.first = top * g->grid_w + left;
    part.grid_w = g->grid_w;
    part.w = min(g->window_w, g->grid_w - left);
    part.n = part.w * min(g->window_h, g->grid_h - top);
    part.reciprocal =
        (65535u + (uint32_t)part.w) / (uint32_t)part.w; /* exact for up to 256 cells */
    return part;
}

static __device__ __forceinline__ int token_of(const window_part *part, int cell)
{
    const int y = (int)((uint32_t)cell * part->reciprocal >> 16);
    return part->first + y * part->grid_w + cell - y * part->w;
}

/* Copies `d` elements of each row of a head, asynchronously; thread t of n_threads. */
template <typename T>
static __device__ __forceinline__ void load_rows(uint16_t *to, dev_rows from, int64_t offset, int d,
                                                 const window_part *part, int t, int n_threads)
{
    const uint16_t *const base = (const uint16_t *)from.at.data + offset;
    for (int i = t; i < part->n * T::UNITS; i += n_threads) {
        const int row = i / T::UNITS, unit = i % T::UNITS * 8;
        const bool read = unit < d;
        const uint16_t *const at =
            base + (int64_t)token_of(part, row) * from.row_stride + (read ? unit : 0);
        copy_16_async(to + row * T::PITCH + unit, at, read ? 16 : 0);
    }
}

/* The row that stands for cells outside, where there is one, and zeros up to row `end`: what is
 * there meets weights of 0. */
template <typename T>
static __device__ __forceinline__ void load_padding(uint16_t *to, dev_ptr from, int head, int d,
                                                    int first, int end, int t, int n_threads)
{
    for (int i = t; i < (end - first) * T::UNITS; i += n_threads) {
        const int row = i / T::UNITS, unit = i % T::UNITS * 8;
        const bool read = row == 0 && from.data && unit < d;
        const uint16_t *const at = (const uint16_t *)from.data + (read ? head * d + unit : 0);
        uint16_t *const place = to + (first + row) * T::PITCH + unit;
        if (read)
            copy_16_async(place, at, 16);
        else
            *(uint64_t *)place = *(uint64_t *)(place + 4) = 0;
    }
}

/* What a thread has of a warp's queries: two rows of each tile of 16. */
template <typename T> struct query_tile {
    uint32_t q[T::M][T::D / 16][4];
    float sums[T::M][T::UNITS][4], max[T::M][2], total[T::M][2]; /* max: not scaled yet */
};

/* Adds what steps FIRST..FIRST + COUNT - 1, of 16 keys each, have for the queries. The last of the
 * n_keys keys has `padding` added to its score; rows of keys behind it are garbage, those of values
 * zeros. */
template <typename T, int FIRST, int COUNT>
static __device__ __forceinline__ void add_keys(query_tile<T> *tile, const uint16_t *ks,
                                                const uint16_t *vs, int n_keys, float scale,
                                                float padding)
{
    const int lane = (int)threadIdx.x % 32;
    const uint16_t *const k_from =
        ks + (FIRST * 16 + lane / 16 * 8 + lane % 8) * T::PITCH + lane / 8 % 2 * 8;
    const uint16_t *const v_from = vs + (FIRST * 16 + lane % 16) * T::PITCH + lane / 16 * 8;
    float s[T::M][COUNT * 2][4];
#pragma unroll
    for (int m = 0; m < T::M; m++)
#pragma unroll
        for (int n = 0; n < COUNT * 2; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                s[m][n][i] = 0;
                /* Products that follow each other go to different sums: one waits for the one
                 * before it. */
#pragma unroll
    for (int step = 0; step < T::D / 16; step++)
#pragma unroll
        for (int n = 0; n < COUNT; n++) {
            uint32_t b[4];
            ldmatrix_x4(b, k_from + n * 16 * T::PITCH + step * 16);
#pragma unroll
            for (int m = 0; m < T::M; m++) {
                mma_16816(s[m][2 * n], tile->q[m][step], b[0], b[1]);
                mma_16816(s[m][2 * n + 1], tile->q[m][step], b[2], b[3]);
            }
        }
    if ((FIRST + COUNT) * 16 >= n_keys) {
#pragma unroll
        for (int m = 0; m < T::M; m++)
#pragma unroll
            for (int n = 0; n < COUNT * 2; n++)
#pragma unroll
                for (int i = 0; i < 4; i++) {
                    const int key = FIRST * 16 + n * 8 + lane % 4 * 2 + i % 2;
                    if (key >= n_keys - 1)
                        s[m][n][i] = key == n_keys - 1 ? s[m][n][i] + padding : -INFINITY;
                }
    }
    float base[T::M][2];
#pragma unroll
    for (int m = 0; m < T::M; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float highest = fmaxf(s[m][0][r * 2], s[m][0][r * 2 + 1]);
#pragma unroll
            for (int n = 1; n < COUNT * 2; n++)
                highest = fmaxf(highest, fmaxf(s[m][n][r * 2], s[m][n][r * 2 + 1]));
            highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, 1)); /* a row is in 4 threads */
            highest = fmaxf(highest, __shfl_xor_sync(~0u, highest, 2));
            highest = fmaxf(highest, tile->max[m][r]);
            base[m][r] = highest == -INFINITY ? 0 : highest * scale; /* no key yet: weights 0 */
            if (FIRST > 0) {
                const float shrink = fast_exp2(tile->max[m][r] * scale - base[m][r]);
                tile->total[m][r] *= shrink;
#pragma unroll
                for (int n = 0; n < T::UNITS; n++) {
                    tile->sums[m][n][r * 2] *= shrink;
                    tile->sums[m][n][r * 2 + 1] *= shrink;
                }
            }
            tile->max[m][r] = highest;
        }
#pragma unroll
    for (int step = 0; step < COUNT; step++) {
        uint32_t a[T::M][4];
#pragma unroll
        for (int m = 0; m < T::M; m++)
#pragma unroll
            for (int half = 0; half < 2; half++) {
                float *const w = s[m][2 * step + half];
#pragma unroll
                for (int i = 0; i < 4; i++)
                    w[i] = fast_exp2(w[i] * scale - base[m][i / 2]);
                tile->total[m][0] += w[0] + w[1];
                tile->total[m][1] += w[2] + w[3];
                /* Scores lie in registers as sums do; two of their tiles are an operand. */
                a[m][half * 2] = pack_bf16(w[0], w[1]);
                a[m][half * 2 + 1] = pack_bf16(w[2], w[3]);
            }
#pragma unroll
        for (int n = 0; n < T::UNITS; n += 2) {
            uint32_t b[4];
            ldmatrix_x4_trans(b, v_from + step * 16 * T::PITCH + n * 8);
#pragma unroll
            for (int m = 0; m < T::M; m++) {
                mma_16816(tile->sums[m][n], a[m], b[0], b[1]);
                mma_16816(tile->sums[m][n + 1], a[m], b[2], b[3]);
            }
        }
    }
}

/* The same for all keys from step FIRST on, as many at once as registers have room for. */
template <typename T, int FIRST>
static __device__ __forceinline__ void add_keys_from(query_tile<T> *tile, const uint16_t *ks,
                                                     const uint16_t *vs, int n_keys, float scale,
                                                     float padding)
{
    constexpr int LEFT = T::STEPS - FIRST, COUNT = LEFT < T::CHUNK ? LEFT : T::CHUNK;
    add_keys<T, FIRST, COUNT>(tile, ks, vs, n_keys, scale, padding);
    if constexpr (LEFT > COUNT) {
        if (n_keys > (FIRST + COUNT) * 16)
            add_keys_from<T, FIRST + COUNT>(tile, ks, vs, n_keys, scale, padding);
    }
}

/* The results of a warp's queries, in tile->sums. */
template <typename T>
static __device__ __forceinline__ void attend(query_tile<T> *tile, const uint16_t *qs,
                                              const uint16_t *ks, const uint16_t *vs, int n_keys,
                                              float scale, float padding)
{
    const int lane = (int)threadIdx.x % 32;
#pragma unroll
    for (int m = 0; m < T::M; m++) {
#pragma unroll
        for (int step = 0; step < T::D / 16; step++)
            ldmatrix_x4(tile->q[m][step],
                        qs + (m * 16 + lane % 16) * T::PITCH + lane / 16 * 8 + step * 16);
#pragma unroll
        for (int n = 0; n < T::UNITS; n++)
#pragma unroll
            for (int i = 0; i < 4; i++)
                tile->sums[m][n][i] = 0;
#pragma unroll
        for (int r = 0; r < 2; r++) {
            tile->max[m][r] = -INFINITY;
            tile->total[m][r] = 0;
        }
    }
    add_keys_from<T, 0>(tile, ks, vs, n_keys, scale, padding);
#pragma unroll
    for (int m = 0; m < T::M; m++)
#pragma unroll
        for (int r = 0; r < 2; r++) {
            float total = tile->total[m][r];
            total += __shfl_xor_sync(~0u, total, 1);
            total += __shfl_xor_sync(~0u, total, 2);
            const float inverse = total == 0 ? 0 : 1 / total; /* without any key: zeros */
#pragma unroll
            for (int n = 0; n < T::UNITS; n++) {
                tile->sums[m][n][r * 2] *= inverse;
                tile->sums[m][n][r * 2 + 1] *= inverse;
            }
        }
}

/* Results of queries first .. first + 15 of a window; `staging` has 16 rows for this warp. */
template <typename T>
static __device__ __forceinline__ void write_queries(const attention_windows_params *p, int batch,
                                                     int head, const window_part *part, int first,
                                                     uint16_t *staging, float (*sums)[4])
{
    const int lane = (int)threadIdx.x % 32, dv = p->a.dv_out;
    const int64_t row = (int64_t)batch * p->a.lq;
    if (p->wide_out) { /* through shared memory, so that whole lines are written */
        __syncwarp();  /* nobody reads queries any more */
#pragma unroll
        for (int n = 0; n < T::UNITS; n++)
#pragma unroll
            for (int r = 0; r < 2; r++)
                *(uint32_t *)(staging + (lane / 4 + r * 8) * T::PITCH + n * 8 + lane % 4 * 2) =
                    pack_bf16(sums[n][r * 2], sums[n][r * 2 + 1]);
        __syncwarp();
        for (int i = lane; i < 16 * T::UNITS; i += 32) {
            const int r = i / T::UNITS, unit = i % T::UNITS * 8;
            if (first + r >= part->n || unit >= dv)
                continue;
            uint16_t *const to = (uint16_t *)p->a.out.at.data +
                                 (row + token_of(part, first + r)) * p->a.out.row_stride +
                                 head * dv + unit;
            check_aligned(to, 16);
            *(float4_t *)to = *(const float4_t *)(staging + r * T::PITCH + unit);
        }
        return;
    }
#pragma unroll
    for (int r = 0; r < 2; r++) {
        const int query = first + lane / 4 + r * 8;
        if (query >= part->n)
            continue;
        const int64_t to = (row + token_of(part, query)) * p->a.out.row_stride + head * dv;
#pragma unroll
        for (int n = 0; n < T::UNITS; n++)
            write_pair(&p->a, p->a.out.at, to, n * 8 + lane % 4 * 2, sums[n][r * 2],
                       sums[n][r * 2 + 1]);
    }
}

/* A block for a head of a window. */
template <typename T>
static __global__ void __launch_bounds__(MAX_WARPS * 32, T::BLOCKS)
    attention_windows_kernel(const __grid_constant__ attention_windows_params p)
{
    DYNAMIC_SHARED(shared);
    const int t = (int)threadIdx.x, n_threads = (int)blockDim.x, batch = (int)blockIdx.y;
    const int window = (int)blockIdx.x / p.a.heads, head = (int)blockIdx.x % p.a.heads;
    const int y = window / p.a.windows_across, x = window % p.a.windows_across;
    const window_part queries = part_of_window(&p.a.q_grid, y, x),
                      keys = part_of_window(&p.a.k_grid, y, x);
    const int outside = p.a.k_grid.window_h * p.a.k_grid.window_w - keys.n;
    const bool padded = outside > 0 && p.a.pad_k.data;
    const int n_keys = keys.n + padded,
              end = min(divide_up(n_keys, T::CHUNK * 16) * T::CHUNK * 16, (int)T::KEYS);
    uint16_t *const ks = (uint16_t *)shared, *const vs = ks + T::KEYS * T::PITCH,
                    *const qs = vs + T::KEYS * T::PITCH;
    const int64_t q_row = (int64_t)batch * p.a.lq,
                  k_row = p.a.key_batches == 1 ? 0 : (int64_t)batch * p.a.lk;
    const dev_ptr none = {NULL, 1};
    load_rows<T>(qs, p.a.q, q_row * p.a.q.row_stride + head * p.a.dk, p.a.dk, &queries, t,
                 n_threads);
    load_rows<T>(ks, p.a.k, k_row * p.a.k.row_stride + head * p.a.dk, p.a.dk, &keys, t, n_threads);
    load_padding<T>(ks, padded ? p.a.pad_k : none, head, p.a.dk, keys.n, n_keys, t, n_threads);
    load_rows<T>(vs, p.a.v, k_row * p.a.v.row_stride + head * p.a.dv, p.a.dv, &keys, t, n_threads);
    load_padding<T>(vs, padded ? p.a.pad_v : none, head, p.a.dv, keys.n, end, t, n_threads);
    copy_commit();
    copy_wait<0>();
    __syncthreads();
    const float scale = p.a.scale * 1.44269504f; /* log2 e: powers of two are what there is */
    const float padding = padded ? log2f((float)outside) / scale : 0;
    for (int first = t / 32 * T::ROWS; first < queries.n; first += n_threads / 32 * T::ROWS) {
        query_tile<T> tile;
        attend<T>(&tile, qs + first * T::PITCH, ks, vs, n_keys, scale, padding);
#pragma unroll
        for (int m = 0; m < T::M; m++)
            write_queries<T>(&p, batch, head, &queries, first + m * 16,
                             qs + (first + m * 16) * T::PITCH, tile.sums[m]);
    }
}

/* ---- choice ---- */

static int64_t cells_of(const dev_grid *g)
{
    return (int64_t)g->window_h * g->window_w;
}

template <typename T>
static cudaError_t launch_windows(const attention_windows_params *p, cudaStream_t stream)
{
    const int tiles = divide_up((int)cells_of(&p->a.q_grid), T::ROWS);
    const int warps = divide_up(tiles, divide_up(tiles, MAX_WARPS)); /* as few rounds as can be */
    const dim3 grid((unsigned)(p->a.n_windows * p->a.heads), (unsigned)p->a.batch);
    return launch(attention_windows_kernel<T>, grid,
                  (unsigned)(warps > T::LOADERS ? warps : T::LOADERS) * 32,
                  (size_t)((2 * T::KEYS + tiles * T::ROWS) * T::PITCH) * 2, stream, p);
}

typedef cudaError_t window_launch_fn(const attention_windows_params *p, cudaStream_t stream);

/* What was fastest on an H200 for Hiera's windows. */
template <int D> using keys_16 = window_tile<D, 16, 1, 1, 2, 1>;
template <int D> using keys_64 = window_tile<D, 64, 1, 4, D <= 64 ? 3 : 1, 4>;
template <int D> using keys_208 = window_tile<D, 208, D <= 64 ? 2 : 1, D <= 64 ? 4 : 7, 1, 4>;
template <int D> using keys_256 = window_tile<D, 256, 1, 8, D <= 64 ? 2 : 1, 4>;
enum { N_WIDTHS = 4, N_LENGTHS = 4 };
static const int widths[N_WIDTHS] = {32, 64, 80, 96}, lengths[N_LENGTHS] = {16, 64, 208, 256};
template <int D>
static window_launch_fn *const launches_of[N_LENGTHS] = {
    launch_windows<keys_16<D>>, launch_windows<keys_64<D>>, launch_windows<keys_208<D>>,
    launch_windows<keys_256<D>>};
static window_launch_fn *const *const launches[N_WIDTHS] = {launches_of<32>, launches_of<64>,
                                                            launches_of<80>, launches_of<96>};

/* The first of sizes that is large enough, or their number. */
static int first_of(const int *sizes, int n_sizes, int64_t at_least)
{
    int i = 0;
    while (i < n_sizes && sizes[i] < at_least)
        i++;
    return i;
}

static int width_of(const attention_params *a)
{
    return first_of(widths, N_WIDTHS, a->dk > a->dv ? a->dk : a->dv);
}

static int length_of(const attention_params *a)
{
    return first_of(lengths, N_LENGTHS, cells_of(&a->k_grid));
}

int attention_windows_suit(const attention_params *a)
{
    return width_of(a) < N_WIDTHS && length_of(a) < N_LENGTHS && cells_of(&a->q_grid) <= 256 &&
           !a->valid.at.data && a->scale > 0;
}

cudaError_t attention_windows_launch(const void *params, cudaStream_t stream)
{
    const attention_windows_params *p = (const attention_windows_params *)params;
    return launches[width_of(&p->a)][length_of(&p->a)](p, stream);
}
