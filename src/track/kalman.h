/* track/kalman.h - a constant-velocity Kalman filter of a box: centre x, centre y, width, height.
 *
 * Noise is proportional to the object's size (Wojke et al. 2017, DeepSORT), so that near and far
 * objects behave alike, and to time: acceleration is white noise (Bar-Shalom et al. 2001, section
 * 6.2), so that a filter behaves alike at 10 and at 60 frames a second. With such diagonal noise
 * the eight-dimensional filter falls apart into four independent ones of two dimensions, which are
 * cheap and stay positive definite. Width and height are states of their own (Aharon et al. 2022,
 * BoT-SORT), not area or aspect ratio.
 */
#ifndef TRACK_KALMAN_H
#define TRACK_KALMAN_H

#include <roto/detect.h>

/* Position and velocity along one dimension with their covariance. */
typedef struct kalman_axis {
    double position, velocity; /* px, px/s */
    double var_position, covar, var_velocity;
} kalman_axis;

enum { KALMAN_X, KALMAN_Y, KALMAN_WIDTH, KALMAN_HEIGHT, KALMAN_N_AXES };

typedef struct kalman_box {
    kalman_axis axis[KALMAN_N_AXES];
} kalman_box;

/* A filter at rest at `seen`. */
void kalman_start(kalman_box *k, const roto_box *seen);

/* Moves the state dt_s >= 0 ahead. The size never falls below a fraction of what it was. */
void kalman_predict(kalman_box *k, double dt_s);

/* `score`: of the detection, 0..1. */
void kalman_correct(kalman_box *k, const roto_box *seen, float score);

/* Moves where the object is without changing what is known of its motion: the camera turned. */
void kalman_shift(kalman_box *k, double dx, double dy);

roto_box kalman_get(const kalman_box *k); /* x0 < x1 and y0 < y1 */

#endif
