/* tests/format/image_samples.h - PNG and JPEG files of every kind, made in memory. */
#ifndef TESTS_FORMAT_IMAGE_SAMPLES_H
#define TESTS_FORMAT_IMAGE_SAMPLES_H

#include <stddef.h>
#include <stdint.h>

typedef struct sample {
    uint8_t *data; /* free() */
    size_t bytes;
} sample;

typedef struct png_kind {
    int width, height, bit_depth, colour_type, interlace;
    int orientation; /* 0: no eXIf chunk */
} png_kind;

/* Sample value of channel c at x, y, as stored: 0 .. 2^bit_depth - 1. */
unsigned png_sample_value(const png_kind *kind, int x, int y, int c);

/* Entry i of the palette of palette PNGs, channel c; entry 1 is half transparent. */
uint8_t png_sample_palette(int i, int c);

sample png_sample(const png_kind *kind);

typedef struct jpeg_kind {
    int width, height, n_channels; /* 1 grey, 3 RGB, 4 CMYK */
    int progressive;
    int adobe;       /* CMYK: stored inverted with Adobe's marker */
    int orientation; /* 0: no EXIF */
    int exif_big_endian;
    uint8_t colour[2][4]; /* of the left and the right half */
} jpeg_kind;

sample jpeg_sample(const jpeg_kind *kind);

#endif
