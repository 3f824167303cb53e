#include "eval/correlation_filter.h"

#include "base/memory.h"

#include <complex.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    SIDE_LOG2 = 7,
    SIDE = 1 << SIDE_LOG2, /* of the grid that the window around the box is sampled on */
    CELLS = SIDE * SIDE,
    N_VIEWS = 8,   /* of the first box, slightly turned and scaled, to start from */
    PEAK_REACH = 5 /* cells around the peak that are not looked at for noise: 11 x 11 */
};

static const double WINDOW = 2;        /* of the box's size: the object may move by half of it */
static const double LEAST_WINDOW = 32; /* px */
static const double RATE = 0.125;      /* of learning */
static const double PEAK_SIGMA = 2;    /* cells: of the wanted answer */
static const double LEAST_PEAK = 7;    /* standard deviations of the rest; Bolme et al., 3.5 */
static const double REGULARISER =
    1e-3; /* of the energy, which is 1 / SIDE^2 a frequency on average */

struct correlation_filter {
    double x, y, window_w, window_h;
    uint32_t random;
    double hann[SIDE];
    double complex roots[SIDE / 2];
    double complex wanted[CELLS]; /* spectra */
    double complex upper[CELLS];
    double lower[CELLS];
    double complex patch[CELLS], column[SIDE];
};

/* ---- spectra ---------------------------------------------------------------------------------
 */

/* Cooley and Tukey, in place, values `stride` apart; the inverse is left unscaled. */
static void transform(const correlation_filter *f, double complex *values, bool inverse)
{
    for (unsigned i = 0; i < SIDE; i++) {
        unsigned mirrored = 0;
        for (unsigned bit = 0; bit < SIDE_LOG2; bit++)
            mirrored |= (i >> bit & 1) << (SIDE_LOG2 - 1 - bit);
        if (mirrored > i) {
            const double complex held = values[i];
            values[i] = values[mirrored];
            values[mirrored] = held;
        }
    }
    for (int half = 1; half < SIDE; half *= 2) {
        for (int start = 0; start < SIDE; start += 2 * half) {
            for (int i = 0; i < half; i++) {
                const double complex root = f->roots[i * (SIDE / 2 / half)];
                const double complex turned =
                    values[start + half + i] * (inverse ? conj(root) : root);
                values[start + half + i] = values[start + i] - turned;
                values[start + i] += turned;
            }
        }
    }
}

static void transform_2d(correlation_filter *f, double complex *values, bool inverse)
{
    for (int y = 0; y < SIDE; y++)
        transform(f, values + y * SIDE, inverse);
    for (int x = 0; x < SIDE; x++) {
        for (int y = 0; y < SIDE; y++)
            f->column[y] = values[y * SIDE + x];
        transform(f, f->column, inverse);
        for (int y = 0; y < SIDE; y++)
            values[y * SIDE + x] = f->column[y];
    }
}

/* ---- what is looked at -----------------------------------------------------------------------
 */

static double brightness(const roto_image *image, int32_t x, int32_t y)
{
    x = x < 0 ? 0 : x >= image->width ? image->width - 1 : x;
    y = y < 0 ? 0 : y >= image->height ? image->height - 1 : y;
    const uint8_t *p = image->plane[0] + y * image->stride_bytes[0] + 3 * (ptrdiff_t)x;
    return (p[0] + 2 * p[1] + p[2]) / 4.0;
}

static double sample(const roto_image *image, double x, double y)
{
    /* Far outside, where nothing changes, numbers would not fit. */
    x = fmin(fmax(x, -1), image->width);
    y = fmin(fmax(y, -1), image->height);
    const int32_t left = (int32_t)floor(x), top = (int32_t)floor(y);
    const double right = x - left, below = y - top;
    return (1 - below) * ((1 - right) * brightness(image, left, top) +
                          right * brightness(image, left + 1, top)) +
           below * ((1 - right) * brightness(image, left, top + 1) +
                    right * brightness(image, left + 1, top + 1));
}

/* The spectrum of the window, turned and scaled about its centre, in f->patch: logarithms of the
 * brightness, of mean 0 and energy 1, faded out towards the edges. */
static void look(correlation_filter *f, const roto_image *image, double angle, double scale)
{
    const double c = cos(angle) * scale, s = sin(angle) * scale;
    double mean = 0, energy = 0;
    for (int i = 0; i < CELLS; i++) {
        const double u = ((i % SIDE) - SIDE / 2) * f->window_w / SIDE;
        const double v = ((double)(i / SIDE) - SIDE / 2) * f->window_h / SIDE;
        const double value = log1p(sample(image, f->x + c * u - s * v, f->y + s * u + c * v));
        f->patch[i] = value;
        mean += value / CELLS;
    }
    for (int i = 0; i < CELLS; i++) {
        const double value = creal(f->patch[i]) - mean;
        f->patch[i] = value * f->hann[i % SIDE] * f->hann[i / SIDE];
        energy += value * value;
    }
    const double factor = energy > 0 ? 1 / sqrt(energy) : 0;
    for (int i = 0; i < CELLS; i++)
        f->patch[i] *= factor;
    transform_2d(f, f->patch, false);
}

