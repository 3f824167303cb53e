#include "base/error.h"
#include "format/atomic_file.h"
#include "format/image_ids16.h"

#include <roto/image.h>
#include <setjmp.h>
#include <stddef.h>

#include <png.h>

enum { ID_COMPRESSION_LEVEL = 4 };

typedef enum png_kind {
    PNG_OF_PIXELS,
    PNG_OF_IDS,  /* a palette */
    PNG_OF_IDS16 /* rows of uint16_t become 16-bit grey */
} png_kind;

typedef struct png_writer {
    const char *path;
    roto_status status;
    atomic_file *file;
    png_structp library;
    png_infop info;
    png_kind kind;
} png_writer;

_Noreturn static void fail(png_structp library, png_const_charp text)
{
    png_writer *writer = png_get_error_ptr(library);
    if (writer->status == ROTO_OK) /* else the file's own message says more */
        writer->status =
            roto_fail(ROTO_ERROR_INTERNAL, "%s: cannot write PNG: %s", writer->path, text);
    png_longjmp(library, 1);
}

static void ignore(png_structp library, png_const_charp text)
{
    (void)library;
    (void)text;
}

static void put_bytes(png_structp library, png_bytep data, size_t n)
{
    png_writer *writer = png_get_io_ptr(library);
    writer->status = atomic_file_write(writer->file, data, n);
    if (writer->status != ROTO_OK)
        png_error(library, "write failed");
}

static void flush_nothing(png_structp library)
{
    (void)library;
}

/* The colour of a value in the masks of PASCAL VOC and DAVIS: the value's bits 0, 3, 6 are the
 * highest bits of red, in that order, bits 1, 4, 7 those of green, and 2, 5 those of blue. */
static png_color colour_of(unsigned value)
{
    unsigned channels[3] = {0};
    for (unsigned bit = 0; bit < 8; bit++)
        channels[bit % 3] |= (value >> bit & 1) << (7 - bit / 3);
    return (png_color){(png_byte)channels[0], (png_byte)channels[1], (png_byte)channels[2]};
}

static void set_palette(png_writer *writer)
{
    enum { N_COLOURS = 256 }; /* all of them: readers take a palette's length for that of a list */
    png_color colours[N_COLOURS];
    for (unsigned i = 0; i < N_COLOURS; i++)
        colours[i] = colour_of(i);
    png_set_PLTE(writer->library, writer->info, colours, N_COLOURS);
    /* Runs of equal bytes: looking further for matches costs time and saves nothing. */
    png_set_compression_level(writer->library, ID_COMPRESSION_LEVEL);
}

static int colour_type_of(const png_writer *writer, const roto_image *image)
{
    if (writer->kind == PNG_OF_IDS)
        return PNG_COLOR_TYPE_PALETTE;
    return image->format == ROTO_PIXEL_RGB8 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY;
}

static void encode(png_writer *writer, const roto_image *image)
{
    png_structp library = writer->library;
    png_set_user_limits(library, ROTO_IMAGE_MAX_PX, ROTO_IMAGE_MAX_PX);
    png_set_write_fn(library, writer, put_bytes, flush_nothing);
    const int bit_depth = writer->kind == PNG_OF_IDS16 ? 16 : 8;
    png_set_IHDR(library, writer->info, (png_uint_32)image->width, (png_uint_32)image->height,
                 bit_depth, colour_type_of(writer, image), PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (writer->kind == PNG_OF_IDS)
        set_palette(writer);
    png_write_info(library, writer->info);
    if (bit_depth == 16 && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__)
        png_set_swap(library); /* PNG has the high byte first */
    for (int32_t y = 0; y < image->height; y++)
        png_write_row(library, image->plane[0] + y * image->stride_bytes[0]);
    png_write_end(library, writer->info);
}

/* On its own because a function's variables are lost when setjmp() returns to it a second time. */
static void encode_or_escape(png_writer *writer, const roto_image *image)
{
    if (setjmp(png_jmpbuf(writer->library)) == 0)
        encode(writer, image);
}

static roto_status write_png(const char *path, const roto_image *image, png_kind kind)
{
    png_writer writer = {.path = path, .kind = kind};
    ROTO_TRY(atomic_file_open(path, &writer.file));
    writer.library = png_create_write_struct(PNG_LIBPNG_VER_STRING, &writer, fail, ignore);
    if (writer.library)
        writer.info = png_create_info_struct(writer.library);
    if (!writer.info)
        writer.status = roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", path);
    else
        encode_or_escape(&writer, image);
    png_destroy_write_struct(&writer.library, &writer.info);
    if (writer.status == ROTO_OK)
        return atomic_file_commit(writer.file);
    atomic_file_discard(writer.file);
    return writer.status;
}

roto_status roto_image_write_png(const char *path, const roto_image *image)
{
    if (!path)
        return roto_fail(ROTO_ERROR_ARGUMENT, "roto_image_write_png: path is NULL");
    ROTO_TRY(roto_image_check(image));
    if (image->format != ROTO_PIXEL_RGB8 && image->format != ROTO_PIXEL_GRAY8)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: only RGB8 and GRAY8 images become PNG", path);
    return write_png(path, image, PNG_OF_PIXELS);
}

roto_status roto_image_write_ids(const char *path, const roto_image *image)
{
    if (!path)
        return roto_fail(ROTO_ERROR_ARGUMENT, "roto_image_write_ids: path is NULL");
    ROTO_TRY(roto_image_check(image));
    if (image->format != ROTO_PIXEL_GRAY8)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: object ids are a GRAY8 image", path);
    return write_png(path, image, PNG_OF_IDS);
}

roto_status image_ids16_write(const char *path, const uint16_t *ids, int32_t width, int32_t height)
{
    const roto_image image = {.width = width,
                              .height = height,
                              .format = ROTO_PIXEL_GRAY8,
                              .plane = {(const uint8_t *)ids},
                              .stride_bytes = {(ptrdiff_t)width * (ptrdiff_t)sizeof(*ids)}};
    ROTO_TRY(roto_image_check(&image));
    return write_png(path, &image, PNG_OF_IDS16);
}
