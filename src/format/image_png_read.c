#include "format/image_internal.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

enum {
    SIGNATURE_BYTES = 8,
    MAX_CHUNK_BYTES = 8 << 20, /* of text and colour profiles, which are not looked at */
    MAX_KEPT_CHUNKS = 64,
    /* Deflate codes 258 bytes in 2 bits at best (RFC 1951, 3.2.5). */
    DEFLATE_MAX_RATIO = 1032
};

typedef struct png_reader {
    const char *name;
    const uint8_t *data;
    size_t bytes, used;
    roto_status status;
    png_structp library;
    png_infop info;
    uint8_t **rows;
    image_pixels *colours; /* one of the two is filled in */
    image_ids *ids;
} png_reader;

bool image_is_png(const uint8_t *data, size_t bytes)
{
    return bytes >= SIGNATURE_BYTES && png_sig_cmp(data, 0, SIGNATURE_BYTES) == 0;
}

_Noreturn static void fail(png_structp library, png_const_charp text)
{
    png_reader *reader = png_get_error_ptr(library);
    reader->status = roto_fail(ROTO_ERROR_FORMAT, "%s: bad PNG: %s", reader->name, text);
    png_longjmp(library, 1);
}

static void ignore(png_structp library, png_const_charp text)
{
    (void)library;
    (void)text;
}

static void take_bytes(png_structp library, png_bytep to, size_t n)
{
    png_reader *reader = png_get_io_ptr(library);
    if (n > reader->bytes - reader->used)
        png_error(library, "the file breaks off");
    memcpy(to, reader->data + reader->used, n);
    reader->used += n;
}

/* Everything becomes 8-bit RGB. Transparency is dropped, not blended: there is no background. */
static void set_transforms(png_structp library, int colour)
{
    png_set_scale_16(library);
    if (colour & PNG_COLOR_MASK_PALETTE)
        png_set_palette_to_rgb(library);
    if (!(colour & PNG_COLOR_MASK_COLOR)) {
        png_set_expand_gray_1_2_4_to_8(library);
        png_set_gray_to_rgb(library);
    }
    png_set_strip_alpha(library);
}

/* Palette indices and grey values of up to 8 bits become bytes, neither looked up nor scaled. */
static void set_id_transforms(png_structp library, int colour, int bit_depth)
{
    if ((colour != PNG_COLOR_TYPE_PALETTE && colour != PNG_COLOR_TYPE_GRAY) || bit_depth > 8)
        png_error(library, "object ids come as a palette or as grey of at most 8 bits");
    png_set_packing(library);
}

static void check_header(png_reader *reader)
{
    png_structp library = reader->library;
    png_infop info = reader->info;
    size_t stored = (png_get_rowbytes(library, info) + 1) * png_get_image_height(library, info);
    if (stored / DEFLATE_MAX_RATIO > reader->bytes)
        png_error(library, "the file is too small for the size that it claims");
}

/* Memory of the result; NULL (status set) when there is none. */
static uint8_t *new_pixels(png_reader *reader, int32_t width, int32_t height)
{
    if (reader->colours) {
        reader->status = image_pixels_new(reader->name, width, height, reader->colours);
        return reader->colours->rgb;
    }
    reader->status = image_ids_new(reader->name, width, height, reader->ids);
    return reader->ids->ids;
}

static void decode(png_reader *reader)
{
    png_structp library = reader->library;
    png_infop info = reader->info;
    png_set_user_limits(library, ROTO_IMAGE_MAX_PX, ROTO_IMAGE_MAX_PX);
    png_set_chunk_malloc_max(library, MAX_CHUNK_BYTES);
    png_set_chunk_cache_max(library, MAX_KEPT_CHUNKS);
    png_set_read_fn(library, reader, take_bytes);
    png_read_info(library, info);
    check_header(reader);
    if (reader->ids)
        set_id_transforms(library, png_get_color_type(library, info),
                          png_get_bit_depth(library, info));
    else
        set_transforms(library, png_get_color_type(library, info));
    png_set_interlace_handling(library);
    png_read_update_info(library, info);
    uint32_t width = png_get_image_width(library, info);
    uint32_t height = png_get_image_height(library, info);
    size_t row_bytes = (size_t)width * (reader->ids ? 1 : 3);
    if (png_get_rowbytes(library, info) != row_bytes)
        png_error(library, "unexpected row size");
    uint8_t *pixels = new_pixels(reader, (int32_t)width, (int32_t)height);
    if (reader->status != ROTO_OK)
        return;
    reader->rows = malloc(height * sizeof(*reader->rows));
    if (!reader->rows) {
        reader->status = roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", reader->name);
        return;
    }
    for (uint32_t y = 0; y < height; y++)
        reader->rows[y] = pixels + y * row_bytes;
    png_read_image(library, reader->rows);
    png_read_end(library, info);
    png_bytep exif = NULL;
    png_uint_32 exif_bytes = 0;
    if (png_get_eXIf_1(library, info, &exif_bytes, &exif) && exif && reader->colours)
        reader->colours->orientation = image_exif_orientation(exif, exif_bytes);
}

/* On its own because a function's variables are lost when setjmp() returns to it a second time. */
static void decode_or_escape(png_reader *reader)
{
    if (setjmp(png_jmpbuf(reader->library)) == 0)
        decode(reader);
}

static roto_status read_png(png_reader *reader)
{
    reader->library = png_create_read_struct(PNG_LIBPNG_VER_STRING, reader, fail, ignore);
    if (reader->library)
        reader->info = png_create_info_struct(reader->library);
    if (!reader->info)
        reader->status = roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", reader->name);
    else
        decode_or_escape(reader);
    png_destroy_read_struct(&reader->library, &reader->info, NULL);
    free(reader->rows);
    return reader->status;
}

roto_status image_png_decode(const char *name, const uint8_t *data, size_t bytes, image_pixels *out)
{
    *out = (image_pixels){0};
    png_reader reader = {.name = name, .data = data, .bytes = bytes, .colours = out};
    roto_status status = read_png(&reader);
    if (status != ROTO_OK) {
        free(out->rgb);
        *out = (image_pixels){0};
    }
    return status;
}

roto_status image_png_decode_ids(const char *name, const uint8_t *data, size_t bytes,
                                 image_ids *out)
{
    *out = (image_ids){0};
    png_reader reader = {.name = name, .data = data, .bytes = bytes, .ids = out};
    roto_status status = read_png(&reader);
    if (status != ROTO_OK) {
        free(out->ids);
        *out = (image_ids){0};
    }
    return status;
}
