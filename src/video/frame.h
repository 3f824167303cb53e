/* video/frame.h - the memory behind roto_frame: pictures counted by reference, pooled and reused.
 */
#ifndef VIDEO_FRAME_H
#define VIDEO_FRAME_H

#include "video/draw_target.h"

#include <roto/video.h>

#include <libavutil/frame.h>

typedef struct frame_pool frame_pool;

typedef struct video_frame {
    roto_frame shown; /* first, so that a roto_frame is its video_frame */
    AVFrame *picture; /* holds the pixels when `storage` is NULL */
    void *storage;    /* of roto_image_read() */
    frame_pool *pool;
    struct video_frame *next; /* in the pool's list of free ones */
} video_frame;

frame_pool *frame_pool_new(void);       /* NULL, message set, when out of memory */
void frame_pool_free(frame_pool *pool); /* NULL is fine; all frames must be released */

/* An empty frame; give it back with roto_frame_release(). */
roto_status frame_pool_take(frame_pool *pool, video_frame **out);

/* After a picture is decoded: it may lie in memory of frames released meanwhile. Without this,
 * ThreadSanitizer would report a race with who drew on those: it sees no count of libavutil's. */
void frame_pool_reuses(frame_pool *pool);

/* Gives `picture` (which must hold nothing) planes of a size and format whose memory comes back to
 * the pool when the last reference goes. From any thread. */
roto_status frame_pool_picture(frame_pool *pool, enum AVPixelFormat format, int32_t width,
                               int32_t height, AVFrame *picture);

/* Makes the frame's pixels writable and colourful: copies them when the decoder still needs them
 * as a reference, turns grey into YUV420P. frame->image shows the new planes as well. The target
 * is valid until the frame is released. The frame must be used by the calling thread alone. */
roto_status frame_begin_drawing(roto_frame *frame, draw_target *out);

#endif
