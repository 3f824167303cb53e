#include "base/clock.h"
#include "base/error.h"
#include "base/memory.h"
#include "video/fd_input.h"
#include "video/ffmpeg_log.h"
#include "video/orient.h"
#include "video/picture.h"
#include "video/source.h"

#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>

enum {
    MAX_DRAIN_ERRORS = 64,      /* a decoder that fails on leaving must not keep us for ever */
    MAX_FRAME_AREA_PX = 1 << 28 /* ROTO_IMAGE_MAX_PX squared */
};

/* A camera or server that sends nothing for so long is gone. */
static const int64_t network_patience_ns = 30 * INT64_C(1000000000);

/* Nominal rate of streams that state none, as FFmpeg's own readers of raw streams assume. */
static const double unstated_fps = 25;

typedef struct stream_reader {
    source_reader base; /* first */
    char *name;         /* the input, for messages */
    frame_pool *pool;   /* borrowed */
    fd_input *fd;       /* NULL: FFmpeg opened the input itself */
    AVFormatContext *format;
    AVStream *stream;
    AVCodecContext *decoder;
    AVPacket *packet;
    picture_converter converter;
    orientation turn; /* of the container */
    bool has_turn;
    int64_t start_us;  /* of the container; subtracted from every time */
    int64_t n_packets; /* of the video, read so far */
    int64_t n_frames;  /* decoded so far */
    int64_t n_damaged; /* packets that could not be decoded after the first frame */
    bool is_local;     /* a file: damage in it is an error, on the air it is weather */
    bool draining;     /* the container is at its end */
    bool broken_off;   /* ... which came before all that it announced */
    int read_error;    /* what ended it, 0 for its regular end */
    int n_drain_errors;
    int64_t deadline_ns; /* of the network call in progress; 0: none */
    int32_t (*should_stop)(void *user);
    void *user;
} stream_reader;

static int interrupt(void *opaque)
{
    stream_reader *reader = opaque;
    return (reader->should_stop && reader->should_stop(reader->user)) ||
           (reader->deadline_ns && clock_now_ns() > reader->deadline_ns);
}

static void start_waiting(stream_reader *reader)
{
    reader->deadline_ns = reader->is_local || reader->fd ? 0 : clock_now_ns() + network_patience_ns;
}

/* An interrupted call is either the caller's wish or our patience. */
static roto_status fail(stream_reader *reader, const char *what, int error)
{
    if (error == AVERROR_EXIT) {
        if (reader->should_stop && reader->should_stop(reader->user))
            return roto_fail(ROTO_CANCELLED, "%s: stopped on request", reader->name);
        return roto_fail(ROTO_ERROR_IO, "%s: %s: nothing arrived for %lld s", reader->name, what,
                         (long long)(network_patience_ns / 1000000000));
    }
    return ffmpeg_fail(reader->name, what, error);
}

static void stream_reader_close(source_reader *base)
{
    stream_reader *reader = (stream_reader *)base;
    ffmpeg_quiet_begin();
    avcodec_free_context(&reader->decoder);
    avformat_close_input(&reader->format);
    ffmpeg_quiet_end();
    fd_input_close(reader->fd);
    av_packet_free(&reader->packet);
    picture_converter_reset(&reader->converter);
    free(reader->name);
    free(reader);
}

/* Bytes in the container, or the number read until it ended; -1 when unknown. */
static int64_t container_bytes(const AVFormatContext *format)
{
    if (!format->pb)
        return -1;
    int64_t bytes = avio_size(format->pb);
    return bytes > 0 ? bytes : avio_tell(format->pb);
}

/* Containers with an index (MP4, AVI) say where each packet lies: data cut off shows there, while
 * their demuxers report a plain end of file. */
static bool index_exceeds_file(const stream_reader *reader)
{
    int64_t bytes = container_bytes(reader->format);
    int n = avformat_index_get_entries_count(reader->stream);
    for (int i = n - 1; bytes > 0 && i >= 0; i--) {
        const AVIndexEntry *entry = avformat_index_get_entry(reader->stream, i);
        if (entry->size > 0 && entry->pos > bytes - entry->size)
            return true;
    }
    return false;
}