static void learn(correlation_filter *f, double rate)
{
    for (int i = 0; i < CELLS; i++) {
        const double complex p = f->patch[i];
        f->upper[i] += rate * (f->wanted[i] * conj(p) - f->upper[i]);
        f->lower[i] += rate * (creal(p) * creal(p) + cimag(p) * cimag(p) - f->lower[i]);
    }
}

/* -1..1; the same in every run. */
static double random_share(correlation_filter *f)
{
    f->random = f->random * 1664525u + 1013904223u;
    return (double)(f->random >> 8) / (1 << 23) - 1;
}

static void prepare(correlation_filter *f)
{
    const double pi = acos(-1);
    for (int i = 0; i < SIDE; i++)
        f->hann[i] = 0.5 - 0.5 * cos(2 * pi * i / SIDE);
    for (int i = 0; i < SIDE / 2; i++)
        f->roots[i] = cos(2 * pi * i / SIDE) - I * sin(2 * pi * i / SIDE);
    for (int i = 0; i < CELLS; i++) {
        const int x = i % SIDE - SIDE / 2, y = i / SIDE - SIDE / 2;
        f->wanted[i] = exp(-(x * x + y * y) / (2 * PEAK_SIGMA * PEAK_SIGMA));
    }
    transform_2d(f, f->wanted, false);
}

roto_status correlation_filter_new(const roto_image *image, double x, double y, double width,
                                   double height, correlation_filter **out)
{
    *out = NULL;
    correlation_filter *f = memory_new_array(1, sizeof(*f));
    if (!f)
        return ROTO_ERROR_MEMORY;
    f->x = x;
    f->y = y;
    f->window_w = fmax(WINDOW * width, LEAST_WINDOW);
    f->window_h = fmax(WINDOW * height, LEAST_WINDOW);
    prepare(f);
    for (int i = 0; i < N_VIEWS; i++) {
        const double angle = i ? 0.1 * random_share(f) : 0;
        const double scale = i ? 1 + 0.05 * random_share(f) : 1;
        look(f, image, angle, scale);
        learn(f, 1.0 / (i + 1)); /* all views count alike */
    }
    *out = f;
    return ROTO_OK;
}

void correlation_filter_free(correlation_filter *filter)
{
    free(filter);
}

/* ---- following -------------------------------------------------------------------------------
 */

/* How far the highest value stands out of the rest, in their standard deviations. */
static double peak_strength(const double complex *values, int peak)
{
    double sum = 0, squares = 0, n = 0;
    for (int i = 0; i < CELLS; i++) {
        if (abs(i % SIDE - peak % SIDE) <= PEAK_REACH && abs(i / SIDE - peak / SIDE) <= PEAK_REACH)
            continue;
        sum += creal(values[i]);
        squares += creal(values[i]) * creal(values[i]);
        n++;
    }
    const double mean = sum / n, variance = squares / n - mean * mean;
    return variance > 0 ? (creal(values[peak]) - mean) / sqrt(variance) : 0;
}

/* Where the parabola through three neighbours is highest, from the middle one. */
static double refine(double before, double at, double after)
{
    const double bend = before - 2 * at + after;
    return bend < 0 ? 0.5 * (before - after) / bend : 0;
}

void correlation_filter_next(correlation_filter *f, const roto_image *image, double *x, double *y)
{
    look(f, image, 0, 1);
    for (int i = 0; i < CELLS; i++)
        f->patch[i] *= f->upper[i] / (f->lower[i] + REGULARISER);
    transform_2d(f, f->patch, true);
    int peak = 0;
    for (int i = 1; i < CELLS; i++)
        if (creal(f->patch[i]) > creal(f->patch[peak]))
            peak = i;
    if (peak_strength(f->patch, peak) >= LEAST_PEAK) {
        const int px = peak % SIDE, py = peak / SIDE;
        double dx = px - SIDE / 2, dy = py - SIDE / 2;
        if (px > 0 && px < SIDE - 1)
            dx +=
                refine(creal(f->patch[peak - 1]), creal(f->patch[peak]), creal(f->patch[peak + 1]));
        if (py > 0 && py < SIDE - 1)
            dy += refine(creal(f->patch[peak - SIDE]), creal(f->patch[peak]),
                         creal(f->patch[peak + SIDE]));
        /* Only where something of the window is left in the picture. */
        f->x = fmin(fmax(f->x + dx * f->window_w / SIDE, 0), image->width);
        f->y = fmin(fmax(f->y + dy * f->window_h / SIDE, 0), image->height);
        look(f, image, 0, 1);
        learn(f, RATE);
    }
    *x = f->x;
    *y = f->y;
}
