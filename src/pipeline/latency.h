/* pipeline/latency.h - quantiles of times in constant memory: counts in bins of rising width. */
#ifndef PIPELINE_LATENCY_H
#define PIPELINE_LATENCY_H

#include <stdint.h>

/* Bins are half a percent wide, from a microsecond to a quarter of an hour; what lies outside
 * counts in the first or the last one. */
enum { LATENCY_N_BINS = 4160 };

typedef struct latency {
    int64_t counts[LATENCY_N_BINS];
    int64_t n;
} latency;

void latency_add(latency *l, int64_t ns);

/* The time that a `share` (0..1) of all times lie at or below, in nanoseconds, to half a percent; 0
 * when there are none. */
double latency_quantile_ns(const latency *l, double share);

#endif