static void end_of_container(stream_reader *reader, int error)
{
    reader->draining = true;
    reader->read_error = error == AVERROR_EOF ? 0 : error;
    if (index_exceeds_file(reader))
        reader->broken_off = true;
}

/* Gives the decoder the next packet of the video, or its end. */
static roto_status feed(stream_reader *reader)
{
    AVPacket *packet = reader->packet;
    start_waiting(reader);
    int error = av_read_frame(reader->format, packet);
    if (error == AVERROR(EAGAIN))
        return ROTO_OK;
    if (error == AVERROR_EXIT)
        return fail(reader, "cannot read", error);
    if (error < 0) {
        end_of_container(reader, error);
        avcodec_send_packet(reader->decoder, NULL);
        return ROTO_OK;
    }
    if (packet->stream_index == reader->stream->index) {
        reader->n_packets++;
        bool cut_off = (packet->flags & AV_PKT_FLAG_CORRUPT) && reader->format->pb &&
                       avio_feof(reader->format->pb);
        if (cut_off)
            reader->broken_off = true;
        else if (avcodec_send_packet(reader->decoder, packet) < 0 && reader->n_frames > 0)
            reader->n_damaged++;
    }
    av_packet_unref(packet);
    return ROTO_OK;
}

/* After the last frame: was that all? */
static roto_status end_status(stream_reader *reader)
{
    long long n = (long long)reader->n_frames;
    if (n == 0 && reader->fd && !reader->format->pb->seekable &&
        strncmp(reader->format->iformat->name, "mov", 3) == 0)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "%s: an MP4 with its index behind the video cannot be read from a pipe; "
                         "give the file itself, or one made with -movflags +faststart",
                         reader->name);
    if (reader->read_error) {
        roto_status status = fail(reader, "cannot read on", reader->read_error);
        return roto_fail_context(status, "after %lld frames", n);
    }
    if (reader->broken_off)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: breaks off after %lld frames", reader->name, n);
    if (reader->n_damaged && reader->is_local)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "%s: %lld of its %lld packets are damaged; %lld frames could be read",
                         reader->name, (long long)reader->n_damaged, (long long)reader->n_packets,
                         n);
    return ROTO_END;
}

static roto_status decode(stream_reader *reader, AVFrame *picture)
{
    for (;;) {
        if (reader->should_stop && reader->should_stop(reader->user))
            return roto_fail(ROTO_CANCELLED, "%s: stopped on request", reader->name);
        int error = avcodec_receive_frame(reader->decoder, picture);
        if (error == 0) {
            reader->n_frames++;
            return ROTO_OK;
        }
        if (error == AVERROR_EOF)
            return end_status(reader);
        if (error == AVERROR(ENOMEM))
            return fail(reader, "cannot decode", error);
        if (error != AVERROR(EAGAIN)) {
            reader->n_damaged += reader->n_frames > 0;
            if (reader->draining && ++reader->n_drain_errors > MAX_DRAIN_ERRORS)
                return end_status(reader);
        }
        if (!reader->draining)
            ROTO_TRY(feed(reader));
    }
}

static roto_status check_size(const stream_reader *reader, int width, int height)
{
    if (width < 1 || height < 1 || width > ROTO_IMAGE_MAX_PX || height > ROTO_IMAGE_MAX_PX)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: frames of %d x %d pixels; each must be 1..%d",
                         reader->name, width, height, ROTO_IMAGE_MAX_PX);
    return ROTO_OK;
}

static double time_of(const stream_reader *reader, const AVFrame *picture)
{
    int64_t stamp = picture->best_effort_timestamp;
    if (stamp == AV_NOPTS_VALUE)
        return NAN;
    return (double)stamp * av_q2d(reader->stream->time_base) - (double)reader->start_us * 1e-6;
}

static orientation turn_of(const stream_reader *reader, const AVFrame *picture)
{
    const AVFrameSideData *data = av_frame_get_side_data(picture, AV_FRAME_DATA_DISPLAYMATRIX);
    if (reader->has_turn || !data || data->size < 9 * sizeof(int32_t))
        return reader->turn;
    return orientation_of_matrix((const int32_t *)data->data);
}

