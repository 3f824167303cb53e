/* roto/video.h - frames from files, folders of images and standard input.
 *
 * Sources give frames upright: a rotation stored in the file is applied, so that every coordinate
 * roto reports is in the picture as people see it. Pixels are those of the file: formats that roto
 * does not have are converted, colour matrix and range are passed on, nothing is scaled, so that
 * frames of one source may differ in size.
 *
 * FFmpeg's messages do not reach the terminal: its per-process log callback is set on the first
 * roto_source_open() and drops what roto's own work causes; a program's own use of FFmpeg goes to
 * FFmpeg's default callback as before. A program with a callback of its own sets it after that.
 */
#ifndef ROTO_VIDEO_H
#define ROTO_VIDEO_H

#include <roto/image.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct roto_source roto_source;

typedef struct roto_source_params {
    size_t struct_bytes;
    int32_t n_threads; /* of the decoder; default 1 */
    double folder_fps; /* frame rate given to a folder of images; default 25 */
    /* Asked about twenty times a second while input is awaited (a pipe, a network stream): when it
     * returns non-zero, opening or reading ends with ROTO_CANCELLED. From the reading thread. */
    int32_t (*should_stop)(void *user);
    void *user;
} roto_source_params;

ROTO_API roto_source_params roto_source_params_default(void);

typedef struct roto_source_info {
    int32_t width, height; /* of the first frame, upright */
    double fps;            /* nominal; 0 when unknown */
    int64_t n_frames;      /* an estimate; 0 when unknown */
    double duration_s;     /* 0 when unknown */
    int32_t rotation_deg;  /* that was applied: 0, 90, 180 or 270 clockwise */
    const char *codec;     /* "h264", "png", ... */
    const char *format;    /* "mov,mp4,...", "folder", ... */
} roto_source_info;

typedef struct roto_frame {
    roto_image image;  /* YUV420P, NV12, GRAY8 or RGB8; valid until the frame is released */
    int64_t index;     /* from 0 */
    double time_s;     /* presentation time; never goes back */
    double duration_s; /* nominal, > 0 */
    const char *name;  /* of the image file in a folder, NULL otherwise */
} roto_frame;

/* INPUT: a video file or URL that FFmpeg reads, a folder of PNG or JPEG files (in natural order),
 * one image, or "-" for a stream on standard input. params may be NULL. */
ROTO_API roto_status roto_source_open(const char *input, const roto_source_params *params,
                                      roto_source **out);
ROTO_API void
roto_source_close(roto_source *source); /* NULL is fine; frames must be released first */
ROTO_API const roto_source_info *roto_source_describe(const roto_source *source);

/* Time begins with the container's earliest stamp. Stamps that jump back by more than a second or
 * forward by more than an hour go on from the frame before.
 *
 * The next frame, ROTO_END after the last one. A file that breaks off or has damaged packets
 * ends with ROTO_ERROR_FORMAT after its last readable frame. Several frames may be held at once;
 * each takes its own memory, reused after release. Reading is for one thread at a time; releasing
 * for any. */
ROTO_API roto_status roto_source_read(roto_source *source, roto_frame **out);
ROTO_API void roto_frame_release(roto_frame *frame); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
