#include "video/frame.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <libavutil/buffer.h>
#include <libavutil/imgutils.h>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#endif

/* Rows start on cache lines, as FFmpeg's own decoders lay them out. */
enum { ROW_ALIGN_BYTES = 64 };

struct frame_pool {
    pthread_mutex_t mutex;
    video_frame *free_frames;
    AVBufferPool *buffers; /* of buffer_bytes each; replaced when another size is asked for */
    size_t buffer_bytes;
};

frame_pool *frame_pool_new(void)
{
    frame_pool *pool = memory_new_array(1, sizeof(*pool));
    if (pool)
        pthread_mutex_init(&pool->mutex, NULL);
    return pool;
}

void frame_pool_free(frame_pool *pool)
{
    if (!pool)
        return;
    while (pool->free_frames) {
        video_frame *frame = pool->free_frames;
        pool->free_frames = frame->next;
        av_frame_free(&frame->picture);
        free(frame);
    }
    av_buffer_pool_uninit(&pool->buffers);
    pthread_mutex_destroy(&pool->mutex);
    free(pool);
}

roto_status frame_pool_take(frame_pool *pool, video_frame **out)
{
    pthread_mutex_lock(&pool->mutex);
    video_frame *frame = pool->free_frames;
    if (frame)
        pool->free_frames = frame->next;
    pthread_mutex_unlock(&pool->mutex);
    if (!frame) {
        frame = memory_new_array(1, sizeof(*frame));
        if (!frame)
            return ROTO_ERROR_MEMORY;
        frame->picture = av_frame_alloc();
        if (!frame->picture) {
            free(frame);
            return roto_fail(ROTO_ERROR_MEMORY, "out of memory for a frame");
        }
    }
    frame->shown = (roto_frame){0};
    frame->pool = pool;
    frame->next = NULL;
    *out = frame;
    return ROTO_OK;
}

void frame_pool_reuses(frame_pool *pool)
{
#ifdef __SANITIZE_THREAD__
    __tsan_acquire(pool);
#else
    (void)pool;
#endif
}

void roto_frame_release(roto_frame *shown)
{
    if (!shown)
        return;
    video_frame *frame = (video_frame *)shown;
#ifdef __SANITIZE_THREAD__
    __tsan_release(frame->pool);
#endif
    av_frame_unref(frame->picture);
    roto_image_free(frame->storage);
    frame->storage = NULL;
    pthread_mutex_lock(&frame->pool->mutex);
    frame->next = frame->pool->free_frames;
    frame->pool->free_frames = frame;
    pthread_mutex_unlock(&frame->pool->mutex);
}

/* A buffer of at least `bytes`. Buffers in use keep a replaced pool alive until they come back. */
static AVBufferRef *take_buffer(frame_pool *pool, size_t bytes)
{
    pthread_mutex_lock(&pool->mutex);
    if (pool->buffer_bytes != bytes) {
        av_buffer_pool_uninit(&pool->buffers);
        pool->buffers = av_buffer_pool_init(bytes, NULL);
        pool->buffer_bytes = pool->buffers ? bytes : 0;
    }
    AVBufferRef *buffer = pool->buffers ? av_buffer_pool_get(pool->buffers) : NULL;
    pthread_mutex_unlock(&pool->mutex);
    return buffer;
}

roto_status frame_pool_picture(frame_pool *pool, enum AVPixelFormat format, int32_t width,
                               int32_t height, AVFrame *picture)
{
    int bytes = av_image_get_buffer_size(format, width, height, ROW_ALIGN_BYTES);
    /* swscale's vector code writes up to one vector past the last row. */
    AVBufferRef *buffer = bytes > 0 ? take_buffer(pool, (size_t)bytes + ROW_ALIGN_BYTES) : NULL;
    if (!buffer)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory for a frame of %d x %d pixels", width,
                         height);
    picture->format = format;
    picture->width = width;
    picture->height = height;
    picture->buf[0] = buffer;
    av_image_fill_arrays(picture->data, picture->linesize, buffer->data, format, width, height,
                         ROW_ALIGN_BYTES);
    picture->extended_data = picture->data;
    return ROTO_OK;
}

static void show_planes(video_frame *frame)
{
    roto_image *image = &frame->shown.image;
    for (int i = 0; i < 3; i++) {
        image->plane[i] = frame->picture->data[i];
        image->stride_bytes[i] = frame->picture->linesize[i];
    }
}

/* Puts `copy` in the place of the frame's picture. */
static void replace_picture(video_frame *frame, AVFrame *copy)
{
    av_frame_unref(frame->picture);
    av_frame_move_ref(frame->picture, copy);
    show_planes(frame);
}

static roto_status copy_picture(video_frame *frame)
{
    AVFrame *copy = av_frame_alloc();
    if (!copy)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory for a frame");
    AVFrame *from = frame->picture;
    roto_status status =
        frame_pool_picture(frame->pool, from->format, from->width, from->height, copy);
    if (status == ROTO_OK) {
        av_frame_copy(copy, from);
        replace_picture(frame, copy);
    }
    av_frame_free(&copy);
    return status;
}

static roto_status color_picture(video_frame *frame)
{
    AVFrame *copy = av_frame_alloc();
    if (!copy)
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory for a frame");
    roto_image *image = &frame->shown.image;
    roto_status status =
        frame_pool_picture(frame->pool, AV_PIX_FMT_YUV420P, image->width, image->height, copy);
    if (status == ROTO_OK) {
        av_image_copy_plane(copy->data[0], copy->linesize[0], image->plane[0],
                            (int)image->stride_bytes[0], image->width, image->height);
        for (int i = 1; i < 3; i++)
            memset(copy->data[i], 128,
                   (size_t)copy->linesize[i] * (size_t)((image->height + 1) / 2));
        replace_picture(frame, copy);
        image->format = ROTO_PIXEL_YUV420P;
        image->full_range = 1;
    }
    av_frame_free(&copy);
    return status;
}

roto_status frame_begin_drawing(roto_frame *shown, draw_target *out)
{
    video_frame *frame = (video_frame *)shown;
    if (shown->image.format == ROTO_PIXEL_GRAY8)
        ROTO_TRY(color_picture(frame));
    else if (!frame->storage && !av_frame_is_writable(frame->picture))
        ROTO_TRY(copy_picture(frame));
    const roto_image *image = &shown->image;
    *out = (draw_target){.width = image->width,
                         .height = image->height,
                         .format = image->format,
                         .matrix = image->matrix,
                         .full_range = image->full_range};
    for (int i = 0; i < 3; i++) {
        /* The planes are ours: only the public view is const. */
        out->plane[i] = (uint8_t *)(uintptr_t)image->plane[i];
        out->stride_bytes[i] = image->stride_bytes[i];
    }
    return ROTO_OK;
}
