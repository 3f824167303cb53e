/* statistics.h - quantiles of a list of measured times. */
#ifndef STATISTICS_H
#define STATISTICS_H

/* Sorts the list. The value that a share (0..1) of all lie at or below. n > 0. */
double statistics_quantile(double *values, int n, double share);

#endif
