/* video/source.h - what a kind of source provides; source.c numbers the frames and keeps time. */
#ifndef VIDEO_SOURCE_H
#define VIDEO_SOURCE_H

#include "video/frame.h"

typedef struct source_reader source_reader;

struct source_reader {
    /* Fills in the picture, the time (NAN when unknown) and the name of `frame`. ROTO_END after
     * the last. Not called again after anything but ROTO_OK. */
    roto_status (*read)(source_reader *reader, video_frame *frame);
    void (*close)(source_reader *reader);
    roto_source_info info; /* width and height are filled in from the first frame */
    double frame_s;        /* nominal, > 0 */
};

/* Whatever FFmpeg reads, and "-". `pool` outlives the reader. */
roto_status stream_reader_open(const char *input, const roto_source_params *params,
                               frame_pool *pool, source_reader **out);

/* A folder of images, or a single image file. */
roto_status folder_reader_open(const char *input, const roto_source_params *params,
                               source_reader **out);

#endif
