#include "format/image_samples.h"

#include "support/cmocka_all.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

unsigned png_sample_value(const png_kind *kind, int x, int y, int c)
{
    unsigned max = (1u << kind->bit_depth) - 1;
    return ((unsigned)x * 37u + (unsigned)y * 1013u + (unsigned)c * 4099u) & max;
}

uint8_t png_sample_palette(int i, int c)
{
    return (uint8_t)(i * 53 + c * 91);
}

static void append(png_structp png, png_bytep data, size_t n)
{
    sample *s = png_get_io_ptr(png);
    s->data = realloc(s->data, s->bytes + n);
    assert_non_null(s->data);
    memcpy(s->data + s->bytes, data, n);
    s->bytes += n;
}

static void fill_row(const png_kind *kind, int y, int n_channels, uint8_t *row, size_t row_bytes)
{
    memset(row, 0, row_bytes);
    for (int i = 0; i < kind->width * n_channels; i++) {
        unsigned value = png_sample_value(kind, i / n_channels, y, i % n_channels);
        if (kind->bit_depth == 16) {
            row[2 * i] = (uint8_t)(value >> 8);
            row[2 * i + 1] = (uint8_t)value;
        } else {
            int bit = i * kind->bit_depth;
            row[bit / 8] |= (uint8_t)(value << (8 - kind->bit_depth - bit % 8));
        }
    }
}

static size_t make_exif(int orientation, bool big_endian, uint8_t exif[26])
{
    static const uint8_t little[26] = {'I', 'I', 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1};
    static const uint8_t big[26] = {'M', 'M', 0, 42, 0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1};
    memcpy(exif, big_endian ? big : little, 26);
    exif[big_endian ? 19 : 18] = (uint8_t)orientation;
    return 26;
}

sample png_sample(const png_kind *kind)
{
    sample s = {0};
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    png_set_write_fn(png, &s, append, NULL);
    png_set_IHDR(png, info, (png_uint_32)kind->width, (png_uint_32)kind->height, kind->bit_depth,
                 kind->colour_type, kind->interlace, 0, 0);
    if (kind->colour_type == PNG_COLOR_TYPE_PALETTE) {
        png_color palette[256];
        for (int i = 0; i < 256; i++)
            palette[i] = (png_color){png_sample_palette(i, 0), png_sample_palette(i, 1),
                                     png_sample_palette(i, 2)};
        png_byte alpha[2] = {255, 128};
        png_set_PLTE(png, info, palette, 1 << kind->bit_depth);
        png_set_tRNS(png, info, alpha, 2, NULL);
    }
    uint8_t exif[26];
    if (kind->orientation)
        png_set_eXIf_1(png, info, (png_uint_32)make_exif(kind->orientation, false, exif), exif);
    png_write_info(png, info);
    int passes = png_set_interlace_handling(png);
    size_t row_bytes = png_get_rowbytes(png, info);
    uint8_t *row = malloc(row_bytes);
    assert_non_null(row);
    for (int pass = 0; pass < passes; pass++) {
        for (int y = 0; y < kind->height; y++) {
            fill_row(kind, y, png_get_channels(png, info), row, row_bytes);
            png_write_row(png, row);
        }
    }
    png_write_end(png, info);
    free(row);
    png_destroy_write_struct(&png, &info);
    return s;
}

sample jpeg_sample(const jpeg_kind *kind)
{
    static const J_COLOR_SPACE spaces[] = {[1] = JCS_GRAYSCALE, [3] = JCS_RGB, [4] = JCS_CMYK};
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    sample s = {0};
    unsigned long bytes = 0;
    jpeg_mem_dest(&jpeg, &s.data, &bytes);
    jpeg.image_width = (JDIMENSION)kind->width;
    jpeg.image_height = (JDIMENSION)kind->height;
    jpeg.input_components = kind->n_channels;
    jpeg.in_color_space = spaces[kind->n_channels];
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 100, TRUE);
    if (kind->progressive)
        jpeg_simple_progression(&jpeg);
    jpeg.write_Adobe_marker = kind->adobe;
    jpeg_start_compress(&jpeg, TRUE);
    if (kind->orientation) {
        uint8_t marker[32] = {'E', 'x', 'i', 'f', 0, 0};
        size_t n = make_exif(kind->orientation, kind->exif_big_endian, marker + 6);
        jpeg_write_marker(&jpeg, JPEG_APP0 + 1, marker, (unsigned)(6 + n));
    }
    uint8_t *row = malloc((size_t)kind->width * 4);
    assert_non_null(row);
    for (int i = 0; i < kind->width * kind->n_channels; i++)
        row[i] = kind->colour[2 * (i / kind->n_channels) >= kind->width][i % kind->n_channels];
    for (int y = 0; y < kind->height; y++)
        jpeg_write_scanlines(&jpeg, &row, 1);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    s.bytes = bytes;
    return s;
}
