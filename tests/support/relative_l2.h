/* tests/support/relative_l2.h - how far one array is from another. */
#ifndef TESTS_SUPPORT_RELATIVE_L2_H
#define TESTS_SUPPORT_RELATIVE_L2_H

#include <math.h>
#include <stdint.h>

/* |got - wanted| / |wanted|; huge when `wanted` is all zero and `got` is not. */
static inline double relative_l2(const float *got, const float *wanted, int64_t count)
{
    double error = 0, norm = 1e-30;
    for (int64_t i = 0; i < count; i++) {
        const double difference = (double)got[i] - (double)wanted[i];
        error += difference * difference;
        norm += (double)wanted[i] * (double)wanted[i];
    }
    return sqrt(error / norm);
}

#endif
