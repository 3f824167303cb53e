#include "base/error.h"
#include "format/atomic_file.h"

#include <roto/image.h>
#include <setjmp.h>
#include <stddef.h>

#include <png.h>

typedef struct png_writer {
    const char *path;
    roto_status status;
    atomic_file *file;
    png_structp library;
    png_infop info;
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

static void encode(png_writer *writer, const roto_image *image)
{
    png_structp library = writer->library;
    png_set_user_limits(library, ROTO_IMAGE_MAX_PX, ROTO_IMAGE_MAX_PX);
    png_set_write_fn(library, writer, put_bytes, flush_nothing);
    png_set_IHDR(library, writer->info, (png_uint_32)image->width, (png_uint_32)image->height, 8,
                 image->format == ROTO_PIXEL_RGB8 ? PNG_COLOR_TYPE_RGB : PNG_COLOR_TYPE_GRAY,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(library, writer->info);
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

roto_status roto_image_write_png(const char *path, const roto_image *image)
{
    if (!path)
        return roto_fail(ROTO_ERROR_ARGUMENT, "roto_image_write_png: path is NULL");
    ROTO_TRY(roto_image_check(image));
    if (image->format != ROTO_PIXEL_RGB8 && image->format != ROTO_PIXEL_GRAY8)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: only RGB8 and GRAY8 images become PNG", path);
    png_writer writer = {.path = path};
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
