#include "video/source.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/image_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_THREADS = 64 };

/* Beyond these, time stamps have been restarted (spliced broadcasts, cameras setting their clock)
 * or are nonsense, and time goes on from the frame before. Smaller steps back are jitter. */
static const double max_gap_s = 3600, max_step_back_s = 1;

struct roto_source {
    source_reader *reader;
    frame_pool *pool;
    video_frame *first; /* read on opening, given out on the first read */
    int64_t n_read;
    double time_offset_s; /* added to the reader's time */
    double previous_s;
    roto_status end; /* ROTO_OK, or what every further read returns */
    char *end_message;
    roto_source_info info;
};

roto_source_params roto_source_params_default(void)
{
    return (roto_source_params){
        .struct_bytes = sizeof(roto_source_params), .n_threads = 1, .folder_fps = 25};
}

static roto_status check_params(const roto_source_params *params)
{
    if (params->struct_bytes != sizeof(*params))
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "roto_source_params has struct_bytes %zu; start from "
                         "roto_source_params_default()",
                         params->struct_bytes);
    if (params->n_threads < 1 || params->n_threads > MAX_THREADS)
        return roto_fail(ROTO_ERROR_ARGUMENT, "source n_threads is %d; it must be 1..%d",
                         params->n_threads, MAX_THREADS);
    if (!(params->folder_fps >= 0.001 && params->folder_fps <= 1000))
        return roto_fail(ROTO_ERROR_ARGUMENT, "folder_fps is %g; it must be 0.001..1000",
                         params->folder_fps);
    return ROTO_OK;
}

static bool has_extension(const char *path, const char *extension)
{
    const char *dot = strrchr(path, '.');
    return dot && strcasecmp(dot + 1, extension) == 0;
}

/* A still picture by its content. Motion JPEG and animated PNG begin in the same way. */
static bool is_image_file(const char *path)
{
    if (has_extension(path, "mjpg") || has_extension(path, "mjpeg") || has_extension(path, "apng"))
        return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    uint8_t head[16];
    ssize_t got = read(fd, head, sizeof(head));
    close(fd);
    return got > 0 && (image_is_png(head, (size_t)got) || image_is_jpeg(head, (size_t)got));
}

static roto_status open_reader(const char *input, const roto_source_params *params,
                               frame_pool *pool, source_reader **out)
{
    struct stat info;
    bool exists = strcmp(input, "-") != 0 && stat(input, &info) == 0;
    if (exists && S_ISREG(info.st_mode) && info.st_size == 0)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: the file is empty", input);
    if (exists && (S_ISDIR(info.st_mode) || (S_ISREG(info.st_mode) && is_image_file(input))))
        return folder_reader_open(input, params, out);
    return stream_reader_open(input, params, pool, out);
}

static void keep_time(roto_source *source, roto_frame *frame)
{
    double frame_s = source->reader->frame_s;
    double expected = source->n_read ? source->previous_s + frame_s : 0;
    double time_s = frame->time_s + source->time_offset_s;
    if (!isfinite(time_s)) {
        time_s = expected;
    } else if (source->n_read == 0) {
        if (fabs(time_s) > max_gap_s || time_s < 0) {
            source->time_offset_s = -frame->time_s;
            time_s = 0;
        }
    } else if (time_s < source->previous_s - max_step_back_s ||
               time_s > source->previous_s + max_gap_s) {
        source->time_offset_s = expected - frame->time_s;
        time_s = expected;
    }
    frame->time_s = source->n_read ? fmax(time_s, source->previous_s) : time_s;
    frame->duration_s = frame_s;
    frame->index = source->n_read++;
    source->previous_s = frame->time_s;
}

static roto_status read_frame(roto_source *source, video_frame **out)
{
    video_frame *frame = NULL;
    roto_status status = frame_pool_take(source->pool, &frame);
    if (status == ROTO_OK)
        status = source->reader->read(source->reader, frame);
    if (status != ROTO_OK) {
        if (frame)
            roto_frame_release(&frame->shown);
        source->end = status;
        /* When memory is out, later calls repeat the status alone. */
        source->end_message = status == ROTO_END ? NULL : strdup(roto_error_message());
        return status;
    }
    frame_pool_reuses(source->pool);
    keep_time(source, &frame->shown);
    *out = frame;
    return ROTO_OK;
}

roto_status roto_source_open(const char *input, const roto_source_params *params, roto_source **out)
{
    if (!input || !out)
        return roto_fail(ROTO_ERROR_ARGUMENT, "roto_source_open: input or out is NULL");
    *out = NULL;
    roto_source_params defaults = roto_source_params_default();
    if (!params)
        params = &defaults;
    ROTO_TRY(check_params(params));
    roto_source *source = memory_new_array(1, sizeof(*source));
    if (!source)
        return ROTO_ERROR_MEMORY;
    roto_status status = ROTO_ERROR_MEMORY;
    source->pool = frame_pool_new();
    if (source->pool)
        status = open_reader(input, params, source->pool, &source->reader);
    if (status == ROTO_OK)
        status = read_frame(source, &source->first);
    if (status == ROTO_END)
        status = roto_fail(ROTO_ERROR_FORMAT, "%s: no frame in it can be decoded", input);
    if (status != ROTO_OK) {
        roto_source_close(source);
        return status;
    }
    source->info = source->reader->info;
    source->info.width = source->first->shown.image.width;
    source->info.height = source->first->shown.image.height;
    *out = source;
    return ROTO_OK;
}

void roto_source_close(roto_source *source)
{
    if (!source)
        return;
    if (source->first)
        roto_frame_release(&source->first->shown);
    if (source->reader)
        source->reader->close(source->reader);
    frame_pool_free(source->pool);
    free(source->end_message);
    free(source);
}

const roto_source_info *roto_source_describe(const roto_source *source)
{
    return &source->info;
}

roto_status roto_source_read(roto_source *source, roto_frame **out)
{
    if (!source || !out)
        return roto_fail(ROTO_ERROR_ARGUMENT, "roto_source_read: source or out is NULL");
    *out = NULL;
    video_frame *frame = source->first;
    source->first = NULL;
    if (!frame) {
        if (source->end == ROTO_END)
            return ROTO_END;
        if (source->end != ROTO_OK)
            return roto_fail(source->end, "%s",
                             source->end_message ? source->end_message : "the source has failed");
        ROTO_TRY(read_frame(source, &frame));
    }
    *out = &frame->shown;
    return ROTO_OK;
}