static roto_status stream_reader_read(source_reader *base, video_frame *frame)
{
    stream_reader *reader = (stream_reader *)base;
    AVFrame *picture = frame->picture;
    ffmpeg_quiet_begin();
    roto_status status = decode(reader, picture);
    if (status == ROTO_OK)
        status = check_size(reader, picture->width, picture->height);
    if (status == ROTO_OK) {
        frame->shown.time_s = time_of(reader, picture);
        orientation turn = turn_of(reader, picture);
        base->info.rotation_deg = orientation_degrees(turn);
        status = picture_to_image(&reader->converter, reader->pool, reader->name,
                                  reader->decoder->codec_id, picture, &frame->shown.image);
        if (status == ROTO_OK && !orientation_is_upright(turn)) {
            status = orient_picture(turn, reader->pool, picture);
            picture_show_planes(picture, &frame->shown.image);
        }
    }
    ffmpeg_quiet_end();
    return status;
}

/* Names that FFmpeg would take for a protocol ("a:b.mp4") are files when they exist as such. */
static roto_status choose_url(const char *input, bool *is_local, char **url)
{
    struct stat info;
    *is_local = stat(input, &info) == 0;
    if (!*is_local && !strstr(input, "://"))
        return roto_fail(ROTO_ERROR_IO, "%s: cannot open: %s", input, strerror(errno));
    if (asprintf(url, "%s%s", *is_local ? "file:" : "", input) < 0) {
        *url = NULL;
        return roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", input);
    }
    return ROTO_OK;
}

static bool is_fifo(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISFIFO(info.st_mode);
}

static roto_status open_container(stream_reader *reader, const roto_source_params *params)
{
    char *url = NULL;
    AVDictionary *options = NULL;
    roto_status status = ROTO_OK;
    if (strcmp(reader->name, "-") == 0 || is_fifo(reader->name)) {
        status = fd_input_open(reader->name, params, &reader->fd);
        reader->is_local = true;
        /* What arrives on a pipe has no business opening files or connections. */
        av_dict_set(&options, "protocol_whitelist", "data", 0);
    } else {
        status = choose_url(reader->name, &reader->is_local, &url);
    }
    if (status != ROTO_OK)
        goto done;
    reader->format = avformat_alloc_context();
    if (!reader->format) {
        status = roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", reader->name);
        goto done;
    }
    reader->format->interrupt_callback = (AVIOInterruptCB){interrupt, reader};
    if (reader->fd)
        reader->format->pb = fd_input_avio(reader->fd);
    start_waiting(reader);
    int error = avformat_open_input(&reader->format, url ? url : "", NULL, &options);
    if (error < 0)
        status = fail(reader, "not a video that FFmpeg can read", error);
done:
    av_dict_free(&options);
    free(url);
    return status;
}

/* FFmpeg may decode frames to learn what the container does not say: with our limits. */
static roto_status examine_streams(stream_reader *reader)
{
    unsigned n = reader->format->nb_streams;
    AVDictionary **options = memory_new_array(n, sizeof(*options));
    if (!options)
        return ROTO_ERROR_MEMORY;
    for (unsigned i = 0; i < n; i++)
        av_dict_set_int(&options[i], "max_pixels", MAX_FRAME_AREA_PX, 0);
    start_waiting(reader);
    int error = avformat_find_stream_info(reader->format, n ? options : NULL);
    for (unsigned i = 0; i < n; i++)
        av_dict_free(&options[i]);
    free(options);
    return error < 0 ? fail(reader, "cannot find out what streams it has", error) : ROTO_OK;
}

static roto_status choose_stream(stream_reader *reader)
{
    AVFormatContext *format = reader->format;
    if (format->nb_streams == 0)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: holds no streams (container %s); is it cut off?",
                         reader->name, format->iformat->name);
    int best = av_find_best_stream(format, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    /* A cover picture in a music file is not a video. */
    if (best < 0 || (format->streams[best]->disposition & AV_DISPOSITION_ATTACHED_PIC))
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: there is no video in it (container %s)",
                         reader->name, format->iformat->name);
    for (unsigned i = 0; i < format->nb_streams; i++)
        format->streams[i]->discard = (int)i == best ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    reader->stream = format->streams[best];
    reader->start_us = format->start_time == AV_NOPTS_VALUE ? 0 : format->start_time;
    size_t bytes = 0;
    const uint8_t *matrix =
        av_stream_get_side_data(reader->stream, AV_PKT_DATA_DISPLAYMATRIX, &bytes);
    if (matrix && bytes >= 9 * sizeof(int32_t)) {
        reader->turn = orientation_of_matrix((const int32_t *)(const void *)matrix);
        reader->has_turn = true;
    }
    return ROTO_OK;
}

