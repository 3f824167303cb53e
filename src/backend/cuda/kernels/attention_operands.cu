/* What products take: rows of bf16, rotated, and which tiles of keys count. */
#include "backend/cuda/kernels/device.cuh"

enum { THREADS = 256, WARPS = THREADS / 32 };

/* ---- rows ---- */

/* Eight elements a thread: finding them costs more than they do. */
static __device__ __forceinline__ void pack(const pack_params &p, unsigned block)
{
    const uint32_t i = block * THREADS + threadIdx.x;
    const uint32_t units = (uint32_t)p.d_padded / 8, row_units = (uint32_t)p.heads * units;
    const uint32_t row = i / row_units, unit = i % row_units;
    if (row >= (uint32_t)p.rows)
        return;
    const int head = (int)(unit / units), d = (int)(unit % units) * 8;
    const int token = (int)(row % (uint32_t)p.tokens);
    const int64_t from = (int64_t)row * p.x.row_stride + head * p.d + d;
    alignas(16) float v[8] = {0};
    bool there = true;
    if (p.valid.at.data) {
        const int64_t batch = p.valid_batches == 1 ? 0 : row / (uint32_t)p.tokens;
        there = load(p.valid.at, batch * p.valid.row_stride + token) != 0;
    }
    if (there && p.fours) {
#pragma unroll
        for (int k = 0; k < 8; k += 4) {
            if (d + k < p.d)
                *(float4_t *)(v + k) = load4(p.x.at, from + k);
        }
    } else if (there) {
#pragma unroll
        for (int k = 0; k < 8; k++)
            v[k] = d + k < p.d ? load(p.x.at, from + k) : 0;
    }
    if (p.rope && token < p.rope_tokens) {
        const float *const from_turn = p.rope + (int64_t)(token % p.rope_rows) * p.d + d;
        alignas(16) float turn[8] = {0};
#pragma unroll
        for (int k = 0; k < 8; k += 4) {
            if (p.d % 4 == 0 && d + k < p.d)
                *(float4_t *)(turn + k) = *(const float4_t *)(from_turn + k);
            else
                for (int i = k; i < k + 4 && d + i < p.d; i++)
                    turn[i] = from_turn[i];
        }
#pragma unroll
        for (int k = 0; k < 8; k += 2) {
            const float x = v[k];
            v[k] = x * turn[k] - v[k + 1] * turn[k + 1];
            v[k + 1] = x * turn[k + 1] + v[k + 1] * turn[k];
        }
    }
    uint32_t *const to = (uint32_t *)p.out + (int64_t)i * 4;
    const eight_bf16 packed = {{pack_bf16(v[0], v[1]), pack_bf16(v[2], v[3]), pack_bf16(v[4], v[5]),
                                pack_bf16(v[6], v[7])}};
    *(eight_bf16 *)to = packed;
}

static __global__ void __launch_bounds__(THREADS) pack_kernel(const __grid_constant__ pack_params p)
{
    pack(p, blockIdx.x);
}

static unsigned pack_blocks(const pack_params *p)
{
    return blocks_for((int64_t)p->rows * p->heads * (p->d_padded / 8), THREADS);
}

cudaError_t pack_launch(const void *params, cudaStream_t stream)
{
    const pack_params *p = (const pack_params *)params;
    return launch(pack_kernel, dim3(pack_blocks(p)), THREADS, 0, stream, p);
}

/* ---- which tiles of keys count ---- */

enum { TILES_AT_ONCE = 8, TILE_PARTS = 4 /* of 32 keys */ };

/* Whether keys of tiles `first` and on take part. All loads come before the first use. */
static __device__ __forceinline__ void look_at_keys(const attention_tiles_params &p,
                                                    const float *valid, int first,
                                                    bool there[TILES_AT_ONCE][TILE_PARTS])
{
    const int lane = (int)threadIdx.x % 32;
    float values[TILES_AT_ONCE][TILE_PARTS];
#pragma unroll
    for (int t = 0; t < TILES_AT_ONCE; t++)
#pragma unroll
        for (int i = 0; i < TILE_PARTS; i++)
            values[t][i] = valid[min((first + t) * p.keys + i * 32 + lane, p.lk - 1)];
#pragma unroll
    for (int t = 0; t < TILES_AT_ONCE; t++)
#pragma unroll
        for (int i = 0; i < TILE_PARTS; i++)
            there[t][i] = first + t < p.n_tiles && i * 32 < p.keys &&
                          (first + t) * p.keys + i * 32 + lane < p.lk && values[t][i] != 0;
}

/* A block for a row of key_valid. A warp looks at several tiles at once, or it would only wait. */
static __device__ __forceinline__ void find_tiles(const attention_tiles_params &p)
{
    __shared__ int n_valid[HOPPER_MAX_TILES];
    const int batch = (int)blockIdx.x, warp = (int)threadIdx.x / 32, lane = (int)threadIdx.x % 32;
    const float *const valid = (const float *)p.valid.at.data + batch * p.valid.row_stride;
    float *const bias = p.bias + (int64_t)batch * p.n_tiles * p.keys;
    for (int first = warp * (int)TILES_AT_ONCE; first < p.n_tiles;
         first += (int)WARPS * (int)TILES_AT_ONCE) {
        bool there[TILES_AT_ONCE][TILE_PARTS];
        look_at_keys(p, valid, first, there);
#pragma unroll
        for (int t = 0; t < TILES_AT_ONCE; t++) {
            int n = 0;
#pragma unroll
            for (int i = 0; i < TILE_PARTS; i++) {
                n += __popc(__ballot_sync(~0u, there[t][i]));
                if (first + t < p.n_tiles && i * 32 < p.keys)
                    bias[(first + t) * p.keys + i * 32 + lane] = there[t][i] ? 0 : -INFINITY;
            }
            if (lane == 0 && first + t < p.n_tiles)
                n_valid[first + t] = n;
        }
    }
    __syncthreads();
    if (warp != 0)
        return;
    int32_t *const list = p.list + batch * (1 + p.n_tiles);
    int n_before = 0;
    for (int first = 0; first < p.n_tiles; first += 32) {
        const int tile = first + lane, n = tile < p.n_tiles ? n_valid[tile] : 0;
        const uint32_t counted = __ballot_sync(~0u, n > 0);
        if (n > 0)
            list[1 + n_before + __popc(counted & ((1u << lane) - 1))] = tile * 2 + (n < p.keys);
        n_before += __popc(counted);
    }
    if (lane == 0)
        list[0] = n_before;
}

/* ---- all that one attention takes ---- */

static __global__ void __launch_bounds__(THREADS)
    attention_operands_kernel(const __grid_constant__ attention_operands_params p)
{
    unsigned block = blockIdx.x, n_tile_blocks = (unsigned)p.tiles.batches;
    if (block < n_tile_blocks) { /* the first blocks, as theirs is the longest work */
        find_tiles(p.tiles);
        return;
    }
    block -= n_tile_blocks;
    int part = 0;
    while (block >= p.part_blocks[part])
        block -= p.part_blocks[part++];
    pack(p.parts[part], block);
}

cudaError_t attention_operands_launch(const void *params, cudaStream_t stream)
{
    attention_operands_params p = *(const attention_operands_params *)params;
    unsigned blocks = (unsigned)p.tiles.batches;
    for (int i = 0; i < p.n_parts; i++)
        blocks += p.part_blocks[i] = pack_blocks(&p.parts[i]);
    return launch(attention_operands_kernel, dim3(blocks), THREADS, 0, stream, &p);
}
