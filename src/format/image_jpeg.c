/* JPEG through libjpeg-turbo, whose own habit on errors is to print and exit. */
#include "format/image_internal.h"

#include "base/error.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include <jerror.h>

enum {
    /* A progressive file may ask for any number of passes over the picture, each a few bytes long;
     * real ones have about ten. */
    MAX_SCANS = 100,
    CMYK_CHANNELS = 4
};

/* Coefficients of a progressive picture of the largest size take 1.6 GB. */
static const long max_library_bytes = 2000L << 20;

typedef struct jpeg_reader {
    struct jpeg_decompress_struct library; /* first: libjpeg hands back pointers to it */
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf escape;
    roto_status status; /* of the failure that escaped */
    const char *name;
    uint8_t *cmyk_row;
    image_pixels *out;
} jpeg_reader;

bool image_is_jpeg(const uint8_t *data, size_t bytes)
{
    return bytes >= 3 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

_Noreturn static void escape(j_common_ptr library)
{
    longjmp(((jpeg_reader *)library)->escape, 1);
}

_Noreturn static void fail_with_library_message(j_common_ptr library)
{
    jpeg_reader *reader = (jpeg_reader *)library;
    char text[JMSG_LENGTH_MAX];
    library->err->format_message(library, text);
    bool memory = library->err->msg_code == JERR_OUT_OF_MEMORY ||
                  library->err->msg_code == JERR_NO_BACKING_STORE;
    reader->status = roto_fail(memory ? ROTO_ERROR_MEMORY : ROTO_ERROR_FORMAT, "%s: bad JPEG: %s",
                               reader->name, text);
    escape(library);
}

/* libjpeg goes on after these with grey or wrong pixels; a tracker had better be told. Its other
 * warnings (stray bytes between markers, an odd colour flag) leave the picture whole. */
static void judge_message(j_common_ptr library, int level)
{
    if (level >= 0)
        return;
    switch (library->err->msg_code) {
    case JWRN_JPEG_EOF:
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_MUST_RESYNC:
    case JWRN_ARITH_BAD_CODE:
        fail_with_library_message(library);
    default:
        return;
    }
}

static void print_nothing(j_common_ptr library)
{
    (void)library;
}

static void limit_scans(j_common_ptr library)
{
    jpeg_reader *reader = (jpeg_reader *)library;
    if (reader->library.input_scan_number > MAX_SCANS) {
        reader->status = roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: JPEG of more than %d scans",
                                   reader->name, MAX_SCANS);
        escape(library);
    }
}

static int find_orientation(const struct jpeg_decompress_struct *library)
{
    static const uint8_t tag[6] = {'E', 'x', 'i', 'f', 0, 0};
    for (jpeg_saved_marker_ptr m = library->marker_list; m; m = m->next) {
        if (m->data_length >= sizeof(tag) && memcmp(m->data, tag, sizeof(tag)) == 0)
            return image_exif_orientation(m->data + sizeof(tag), m->data_length - sizeof(tag));
    }
    return 1;
}

/* Refuses before anything of the picture's size is allocated. */
static void check_header(jpeg_reader *reader, size_t file_bytes)
{
    const struct jpeg_decompress_struct *library = &reader->library;
    if (library->image_width > ROTO_IMAGE_MAX_PX || library->image_height > ROTO_IMAGE_MAX_PX) {
        reader->status =
            roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: %u x %u pixels; at most %d each", reader->name,
                      library->image_width, library->image_height, ROTO_IMAGE_MAX_PX);
        escape((j_common_ptr)library);
    }
    if (library->arith_code) {
        reader->status =
            roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: JPEG with arithmetic coding", reader->name);
        escape((j_common_ptr)library);
    }
    /* A Huffman-coded DC value takes at least a bit, and every 8x8 block has one: a small file that
     * claims a large picture is cut off or a trap. */
    size_t n_blocks = 0;
    for (int i = 0; i < library->num_components; i++) {
        const jpeg_component_info *c = &library->comp_info[i];
        n_blocks += (size_t)c->width_in_blocks * c->height_in_blocks;
    }
    if (n_blocks > file_bytes * 8) {
        reader->status =
            roto_fail(ROTO_ERROR_FORMAT, "%s: bad JPEG: %zu bytes cannot hold %u x %u pixels",
                      reader->name, file_bytes, library->image_width, library->image_height);
        escape((j_common_ptr)library);
    }
}

