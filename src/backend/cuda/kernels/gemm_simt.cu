/* Convolutions and linear layers in fp32 arithmetic, for checks, for groups and for operands that
 * the matrix instructions cannot take: an implicit product, 64 rows x 64 columns a block, 4 x 4
 * sums a thread. Sums of 16 terms are added up separately, which keeps rounding errors near those
 * of pairwise sums. */
#include "backend/cuda/kernels/window.cuh"

enum { THREADS = 256, TILE = 64, DEPTH = 16, SUMS = 4, PITCH = TILE + 4 };

static __global__ void __launch_bounds__(THREADS)
    gemm_simt_kernel(const __grid_constant__ gemm_params p)
{
    __shared__ float xs[DEPTH][PITCH], ws[DEPTH][PITCH];
    const int tid = (int)threadIdx.x, group = (int)blockIdx.z;
    const int first_row = (int)blockIdx.x * TILE, first_column = (int)blockIdx.y * TILE;
    const int load_row = tid / 4, load_k = tid % 4 * 4;
    const output_pixel pixel = output_pixel_of(&p.window, first_row + load_row, p.rows);
    const int load_column = first_column + load_row;
    const int64_t w_row = ((int64_t)group * p.columns + load_column) * p.k_stride;
    const int row = tid / 16 * SUMS, column = tid % 16 * SUMS;

    float total[SUMS][SUMS] = {{0}};
    for (int k0 = 0; k0 < p.k; k0 += DEPTH) {
#pragma unroll
        for (int i = 0; i < 4; i++) {
            const int k = k0 + load_k + i;
            float x = 0, w = 0;
            if (k < p.k) {
                const int tap = k / p.channels, c = k % p.channels;
                const int64_t from =
                    input_row(&p.window, pixel, tap / p.window.kernel_w, tap % p.window.kernel_w);
                if (from >= 0)
                    x = load(p.x.at, from * p.x.row_stride + group * p.channels + c);
                if (load_column < p.columns)
                    w = load(p.w, w_row + k);
            }
            xs[load_k + i][load_row] = x;
            ws[load_k + i][load_row] = w;
        }
        __syncthreads();
        float part[SUMS][SUMS] = {{0}};
#pragma unroll
        for (int k = 0; k < DEPTH; k++)
#pragma unroll
            for (int i = 0; i < SUMS; i++)
#pragma unroll
                for (int j = 0; j < SUMS; j++)
                    part[i][j] += xs[k][row + i] * ws[k][column + j];
#pragma unroll
        for (int i = 0; i < SUMS; i++)
#pragma unroll
            for (int j = 0; j < SUMS; j++)
                total[i][j] += part[i][j];
        __syncthreads();
    }
#pragma unroll
    for (int i = 0; i < SUMS; i++)
#pragma unroll
        for (int j = 0; j < SUMS; j++) {
            const int r = first_row + row + i, c = first_column + column + j;
            if (r >= p.rows || c >= p.columns)
                continue;
            const output_place o = output_place_of(&p, r, c, group);
            store(p.out.at, o.row * p.out.row_stride + o.column,
                  apply_epilogue(&p.epi, total[i][j], o.column,
                                 o.row * p.epi.residual.row_stride + o.column));
        }
}

cudaError_t gemm_simt_launch(const void *params, cudaStream_t stream)
{
    const gemm_params *p = (const gemm_params *)params;
    const dim3 grid(blocks_for(p->rows, TILE), blocks_for(p->columns, TILE), (unsigned)p->groups);
    return launch(gemm_simt_kernel, grid, THREADS, 0, stream, p);
}

/* The first rows of a matrix of each operand. */
typedef struct matrix_rows {
    int64_t a, b;
} matrix_rows;

static __device__ __forceinline__ matrix_rows rows_of_matrix(const matmul_params *p, int matrix)
{
    matrix_rows rows = {0, 0};
    for (int d = p->rank - 1; d >= 0; d--) {
        const int at = matrix % p->dim[d];
        matrix /= p->dim[d];
        rows.a += at * p->a_rows[d];
        rows.b += at * p->b_rows[d];
    }
    return rows;
}

/* Few rows of a by many of b: a thread a column of the result, which reads its row of b once. */
enum { FEW_ROWS = 8, FEW_DEEP = 256 };

