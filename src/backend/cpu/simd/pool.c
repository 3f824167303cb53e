#include "backend/cpu/simd/pool.h"

#include "backend/cpu/simd/vec.h"

static void max(const float *const *rows, int64_t n_rows, int64_t offset, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i += VEC_LANES) {
        const int64_t lanes = n - i < VEC_LANES ? n - i : VEC_LANES;
        vec most = vec_set(-INFINITY);
        for (int64_t r = 0; r < n_rows; r++) {
            const float *at = rows[r] + offset + i;
            const vec v = lanes == VEC_LANES ? vec_load(at) : vec_load_n(at, lanes);
            most = vec_select(most != most, most, vec_max(most, v));
        }
        if (lanes == VEC_LANES)
            vec_store(out + i, most);
        else
            vec_store_n(out + i, most, lanes);
    }
}

static void sum(const float *const *rows, int64_t n_rows, int64_t offset, int64_t n, float scale,
                float *out)
{
    for (int64_t i = 0; i < n; i += VEC_LANES) {
        const int64_t lanes = n - i < VEC_LANES ? n - i : VEC_LANES;
        vec total = vec_set(0);
        for (int64_t r = 0; r < n_rows; r++) {
            const float *at = rows[r] + offset + i;
            total += lanes == VEC_LANES ? vec_load(at) : vec_load_n(at, lanes);
        }
        total *= scale;
        if (lanes == VEC_LANES)
            vec_store(out + i, total);
        else
            vec_store_n(out + i, total, lanes);
    }
}

const pool_table SIMD_NAME(pool_table) = {.max = max, .sum = sum};