/* Adobe's programs store CMYK inverted and say so by their APP14 marker. */
static void cmyk_to_rgb(const uint8_t *cmyk, uint8_t *rgb, int32_t width, bool inverted)
{
    unsigned flip = inverted ? 0 : 255;
    for (int32_t x = 0; x < width; x++, cmyk += CMYK_CHANNELS, rgb += 3) {
        unsigned light = cmyk[3] ^ flip;
        for (int i = 0; i < 3; i++)
            rgb[i] = (uint8_t)(((cmyk[i] ^ flip) * light + 127) / 255);
    }
}

static void read_rows(jpeg_reader *reader)
{
    struct jpeg_decompress_struct *library = &reader->library;
    bool cmyk = library->out_color_space == JCS_CMYK;
    size_t row_bytes = (size_t)reader->out->width * 3;
    while (library->output_scanline < library->output_height) {
        uint8_t *rgb = reader->out->rgb + library->output_scanline * row_bytes;
        JSAMPROW row = cmyk ? reader->cmyk_row : rgb;
        jpeg_read_scanlines(library, &row, 1);
        if (cmyk)
            cmyk_to_rgb(row, rgb, reader->out->width, library->saw_Adobe_marker);
    }
}

static void decode(jpeg_reader *reader, const uint8_t *data, size_t bytes)
{
    struct jpeg_decompress_struct *library = &reader->library;
    jpeg_create_decompress(library);
    library->progress = &reader->progress;
    library->mem->max_memory_to_use = max_library_bytes;
    jpeg_mem_src(library, data, (unsigned long)bytes);
    jpeg_save_markers(library, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(library, TRUE);
    check_header(reader, bytes);
    bool cmyk = library->jpeg_color_space == JCS_CMYK || library->jpeg_color_space == JCS_YCCK;
    library->out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(library);
    reader->status = image_pixels_new(reader->name, (int32_t)library->output_width,
                                      (int32_t)library->output_height, reader->out);
    if (reader->status != ROTO_OK)
        return;
    reader->out->orientation = find_orientation(library);
    if (cmyk) {
        reader->cmyk_row = malloc((size_t)reader->out->width * CMYK_CHANNELS);
        if (!reader->cmyk_row) {
            reader->status = roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", reader->name);
            return;
        }
    }
    read_rows(reader);
    jpeg_finish_decompress(library);
}

/* On its own because a function's variables are lost when setjmp() returns to it a second time. */
static void decode_or_escape(jpeg_reader *reader, const uint8_t *data, size_t bytes)
{
    if (setjmp(reader->escape) == 0)
        decode(reader, data, bytes);
}

roto_status image_jpeg_decode(const char *name, const uint8_t *data, size_t bytes,
                              image_pixels *out)
{
    *out = (image_pixels){0};
    jpeg_reader reader = {.name = name, .out = out};
    reader.library.err = jpeg_std_error(&reader.errors);
    reader.errors.error_exit = fail_with_library_message;
    reader.errors.emit_message = judge_message;
    reader.errors.output_message = print_nothing;
    reader.progress.progress_monitor = limit_scans;
    decode_or_escape(&reader, data, bytes);
    jpeg_destroy_decompress(&reader.library);
    free(reader.cmyk_row);
    if (reader.status != ROTO_OK) {
        free(out->rgb);
        *out = (image_pixels){0};
    }
    return reader.status;
}