static roto_status open_decoder(stream_reader *reader, const roto_source_params *params)
{
    const AVCodecParameters *coded = reader->stream->codecpar;
    if (coded->codec_id == AV_CODEC_ID_NONE)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "%s: does not say how its video is coded; is it cut off?", reader->name);
    const AVCodec *codec = avcodec_find_decoder(coded->codec_id);
    if (!codec)
        return roto_fail(ROTO_ERROR_UNSUPPORTED, "%s: no decoder for its codec, %s", reader->name,
                         avcodec_get_name(coded->codec_id));
    if (coded->width > 0 && coded->height > 0)
        ROTO_TRY(check_size(reader, coded->width, coded->height));
    reader->decoder = avcodec_alloc_context3(codec);
    reader->packet = av_packet_alloc();
    if (!reader->decoder || !reader->packet)
        return roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", reader->name);
    int error = avcodec_parameters_to_context(reader->decoder, coded);
    if (error < 0)
        return fail(reader, "cannot set up the decoder", error);
    reader->decoder->opaque = ffmpeg_codec_mark();
    reader->decoder->pkt_timebase = reader->stream->time_base;
    reader->decoder->thread_count = params->n_threads;
    reader->decoder->max_pixels = MAX_FRAME_AREA_PX;
    error = avcodec_open2(reader->decoder, codec, NULL);
    return error < 0 ? fail(reader, "cannot open the decoder", error) : ROTO_OK;
}

static void fill_info(stream_reader *reader)
{
    AVFormatContext *format = reader->format;
    AVStream *stream = reader->stream;
    roto_source_info *info = &reader->base.info;
    AVRational rate = av_guess_frame_rate(format, stream, NULL);
    info->fps = rate.num > 0 && rate.den > 0 ? av_q2d(rate) : 0;
    if (!(info->fps >= 0.01 && info->fps <= 1000)) /* beyond: the clock's rate, not the video's */
        info->fps = 0;
    reader->base.frame_s = 1 / (info->fps > 0 ? info->fps : unstated_fps);
    if (stream->duration > 0)
        info->duration_s = (double)stream->duration * av_q2d(stream->time_base);
    else if (format->duration > 0)
        info->duration_s = (double)format->duration / AV_TIME_BASE;
    if (stream->nb_frames > 0)
        info->n_frames = stream->nb_frames;
    else if (info->duration_s * info->fps < (double)INT32_MAX)
        info->n_frames = llround(info->duration_s * info->fps);
    info->codec = avcodec_get_name(stream->codecpar->codec_id);
    info->format = format->iformat->name;
}

roto_status stream_reader_open(const char *input, const roto_source_params *params,
                               frame_pool *pool, source_reader **out)
{
    *out = NULL;
    stream_reader *reader = memory_new_array(1, sizeof(*reader));
    if (!reader)
        return ROTO_ERROR_MEMORY;
    reader->base.read = stream_reader_read;
    reader->base.close = stream_reader_close;
    reader->pool = pool;
    reader->should_stop = params->should_stop;
    reader->user = params->user;
    reader->name = memory_copy_string(input);
    roto_status status = reader->name ? ROTO_OK : ROTO_ERROR_MEMORY;
    ffmpeg_quiet_begin();
    if (status == ROTO_OK)
        status = open_container(reader, params);
    if (status == ROTO_OK)
        status = examine_streams(reader);
    if (status == ROTO_OK)
        status = choose_stream(reader);
    if (status == ROTO_OK)
        status = open_decoder(reader, params);
    ffmpeg_quiet_end();
    if (status != ROTO_OK) {
        stream_reader_close(&reader->base);
        return status;
    }
    fill_info(reader);
    *out = &reader->base;
    return ROTO_OK;
}
