#include "video/mp4_rewrite.h"

#include "format/file.h"
#include "video/mp4_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <libavformat/avformat.h>

enum {
    BUFFER_BYTES = 256 * 1024,
    NAME_TRIES = 100,
    /* Room for the index in front (ISO/IEC 14496-12): a frame has at most 8 bytes each in stts and
     * ctts, 12 in stsc, 8 in co64 and 4 each in stsz and stss; the rest of moov is under 4 KB. */
    INDEX_FRAME_BYTES = 44,
    INDEX_FIXED_BYTES = 4096
};

typedef struct rewriting {
    AVFormatContext *from, *to;
    AVIOContext *avio;
    AVPacket *packet;
    int fd;
    char *temporary;
} rewriting;

/* Not FFmpeg's own file writing: beyond a file size limit that would raise SIGXFSZ. */
static int write_some(void *opaque, uint8_t *data, int bytes)
{
    rewriting *r = opaque;
    int error = file_write_all(r->fd, data, (size_t)bytes, NULL);
    return error ? AVERROR(error) : bytes;
}

static int64_t seek_to(void *opaque, int64_t offset, int whence)
{
    rewriting *r = opaque;
    if (whence & AVSEEK_SIZE)
        return AVERROR(ENOSYS);
    off_t at = lseek(r->fd, offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : at;
}

static bool open_temporary(rewriting *r, const char *path)
{
    for (int i = 0; i < NAME_TRIES; i++) {
        free(r->temporary);
        if (asprintf(&r->temporary, "%s.%d-%d.tmp", path, (int)getpid(), i) < 0) {
            r->temporary = NULL;
            return false;
        }
        r->fd = open(r->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (r->fd >= 0)
            break;
        if (errno != EEXIST)
            break;
    }
    if (r->fd < 0) {
        free(r->temporary); /* names nothing of ours */
        r->temporary = NULL;
        return false;
    }
    struct stat info;
    return stat(path, &info) == 0 && fchmod(r->fd, info.st_mode & 0777) == 0;
}

static bool open_both(rewriting *r, const char *path, int64_t n_frames)
{
    char *url = NULL;
    if (asprintf(&url, "file:%s", path) < 0)
        return false;
    int error = avformat_open_input(&r->from, url, av_find_input_format("mp4"), NULL);
    free(url);
    if (error < 0 || r->from->nb_streams != 1 || !open_temporary(r, path))
        return false;
    uint8_t *buffer = av_malloc(BUFFER_BYTES);
    if (buffer)
        r->avio = avio_alloc_context(buffer, BUFFER_BYTES, 1, r, NULL, write_some, seek_to);
    if (!r->avio) {
        av_free(buffer);
        return false;
    }
    r->packet = av_packet_alloc();
    if (!r->packet || avformat_alloc_output_context2(&r->to, NULL, "mp4", NULL) < 0)
        return false;
    r->to->pb = r->avio;
    AVStream *in = r->from->streams[0], *out = avformat_new_stream(r->to, NULL);
    if (!out || avcodec_parameters_copy(out->codecpar, in->codecpar) < 0)
        return false;
    out->time_base = in->time_base;
    out->avg_frame_rate = in->avg_frame_rate;
    AVDictionary *options = NULL;
    av_dict_set_int(&options, "video_track_timescale", MP4_TIMESCALE, 0);
    av_dict_set_int(&options, "moov_size", INDEX_FIXED_BYTES + INDEX_FRAME_BYTES * n_frames, 0);
    error = avformat_write_header(r->to, &options);
    av_dict_free(&options);
    return error >= 0;
}

static bool copy_packets(rewriting *r, int64_t n_frames)
{
    int64_t n = 0;
    for (; av_read_frame(r->from, r->packet) >= 0; n++) {
        av_packet_rescale_ts(r->packet, r->from->streams[0]->time_base,
                             r->to->streams[0]->time_base);
        r->packet->pos = -1;
        int error = av_write_frame(r->to, r->packet);
        av_packet_unref(r->packet);
        if (error < 0)
            return false;
    }
    if (n != n_frames || av_write_trailer(r->to) < 0)
        return false;
    avio_flush(r->avio);
    return r->avio->error == 0 && fdatasync(r->fd) == 0;
}

bool mp4_rewrite(const char *path, int64_t n_frames)
{
    if (n_frames > (INT32_MAX - INDEX_FIXED_BYTES) / INDEX_FRAME_BYTES)
        return false; /* moov_size is an int */
    rewriting r = {.fd = -1};
    bool done = open_both(&r, path, n_frames) && copy_packets(&r, n_frames);
    if (r.fd >= 0 && close(r.fd) != 0)
        done = false;
    done = done && rename(r.temporary, path) == 0;
    if (!done && r.temporary)
        unlink(r.temporary);
    avformat_close_input(&r.from);
    avformat_free_context(r.to);
    if (r.avio) {
        av_freep(&r.avio->buffer);
        avio_context_free(&r.avio);
    }
    av_packet_free(&r.packet);
    free(r.temporary);
    return done;
}