static __global__ void __launch_bounds__(THREADS)
    matmul_few_kernel(const __grid_constant__ matmul_params p)
{
    __shared__ float4_t as[FEW_ROWS * FEW_DEEP / 4];
    const int column = (int)(blockIdx.x * THREADS + threadIdx.x), fours = p.k / 4;
    for (int matrix = (int)blockIdx.z; matrix < p.matrices; matrix += (int)gridDim.z) {
        const matrix_rows from = rows_of_matrix(&p, matrix);
        __syncthreads(); /* nobody reads the matrix before this one any more */
        for (int i = (int)threadIdx.x; i < p.m * fours; i += THREADS)
            as[i] = load4(p.a.at, (from.a + i / fours) * p.a.row_stride + i % fours * 4);
        __syncthreads();
        if (column >= p.n)
            continue;
        float sums[FEW_ROWS] = {0};
        for (int k = 0; k < fours; k++) {
            const float4_t b = load4(p.b.at, (from.b + column) * p.b.row_stride + k * 4);
#pragma unroll
            for (int r = 0; r < FEW_ROWS; r++) {
                if (r >= p.m)
                    break;
                const float4_t a = as[r * fours + k];
#pragma unroll
                for (int i = 0; i < 4; i++)
                    sums[r] += a.x[i] * b.x[i];
            }
        }
#pragma unroll
        for (int r = 0; r < FEW_ROWS; r++) {
            if (r < p.m)
                store(p.out.at, ((int64_t)matrix * p.m + r) * p.out.row_stride + column,
                      p.scale * sums[r]);
        }
    }
}

/* Products of two computed matrices, one pair a block in z. */
static __global__ void __launch_bounds__(THREADS)
    matmul_kernel(const __grid_constant__ matmul_params p)
{
    __shared__ float as[DEPTH][PITCH], bs[DEPTH][PITCH];
    const int tid = (int)threadIdx.x;
    const int first_row = (int)blockIdx.x * TILE, first_column = (int)blockIdx.y * TILE;
    const int row = tid / 16 * SUMS, column = tid % 16 * SUMS;
    for (int matrix = (int)blockIdx.z; matrix < p.matrices; matrix += (int)gridDim.z) {
        const matrix_rows from = rows_of_matrix(&p, matrix);
        float total[SUMS][SUMS] = {{0}};
        for (int k0 = 0; k0 < p.k; k0 += DEPTH) {
#pragma unroll
            for (int i = 0; i < 4; i++) {
                /* Neighbouring threads read neighbouring elements of whichever way b lies. */
                const int ar = tid / 16 + 16 * i, ak = tid % 16;
                const int bc = p.transpose_b ? ar : tid % 64;
                const int bk = p.transpose_b ? ak : tid / 64 + 4 * i;
                float a = 0, b = 0;
                if (first_row + ar < p.m && k0 + ak < p.k)
                    a = load(p.a.at, (from.a + first_row + ar) * p.a.row_stride + k0 + ak);
                if (first_column + bc < p.n && k0 + bk < p.k)
                    b = p.transpose_b
                            ? load(p.b.at, (from.b + first_column + bc) * p.b.row_stride + k0 + bk)
                            : load(p.b.at, (from.b + k0 + bk) * p.b.row_stride + first_column + bc);
                as[ak][ar] = a;
                bs[bk][bc] = b;
            }
            __syncthreads();
            float part[SUMS][SUMS] = {{0}};
#pragma unroll
            for (int k = 0; k < DEPTH; k++)
#pragma unroll
                for (int i = 0; i < SUMS; i++)
#pragma unroll
                    for (int j = 0; j < SUMS; j++)
                        part[i][j] += as[k][row + i] * bs[k][column + j];
#pragma unroll
            for (int i = 0; i < SUMS; i++)
#pragma unroll
                for (int j = 0; j < SUMS; j++)
                    total[i][j] += part[i][j];
            __syncthreads();
        }
#pragma unroll
        for (int i = 0; i < SUMS; i++)
#pragma unroll
            for (int j = 0; j < SUMS; j++) {
                const int r = first_row + row + i, c = first_column + column + j;
                if (r < p.m && c < p.n)
                    store(p.out.at, ((int64_t)matrix * p.m + r) * p.out.row_stride + c,
                          p.scale * total[i][j]);
            }
    }
}

cudaError_t matmul_launch(const void *params, cudaStream_t stream)
{
    const matmul_params *p = (const matmul_params *)params;
    const unsigned z = p->matrices < 32768 ? (unsigned)p->matrices : 32768;
    if (p->fours && p->transpose_b && p->m <= FEW_ROWS && p->k <= FEW_DEEP)
        return launch(matmul_few_kernel, dim3(blocks_for(p->n, THREADS), 1, z), THREADS, 0, stream,
                      p);
    return launch(matmul_kernel, dim3(blocks_for(p->m, TILE), blocks_for(p->n, TILE), z), THREADS,
                  0, stream, p);
}
