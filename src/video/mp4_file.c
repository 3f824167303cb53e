#include "video/mp4_file.h"

#include "base/error.h"
#include "base/memory.h"
#include "format/file.h"
#include "video/ffmpeg_log.h"
#include "video/mp4_rewrite.h"
#include "video/video_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavformat/avformat.h>

enum {
    BUFFER_BYTES = 256 * 1024,
    FRAGMENT_TICKS = MP4_TIMESCALE /* at most a second is lost when the power goes */
};

struct mp4_file {
    char *path;   /* as the caller gave it, for messages */
    char *target; /* with symbolic links followed */
    int fd;
    bool is_regular;
    AVFormatContext *format;
    AVStream *stream;
    AVIOContext *avio;
    AVPacket *held; /* the latest packet: its duration is known when the next one comes */
    bool holds;
    int64_t fragment_start; /* decoding time of its first packet */
    int64_t n_packets;
    int64_t bytes;      /* handed to the system */
    int64_t safe_bytes; /* of them, up to the end of the latest whole fragment */
    int error;          /* errno of the write that failed */
};

static int write_some(void *opaque, uint8_t *data, int bytes)
{
    mp4_file *file = opaque;
    if (file->error)
        return AVERROR(file->error);
    size_t written = 0;
    file->error = file_write_all(file->fd, data, (size_t)bytes, &written);
    file->bytes += (int64_t)written;
    return file->error ? AVERROR(file->error) : bytes;
}

static roto_status write_failed(const mp4_file *file, int av_error)
{
    if (file->error)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s", file->path, strerror(file->error));
    return ffmpeg_fail(file->path, "cannot write", av_error);
}

static void mp4_file_free(mp4_file *file)
{
    avformat_free_context(file->format);
    if (file->avio) {
        av_freep(&file->avio->buffer);
        avio_context_free(&file->avio);
    }
    if (file->fd >= 0 && file->fd != STDOUT_FILENO)
        close(file->fd);
    av_packet_free(&file->held);
    free(file->path);
    free(file->target);
    free(file);
}

