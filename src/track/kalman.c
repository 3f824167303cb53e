#include "track/kalman.h"

#include <math.h>

/* Standard deviations as shares of the object's size, for a detection of score 1. They were chosen
 * on six training sequences of MOT15 of 10 to 30 frames a second (bench/mot15.c), where halving or
 * doubling one of them changes HOTA, MOTA and IDF1 by less than one point. Detectors place a box
 * better than they size it. */
static const double MEASURED_POSITION = 1.0 / 25;
static const double MEASURED_SIZE = 1.0 / 10;
static const double START_POSITION = 1.0 / 10;
static const double START_VELOCITY = 1.0;    /* per second */
static const double PROCESS_POSITION = 0.16; /* per root of a second */
static const double PROCESS_VELOCITY = 0.55; /* per second and root of a second */

/* How much more the variance of a measurement is for a detection of score 0 than for one of score
 * 1: unsure detections are also badly placed (Du et al. 2021, GIAOTracker). */
static const double UNSURE = 15;

/* A width or height that shrinks away faster than this share in one step is not believed. */
static const double LEAST_SHRINK = 0.5;

static double square(double x)
{
    return x * x;
}

static double size_px(const kalman_box *k)
{
    return sqrt(k->axis[KALMAN_WIDTH].position * k->axis[KALMAN_HEIGHT].position);
}

static void measure(const roto_box *box, double z[KALMAN_N_AXES])
{
    z[KALMAN_X] = ((double)box->x0 + box->x1) / 2;
    z[KALMAN_Y] = ((double)box->y0 + box->y1) / 2;
    z[KALMAN_WIDTH] = (double)box->x1 - box->x0;
    z[KALMAN_HEIGHT] = (double)box->y1 - box->y0;
}

void kalman_start(kalman_box *k, const roto_box *seen)
{
    double z[KALMAN_N_AXES];
    measure(seen, z);
    double size = sqrt(z[KALMAN_WIDTH] * z[KALMAN_HEIGHT]);
    for (int i = 0; i < KALMAN_N_AXES; i++)
        k->axis[i] = (kalman_axis){.position = z[i],
                                   .var_position = square(START_POSITION * size),
                                   .var_velocity = square(START_VELOCITY * size)};
}

void kalman_predict(kalman_box *k, double dt_s)
{
    double size = size_px(k);
    double acceleration = square(PROCESS_VELOCITY * size); /* its spectral density */
    double add_position = dt_s * (square(PROCESS_POSITION * size) + acceleration * dt_s * dt_s / 3);
    for (int i = 0; i < KALMAN_N_AXES; i++) {
        kalman_axis *a = &k->axis[i];
        double moved = a->position + a->velocity * dt_s;
        if (i >= KALMAN_WIDTH && moved < LEAST_SHRINK * a->position) {
            moved = LEAST_SHRINK * a->position;
            a->velocity = 0;
        }
        a->position = moved;
        a->var_position += dt_s * (2 * a->covar + dt_s * a->var_velocity) + add_position;
        a->covar += dt_s * (a->var_velocity + acceleration * dt_s / 2);
        a->var_velocity += dt_s * acceleration;
    }
}

void kalman_correct(kalman_box *k, const roto_box *seen, float score)
{
    double z[KALMAN_N_AXES];
    measure(seen, z);
    double unsure = 1 + UNSURE * (1 - (double)score), size = size_px(k);
    for (int i = 0; i < KALMAN_N_AXES; i++) {
        kalman_axis *a = &k->axis[i];
        double noise =
            unsure * square((i < KALMAN_WIDTH ? MEASURED_POSITION : MEASURED_SIZE) * size);
        double innovation = z[i] - a->position;
        double gain = a->var_position / (a->var_position + noise);
        double gain_velocity = a->covar / (a->var_position + noise);
        a->position += gain * innovation;
        a->velocity += gain_velocity * innovation;
        a->var_velocity -= gain_velocity * a->covar;
        a->var_position *= 1 - gain;
        a->covar *= 1 - gain;
    }
}

void kalman_shift(kalman_box *k, double dx, double dy)
{
    k->axis[KALMAN_X].position += dx;
    k->axis[KALMAN_Y].position += dy;
}

roto_box kalman_get(const kalman_box *k)
{
    double x = k->axis[KALMAN_X].position, y = k->axis[KALMAN_Y].position;
    double half_w = k->axis[KALMAN_WIDTH].position / 2,
           half_h = k->axis[KALMAN_HEIGHT].position / 2;
    return (roto_box){(float)(x - half_w), (float)(y - half_h), (float)(x + half_w),
                      (float)(y + half_h)};
}
