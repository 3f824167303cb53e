/* video/video_writer.h - H.264 in MP4.
 *
 * The file grows under its own name as a fragmented MP4, a fragment a second, so that whatever ends
 * the run (a signal, a full disk, power) leaves a file that plays up to there. Closing replaces it,
 * by renaming, with a plain MP4 with its index in front, which every player can seek in; files over
 * VIDEO_WRITER_MAX_REWRITE_BYTES, devices, pipes and "-" (standard output) stay fragmented.
 */
#ifndef VIDEO_VIDEO_WRITER_H
#define VIDEO_VIDEO_WRITER_H

#include <roto/image.h>

/* Rewriting takes this much room and reading at most: a minute on a slow disk. */
#define VIDEO_WRITER_MAX_REWRITE_BYTES (INT64_C(4) << 30)

typedef struct video_writer video_writer;

typedef struct video_writer_params {
    double fps;         /* nominal, for rate control; 0 when unknown. Times come with each frame */
    const char *preset; /* of x264: "ultrafast" ... "placebo" */
    int32_t crf;        /* quality, 0..51, smaller is better */
    int32_t n_threads;  /* of the encoder, 1..64; the output depends on it */
} video_writer_params;

video_writer_params video_writer_params_default(void); /* 0 fps, "superfast", 25, 2 threads */

/* Creates the file. `params` may be NULL. */
roto_status video_writer_open(const char *path, const video_writer_params *params,
                              video_writer **out);

/* Appends a frame of any roto format; it is not needed any more on return. The first one sets the
 * size, the colour matrix and the range; later ones of another size are fitted into it, with black
 * bars. Odd sizes gain a column or row that repeats the last, since 4:2:0 has none. time_s must not
 * go back (equal times are moved apart by 1/120000 s). After a failure only closing is of use. */
roto_status video_writer_write(video_writer *writer, const roto_image *image, double time_s,
                               double duration_s);

/* Finishes the file and frees the writer, whatever happens; NULL is fine. After a failed write the
 * file keeps all complete fragments, and closing succeeds if these are safe. A file without any
 * frame is removed. */
roto_status video_writer_close(video_writer *writer);

#endif
