/* eval/davis_measure.h - how well a mask fits the true one: region (J) and boundary (F).
 *
 * Perazzi et al. 2016, "A Benchmark Dataset and Evaluation Methodology for Video Object
 * Segmentation", section 4; details as in github.com/davisvideochallenge/davis2017-evaluation.
 */
#ifndef EVAL_DAVIS_MEASURE_H
#define EVAL_DAVIS_MEASURE_H

#include <roto/error.h>
#include <stddef.h>
#include <stdint.h>

typedef struct davis_measure davis_measure;

typedef struct davis_fit {
    double j, f;
} davis_fit;

/* For pictures of one size; allocates all that comparing needs. */
roto_status davis_measure_new(int32_t width, int32_t height, davis_measure **out);
void davis_measure_free(davis_measure *m); /* NULL is fine */

/* Compares where two pictures of ids [height, width] hold `id`; their rows are without padding. */
davis_fit davis_measure_compare(davis_measure *m, const uint8_t *truth, const uint8_t *found,
                                uint8_t id);

/* Mean, share above a half, and how much the mean of the first quarter is above that of the last.
 * Of no values, all are NaN. */
typedef struct davis_statistics {
    double mean, recall, decay;
} davis_statistics;

davis_statistics davis_statistics_of(const double *values, size_t n);

#endif
