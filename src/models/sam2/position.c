#include "models/sam2/position.h"

#include <math.h>
#include <stdlib.h>

static const double pi = 3.14159265358979323846;
static const double temperature = 10000.0;

/* Neighbouring channels share a frequency: one holds the sine, the next the cosine. */
static double frequency(int32_t channel, int32_t n_channels)
{
    return pow(temperature, 2.0 * (double)(channel / 2) / (double)n_channels);
}

/* The official code divides by the last position plus 1e-6. */
static double normalised(int32_t cell, int32_t n_cells)
{
    return (double)(cell + 1) / ((double)n_cells + 1e-6) * 2.0 * pi;
}

void position_sine_grid(float *out, int32_t h, int32_t w, int32_t channels)
{
    const int32_t half = channels / 2;
    for (int32_t y = 0; y < h; y++) {
        for (int32_t x = 0; x < w; x++) {
            for (int32_t c = 0; c < channels; c++) {
                const int32_t k = c % half;
                const double at = c < half ? normalised(y, h) : normalised(x, w);
                const double angle = at / frequency(k, half);
                *out++ = (float)(k % 2 == 0 ? sin(angle) : cos(angle));
            }
        }
    }
}

void position_rope_axial(float *out, int32_t h, int32_t w, int32_t head_dim, float theta)
{
    const int32_t n_per_axis = head_dim / 4;
    for (int32_t y = 0; y < h; y++) {
        for (int32_t x = 0; x < w; x++) {
            for (int32_t pair = 0; pair < 2 * n_per_axis; pair++) {
                const int32_t k = pair % n_per_axis;
                const double angle = (double)(pair < n_per_axis ? x : y) /
                                     pow((double)theta, 4.0 * (double)k / (double)head_dim);
                *out++ = (float)cos(angle);
                *out++ = (float)sin(angle);
            }
        }
    }
}

void position_fourier(float *out, const float *gaussian, int32_t channels, double x, double y)
{
    const int32_t half = channels / 2;
    for (int32_t c = 0; c < half; c++) {
        const double angle =
            2.0 * pi *
            ((2.0 * x - 1.0) * (double)gaussian[c] + (2.0 * y - 1.0) * (double)gaussian[half + c]);
        out[c] = (float)sin(angle);
        out[half + c] = (float)cos(angle);
    }
}

void position_fourier_grid(float *out, const float *gaussian, int32_t channels, int32_t h,
                           int32_t w)
{
    for (int32_t y = 0; y < h; y++) {
        for (int32_t x = 0; x < w; x++, out += channels)
            position_fourier(out, gaussian, channels, ((double)x + 0.5) / (double)w,
                             ((double)y + 0.5) / (double)h);
    }
}

void position_time(float *out, double time, int32_t channels)
{
    const int32_t half = channels / 2;
    for (int32_t c = 0; c < half; c++) {
        const double angle = time / frequency(c, half);
        out[c] = (float)sin(angle);
        out[half + c] = (float)cos(angle);
    }
}
