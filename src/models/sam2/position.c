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

enum { CUBIC_TAPS = 4 };

typedef struct cubic {
    int32_t at[CUBIC_TAPS];
    double part[CUBIC_TAPS];
} cubic;

/* Keys' cubic convolution with a = -3/4, half-pixel centres and repeated borders. */
static cubic cubic_of(int64_t i, int64_t n_out, int32_t n_in)
{
    const double a = -0.75;
    const double from = ((double)i + 0.5) * (double)n_in / (double)n_out - 0.5;
    const double first = floor(from) - 1;
    cubic c;
    for (int t = 0; t < CUBIC_TAPS; t++) {
        const double d = fabs(from - (first + t));
        c.part[t] = d <= 1 ? ((a + 2) * d - (a + 3)) * d * d + 1
                           : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
        const double at = first + t;
        c.at[t] = at < 0 ? 0 : at > n_in - 1 ? n_in - 1 : (int32_t)at;
    }
    return c;
}

void position_windowed_grid(float *out, const windowed_embedding *e, int64_t h, int64_t w)
{
    const int64_t size = e->coarse_size, n = e->channels;
    for (int64_t y = 0; y < h; y++) {
        const cubic rows = cubic_of(y, h, e->coarse_size);
        for (int64_t x = 0; x < w; x++, out += n) {
            const cubic columns = cubic_of(x, w, e->coarse_size);
            const float *window =
                e->window + (y % e->window_size * e->window_size + x % e->window_size) * n;
            for (int64_t c = 0; c < n; c++)
                out[c] = window[c];
            for (int i = 0; i < CUBIC_TAPS; i++) {
                for (int j = 0; j < CUBIC_TAPS; j++) {
                    const float part = (float)(rows.part[i] * columns.part[j]);
                    const float *from = e->coarse + (rows.at[i] * size + columns.at[j]) * n;
                    for (int64_t c = 0; c < n; c++)
                        out[c] += part * from[c];
                }
            }
        }
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
