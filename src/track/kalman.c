#include "track/kalman.h"

#include <math.h>

/* Standard deviations as shares of the object's size: DeepSORT's weights, which ByteTrack kept. */
static const double MEASURED_POSITION = 1.0 / 20;
static const double PROCESS_POSITION = 1.0 / 20;  /* per frame */
static const double PROCESS_VELOCITY = 1.0 / 160; /* per frame and frame */
static const double START_POSITION = 2.0 / 20;
static const double START_VELOCITY = 10.0 / 160; /* per frame */

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

void kalman_start(kalman_box *k, const roto_box *seen, double frame_s)
{
    double z[KALMAN_N_AXES];
    measure(seen, z);
    double size = sqrt(z[KALMAN_WIDTH] * z[KALMAN_HEIGHT]);
    for (int i = 0; i < KALMAN_N_AXES; i++)
        k->axis[i] = (kalman_axis){.position = z[i],
                                   .var_position = square(START_POSITION * size),
                                   .var_velocity = square(START_VELOCITY * size / frame_s)};
}

void kalman_predict(kalman_box *k, double dt_s, double frame_s)
{
    double n_frames = dt_s / frame_s;
    double size = size_px(k);
    double add_position = n_frames * square(PROCESS_POSITION * size);
    double add_velocity = n_frames * square(PROCESS_VELOCITY * size / frame_s);
    for (int i = 0; i < KALMAN_N_AXES; i++) {
        kalman_axis *a = &k->axis[i];
        double moved = a->position + a->velocity * dt_s;
        if (i >= KALMAN_WIDTH && moved < LEAST_SHRINK * a->position) {
            moved = LEAST_SHRINK * a->position;
            a->velocity = 0;
        }
        a->position = moved;
        a->var_position += dt_s * (2 * a->covar + dt_s * a->var_velocity) + add_position;
        a->covar += dt_s * a->var_velocity;
        a->var_velocity += add_velocity;
    }
}

void kalman_correct(kalman_box *k, const roto_box *seen)
{
    double z[KALMAN_N_AXES];
    measure(seen, z);
    double noise = square(MEASURED_POSITION * size_px(k));
    for (int i = 0; i < KALMAN_N_AXES; i++) {
        kalman_axis *a = &k->axis[i];
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

roto_box kalman_get(const kalman_box *k)
{
    double x = k->axis[KALMAN_X].position, y = k->axis[KALMAN_Y].position;
    double half_w = k->axis[KALMAN_WIDTH].position / 2,
           half_h = k->axis[KALMAN_HEIGHT].position / 2;
    return (roto_box){(float)(x - half_w), (float)(y - half_h), (float)(x + half_w),
                      (float)(y + half_h)};
}