static roto_status open_descriptor(mp4_file *file)
{
    if (strcmp(file->path, "-") == 0) {
        file->fd = STDOUT_FILENO;
        if (isatty(file->fd))
            return roto_fail(ROTO_ERROR_ARGUMENT,
                             "-: standard output is a terminal; redirect the video to a file");
        return ROTO_OK;
    }
    file->fd = open(file->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    struct stat info;
    if (file->fd < 0 || fstat(file->fd, &info) != 0)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot create: %s", file->path, strerror(errno));
    file->target = realpath(file->path, NULL);
    if (!file->target)
        return roto_fail(ROTO_ERROR_IO, "%s: cannot find where it is: %s", file->path,
                         strerror(errno));
    file->is_regular = S_ISREG(info.st_mode);
    return ROTO_OK;
}

roto_status mp4_file_open(const char *path, mp4_file **out)
{
    *out = NULL;
    mp4_file *file = memory_new_array(1, sizeof(*file));
    if (!file)
        return ROTO_ERROR_MEMORY;
    file->fd = -1;
    file->path = memory_copy_string(path);
    file->held = av_packet_alloc();
    uint8_t *buffer = av_malloc(BUFFER_BYTES);
    if (buffer)
        file->avio = avio_alloc_context(buffer, BUFFER_BYTES, 1, file, NULL, write_some, NULL);
    roto_status status = ROTO_OK;
    if (!file->avio) {
        av_free(buffer);
        status = roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", path);
    } else if (!file->path || !file->held) {
        status = roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", path);
    }
    if (status == ROTO_OK)
        status = open_descriptor(file);
    if (status != ROTO_OK) {
        mp4_file_free(file);
        return status;
    }
    *out = file;
    return ROTO_OK;
}

roto_status mp4_file_begin(mp4_file *file, const AVCodecContext *encoder)
{
    int error = avformat_alloc_output_context2(&file->format, NULL, "mp4", NULL);
    if (error < 0)
        return ffmpeg_fail(file->path, "cannot make an MP4", error);
    file->format->pb = file->avio;
    file->stream = avformat_new_stream(file->format, NULL);
    if (!file->stream)
        return roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", file->path);
    error = avcodec_parameters_from_context(file->stream->codecpar, encoder);
    if (error < 0)
        return ffmpeg_fail(file->path, "cannot make an MP4", error);
    file->stream->time_base = (AVRational){1, MP4_TIMESCALE};
    file->stream->avg_frame_rate = encoder->framerate;
    AVDictionary *options = NULL;
    /* We cut the fragments, so that we know where each one ends. delay_moov: the header waits for
     * the first cut, by when it can say how far display lags behind decoding. */
    av_dict_set(&options, "movflags", "frag_custom+empty_moov+delay_moov+default_base_moof", 0);
    av_dict_set_int(&options, "video_track_timescale", MP4_TIMESCALE, 0);
    error = avformat_write_header(file->format, &options);
    av_dict_free(&options);
    return error < 0 ? write_failed(file, error) : ROTO_OK;
}

static roto_status cut_fragment(mp4_file *file)
{
    int error = av_write_frame(file->format, NULL);
    avio_flush(file->avio);
    if (error < 0 || file->error)
        return write_failed(file, error);
    file->safe_bytes = file->bytes;
    return ROTO_OK;
}

static roto_status write_held(mp4_file *file, int64_t duration)
{
    AVPacket *packet = file->held;
    file->holds = false;
    if (file->n_packets == 0)
        file->fragment_start = packet->dts;
    bool cut = packet->dts - file->fragment_start >= FRAGMENT_TICKS;
    if (cut) {
        ROTO_TRY(cut_fragment(file));
        file->fragment_start = packet->dts;
    }
    packet->duration = duration;
    packet->stream_index = 0;
    int error = av_write_frame(file->format, packet);
    av_packet_unref(packet);
    if (error < 0 || file->error)
        return write_failed(file, error);
    file->n_packets++;
    return ROTO_OK;
}

roto_status mp4_file_write(mp4_file *file, AVPacket *packet)
{
    if (file->holds)
        ROTO_TRY(write_held(file, packet->dts - file->held->dts));
    av_packet_unref(file->held);
    av_packet_move_ref(file->held, packet);
    file->holds = true;
    return ROTO_OK;
}

static roto_status finish(mp4_file *file, int64_t last_ticks)
{
    if (!file->format)
        return ROTO_OK;
    if (file->holds)
        ROTO_TRY(write_held(file, last_ticks));
    ROTO_TRY(cut_fragment(file));
    int error = av_write_trailer(file->format);
    avio_flush(file->avio);
    if (error < 0 || file->error)
        return write_failed(file, error);
    return ROTO_OK;
}

static bool keep_whole_fragments(const mp4_file *file)
{
    return !file->is_regular || ftruncate(file->fd, file->safe_bytes) == 0;
}

roto_status mp4_file_close(mp4_file *file, int64_t last_ticks)
{
    /* An earlier failure was reported when it happened. */
    roto_status status = file->error ? ROTO_OK : finish(file, last_ticks);
    bool is_whole = !file->error && status == ROTO_OK;
    if (!is_whole && !keep_whole_fragments(file) && status == ROTO_OK)
        status = roto_fail(ROTO_ERROR_IO, "%s: cannot shorten: %s", file->path, strerror(errno));
    /* Network file systems report a full disk here at the latest. */
    if (file->fd != STDOUT_FILENO && close(file->fd) != 0 && status == ROTO_OK)
        status = roto_fail(ROTO_ERROR_IO, "%s: cannot write: %s", file->path, strerror(errno));
    file->fd = -1;
    if (file->is_regular && file->safe_bytes == 0)
        unlink(file->target);
    else if (file->is_regular && is_whole && status == ROTO_OK &&
             file->bytes <= VIDEO_WRITER_MAX_REWRITE_BYTES)
        mp4_rewrite(file->target, file->n_packets);
    mp4_file_free(file);
    return status;
}
