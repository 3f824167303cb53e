/* backend/cpu/simd/softmax.h - what attention in fp32 and in bfloat16 do alike with the scores of
 * one query and a block of keys: they become weights relative to the largest score so far, and what
 * was summed before is brought to the same scale. */
#ifndef BACKEND_CPU_SIMD_SOFTMAX_H
#define BACKEND_CPU_SIMD_SOFTMAX_H

#include "backend/cpu/simd/attention.h"
#include "backend/cpu/simd/vec_math.h"

/* The largest score of this block and those before. Keys that are only padding get no weight. */
SIMD_INLINE float softmax_max(const attention_block *b, int64_t query, float *scores)
{
    for (int64_t i = b->n_keys; i < b->keys_padded; i++)
        scores[i] = -INFINITY;
    vec most = vec_load(scores);
    for (int64_t i = VEC_LANES; i < b->keys_padded; i += VEC_LANES)
        most = vec_max(most, vec_load(scores + i));
    const float before = b->max[query], now = vec_max_of(most);
    return now > before ? now : before;
}

/* 2^x for x <= 0; 1e-38 where that is no normal number, which is lost beside the largest weight, 1.
 */
SIMD_INLINE vec softmax_weight(const float *scores, float max)
{
    return vec_exp2_of(vec_max(vec_set(-126), vec_load(scores) - max), 1);
}

/* Counts a block whose weights sum to `total`. */
SIMD_INLINE void softmax_add(const attention_block *b, int64_t query, float max, vec total)
{
    const float before = b->max[query];
    if (max > before) {
        const float shrink = exp2f(before - max); /* 0 for the first block */
        float *sums = b->sums + query * b->width_padded;
        for (int64_t i = 0; i < b->width_padded; i += VEC_LANES)
            vec_store(sums + i, vec_load(sums + i) * shrink);
        b->total[query] *= shrink;
        b->max[query] = max;
    }
    b->total[query] += vec_sum(total);
}

#endif
