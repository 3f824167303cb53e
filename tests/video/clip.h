/* tests/video/clip.h - synthetic clips, made with roto's own writer and recognised again.
 *
 * The picture of frame i is a gradient that moves; its mean luma tells i modulo 32 even after
 * coding.
 */
#ifndef TESTS_VIDEO_CLIP_H
#define TESTS_VIDEO_CLIP_H

#include "support/temp_folder.h"
#include "video/video_writer.h"

#include <roto/video.h>

typedef struct clip_picture {
    roto_image image;
    uint8_t *pixels;
} clip_picture;

static inline clip_picture clip_picture_new(roto_pixel_format format, int width, int height)
{
    clip_picture p = {
        .image = {.width = width, .height = height, .format = format, .matrix = ROTO_COLOR_BT709}};
    int chroma_width = (width + 1) / 2, chroma_height = (height + 1) / 2;
    p.pixels = malloc((size_t)width * (size_t)height * 3 + 64);
    assert_non_null(p.pixels);
    p.image.plane[0] = p.pixels;
    p.image.stride_bytes[0] = format == ROTO_PIXEL_RGB8 ? 3 * width : width;
    p.image.plane[1] = p.pixels + width * height;
    p.image.stride_bytes[1] = format == ROTO_PIXEL_NV12 ? 2 * chroma_width : chroma_width;
    p.image.plane[2] = p.image.plane[1] + chroma_width * chroma_height;
    p.image.stride_bytes[2] = chroma_width;
    return p;
}

static inline int clip_luma(int frame)
{
    return 40 + frame % 32 * 5;
}

/* YUV420P only. */
static inline void clip_picture_paint(clip_picture *p, int frame)
{
    int width = p->image.width, height = p->image.height;
    int chroma_bytes = (width + 1) / 2 * ((height + 1) / 2);
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++)
            p->pixels[y * width + x] = (uint8_t)(clip_luma(frame) + (x + y + frame) % 16 - 8);
    }
    memset(p->pixels + width * height, 110, (size_t)chroma_bytes);
    memset(p->pixels + width * height + chroma_bytes, 150, (size_t)chroma_bytes);
}

static inline double clip_mean_luma(const roto_image *image)
{
    double sum = 0;
    for (int y = 0; y < image->height; y++) {
        for (int x = 0; x < image->width; x++)
            sum += image->plane[0][y * image->stride_bytes[0] + x];
    }
    return sum / image->width / image->height;
}

/* Writes frames first..last-1 at `fps`. */
static inline void clip_write_frames(video_writer *writer, int width, int height, int first,
                                     int last, double fps)
{
    clip_picture p = clip_picture_new(ROTO_PIXEL_YUV420P, width, height);
    for (int i = first; i < last; i++) {
        clip_picture_paint(&p, i);
        assert_int_equal(video_writer_write(writer, &p.image, i / fps, 1 / fps), ROTO_OK);
    }
    free(p.pixels);
}

static inline video_writer *clip_open(const char *path, double fps)
{
    video_writer_params params = video_writer_params_default();
    params.fps = fps;
    params.n_threads = 1;
    params.preset = "ultrafast";
    video_writer *writer;
    assert_int_equal(video_writer_open(path, &params, &writer), ROTO_OK);
    return writer;
}

static inline void clip_make(const char *path, int width, int height, int n_frames, double fps)
{
    video_writer *writer = clip_open(path, fps);
    clip_write_frames(writer, width, height, 0, n_frames, fps);
    assert_int_equal(video_writer_close(writer), ROTO_OK);
}

/* The fragments that an interrupted run leaves: what goes to standard output is not made plain. */
static inline void clip_make_fragments(const char *path, int width, int height, int n_frames,
                                       double fps)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fflush(stdout);
    int stdout_before = dup(STDOUT_FILENO);
    dup2(fileno(file), STDOUT_FILENO);
    video_writer *writer = clip_open("-", fps);
    clip_write_frames(writer, width, height, 0, n_frames, fps);
    roto_status status = video_writer_close(writer);
    dup2(stdout_before, STDOUT_FILENO);
    close(stdout_before);
    fclose(file);
    assert_int_equal(status, ROTO_OK);
}

/* Reads to the end, checking that frame i is frame i, and returns what ended it. */
static inline roto_status clip_check_frames(roto_source *source, double fps, int *n_frames)
{
    roto_frame *frame;
    roto_status status;
    for (*n_frames = 0; (status = roto_source_read(source, &frame)) == ROTO_OK; ++*n_frames) {
        assert_int_equal(frame->index, *n_frames);
        double error_s = frame->time_s - *n_frames / fps;
        assert_true(error_s < 1e-5 && error_s > -1e-5);
        double error = clip_mean_luma(&frame->image) - clip_luma(*n_frames);
        assert_true(error < 2 && error > -2);
        roto_frame_release(frame);
    }
    return status;
}

static inline roto_status clip_check(const char *path, double fps, int *n_frames)
{
    roto_source *source;
    assert_int_equal(roto_source_open(path, NULL, &source), ROTO_OK);
    roto_status status = clip_check_frames(source, fps, n_frames);
    roto_source_close(source);
    return status;
}

#endif
