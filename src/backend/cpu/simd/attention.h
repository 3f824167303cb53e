/* backend/cpu/simd/attention.h - the inner loops of attention over blocks of keys. */
#ifndef BACKEND_CPU_SIMD_ATTENTION_H
#define BACKEND_CPU_SIMD_ATTENTION_H

#include <stdint.h>

/* One block of keys for a number of queries. Scores are in units of log 2, so that 2^x serves.
 * Padded sizes are multiples of `lanes`. */
typedef struct attention_block {
    int64_t n_queries, depth;
    const float *queries; /* [n_queries][depth], or pairs of bfloat16 values */
    int64_t n_keys, keys_padded;
    float last_bias;            /* added to the scores of the last key */
    const float *keys, *values; /* packed as below */
    int64_t width_padded;       /* of the values */
    float *sums;                /* [n_queries][width_padded], over all blocks so far */
    float *max, *total;         /* [n_queries]: largest score, sum of weights relative to it */
    float *scores;              /* room for ATTENTION_ROWS x keys_padded */
} attention_block;

/* Queries whose scores are kept at once: whole tiles of every instruction set. */
enum { ATTENTION_ROWS = 48 };

/* With AMX, queries, keys, values and weights are pairs of bfloat16 values in the memory of a
 * float, neighbours of the sum that they are part of. */
typedef struct attention_table {
    int lanes;
    int depth_multiple; /* to which a query's and a key's floats or pairs are padded */
    int row_multiple; /* to which memory for rows has to be padded; what is in it does not matter */
    int64_t longest_block, block_floats; /* of keys; of packed keys and values */
    /* One head of a query or key times `factor`, rotated by (cos, sin) pairs; NULL: not. */
    void (*rotate)(int64_t n, const float *x, const float *rotation, float factor, float *out);
    /* n floats to n / 2 pairs, padded with zeros; NULL where queries are floats. */
    void (*to_pairs)(int64_t n, const float *x, float *pairs);
    /* rows [n][depth] to panels [depth][2 lanes], a last one of `lanes` if that is enough. Keys
     * from n on are 0. */
    void (*pack_keys)(int64_t n, int64_t depth, const float *rows, float *panels);
    /* rows[i][width] to panels [n padded][2 lanes], likewise; a NULL row is 0 throughout. */
    void (*pack_values)(int64_t n, int64_t width, const float *const *rows, float *panels);
    void (*attend)(const attention_block *b);
    /* out = sums / total, 0 where total is 0 */
    void (*finish)(int64_t width, const float *sums, float total, float *out);
} attention_table;

extern const attention_table attention_table_generic, attention_table_avx2, attention_table_avx512,
    attention_table_amx, attention_table_amx_emulated;

#endif
