#include "video/video_writer.h"

#include "base/error.h"
#include "base/memory.h"
#include "video/ffmpeg_log.h"
#include "video/fit.h"
#include "video/mp4_file.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>

enum { MAX_THREADS = 64 };

/* MP4 holds the time between two frames in 32 bits. */
static const double max_gap_s = 4 * 3600.0;

struct video_writer {
    char *path;
    video_writer_params params; /* preset points to our copy */
    char *preset;
    mp4_file *file;
    AVCodecContext *encoder; /* opened for the first frame */
    fit fit;
    AVFrame *frame;
    AVPacket *packet;
    int64_t n_frames, last_pts, last_ticks;
    bool failed;
};

/* Against "veryfast" at 23, "superfast" at 25 measured the same PSNR on four 720p clips and 0.9 dB
 * less on a 540p one, with 9 to 52 % more bytes and 22 to 41 % less time to decode and encode. */
video_writer_params video_writer_params_default(void)
{
    return (video_writer_params){.preset = "superfast", .crf = 25, .n_threads = 2};
}

static roto_status check_params(const video_writer_params *params)
{
    static const char *const presets[] = {"ultrafast", "superfast", "veryfast", "faster",
                                          "fast",      "medium",    "slow",     "slower",
                                          "veryslow",  "placebo"};
    bool known = false;
    for (size_t i = 0; params->preset && i < sizeof(presets) / sizeof(presets[0]); i++)
        known |= strcmp(params->preset, presets[i]) == 0;
    if (!known)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "no x264 preset \"%s\"; there are ultrafast, superfast, veryfast, faster, "
                         "fast, medium, slow, slower, veryslow and placebo",
                         params->preset ? params->preset : "(NULL)");
    if (params->crf < 0 || params->crf > 51)
        return roto_fail(ROTO_ERROR_ARGUMENT, "crf is %d; it must be 0..51", params->crf);
    if (params->n_threads < 1 || params->n_threads > MAX_THREADS)
        return roto_fail(ROTO_ERROR_ARGUMENT, "encoder n_threads is %d; it must be 1..%d",
                         params->n_threads, MAX_THREADS);
    if (!(params->fps >= 0 && params->fps <= 1000))
        return roto_fail(ROTO_ERROR_ARGUMENT, "fps is %g; it must be 0 (unknown) to 1000",
                         params->fps);
    return ROTO_OK;
}

roto_status video_writer_open(const char *path, const video_writer_params *params,
                              video_writer **out)
{
    *out = NULL;
    video_writer_params defaults = video_writer_params_default();
    if (!params)
        params = &defaults;
    ROTO_TRY(check_params(params));
    video_writer *writer = memory_new_array(1, sizeof(*writer));
    if (!writer)
        return ROTO_ERROR_MEMORY;
    writer->params = *params;
    writer->path = memory_copy_string(path);
    writer->preset = memory_copy_string(params->preset);
    writer->params.preset = writer->preset;
    writer->frame = av_frame_alloc();
    writer->packet = av_packet_alloc();
    roto_status status = ROTO_OK;
    if (!writer->path || !writer->preset || !writer->frame || !writer->packet)
        status = roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", path);
    if (status == ROTO_OK && !avcodec_find_encoder_by_name("libx264"))
        status = roto_fail(ROTO_ERROR_UNSUPPORTED,
                           "%s: this FFmpeg has no libx264, which writes H.264", path);
    if (status == ROTO_OK)
        status = mp4_file_open(path, &writer->file);
    if (status != ROTO_OK) {
        video_writer_close(writer);
        return status;
    }
    *out = writer;
    return ROTO_OK;
}

static void set_color(AVCodecContext *encoder, const fit *f)
{
    encoder->color_range = f->full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    switch (f->matrix) {
    case ROTO_COLOR_BT601:
        encoder->colorspace = AVCOL_SPC_SMPTE170M;
        encoder->color_primaries = AVCOL_PRI_SMPTE170M;
        encoder->color_trc = AVCOL_TRC_SMPTE170M;
        break;
    case ROTO_COLOR_BT709:
        encoder->colorspace = AVCOL_SPC_BT709;
        encoder->color_primaries = AVCOL_PRI_BT709;
        encoder->color_trc = AVCOL_TRC_BT709;
        break;
    case ROTO_COLOR_BT2020:
        encoder->colorspace = AVCOL_SPC_BT2020_NCL;
        encoder->color_primaries = AVCOL_PRI_BT2020;
        encoder->color_trc = AVCOL_TRC_BT2020_10;
        break;
    }
}

static roto_status open_encoder(video_writer *writer, const roto_image *first)
{
    ROTO_TRY(fit_init(&writer->fit, first));
    const AVCodec *codec = avcodec_find_encoder_by_name("libx264");
    AVCodecContext *encoder = avcodec_alloc_context3(codec);
    writer->encoder = encoder;
    if (!encoder)
        return roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", writer->path);
    encoder->opaque = ffmpeg_codec_mark();
    encoder->width = writer->fit.even_width;
    encoder->height = writer->fit.even_height;
    encoder->pix_fmt = writer->fit.format;
    encoder->time_base = (AVRational){1, MP4_TIMESCALE};
    if (writer->params.fps > 0)
        encoder->framerate = av_d2q(writer->params.fps, 100000);
    encoder->thread_count = writer->params.n_threads;
    encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    set_color(encoder, &writer->fit);
    av_opt_set(encoder->priv_data, "preset", writer->params.preset, 0);
    av_opt_set_double(encoder->priv_data, "crf", writer->params.crf, 0);
    int error = avcodec_open2(encoder, codec, NULL);
    if (error < 0)
        return ffmpeg_fail(writer->path, "cannot open the H.264 encoder", error);
    return mp4_file_begin(writer->file, encoder);
}

/* Takes the packets that are ready; all of them after the encoder was told the end. */
static roto_status drain(video_writer *writer)
{
    for (;;) {
        int error = avcodec_receive_packet(writer->encoder, writer->packet);
        if (error == AVERROR(EAGAIN) || error == AVERROR_EOF)
            return ROTO_OK;
        if (error < 0)
            return ffmpeg_fail(writer->path, "cannot encode", error);
        roto_status status = mp4_file_write(writer->file, writer->packet);
        av_packet_unref(writer->packet);
        ROTO_TRY(status);
    }
}

static void keep_pixels(void *opaque, uint8_t *data)
{
    (void)opaque;
    (void)data; /* they are the caller's */
}

/* libx264 copies a picture before it returns, so the encoder may see the caller's memory. FFmpeg
 * wants a counted reference all the same; that it is alone afterwards is checked. */
static roto_status encode(video_writer *writer, const roto_image *image, int64_t pts)
{
    AVFrame *frame = writer->frame;
    ROTO_TRY(fit_picture(&writer->fit, image, frame));
    AVBufferRef *buffer =
        av_buffer_create(frame->data[0], (size_t)frame->linesize[0] * (size_t)frame->height,
                         keep_pixels, NULL, AV_BUFFER_FLAG_READONLY);
    if (!buffer)
        return roto_fail(ROTO_ERROR_MEMORY, "%s: out of memory", writer->path);
    frame->buf[0] = buffer;
    frame->pts = pts;
    int error = avcodec_send_frame(writer->encoder, frame);
    roto_status status = error < 0 ? ffmpeg_fail(writer->path, "cannot encode", error) : ROTO_OK;
    if (status == ROTO_OK)
        status = drain(writer);
    if (status == ROTO_OK && av_buffer_get_ref_count(buffer) != 1)
        status = roto_fail(ROTO_ERROR_INTERNAL, "%s: the encoder keeps a frame", writer->path);
    av_frame_unref(frame);
    return status;
}

static roto_status stamp(video_writer *writer, double time_s, double duration_s, int64_t *pts)
{
    double last_s = (double)writer->last_pts / MP4_TIMESCALE;
    double earliest_s = writer->n_frames ? last_s : 0;
    if (!(time_s >= earliest_s - 1e-3 && time_s <= earliest_s + max_gap_s))
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: frame %lld has time %g s; it must be %g..%g s",
                         writer->path, (long long)writer->n_frames, time_s, earliest_s,
                         earliest_s + max_gap_s);
    if (!(duration_s > 0 && duration_s <= max_gap_s))
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: frame %lld lasts %g s; it must be over 0",
                         writer->path, (long long)writer->n_frames, duration_s);
    *pts = llround(time_s * MP4_TIMESCALE);
    if (*pts < 0)
        *pts = 0;
    if (writer->n_frames && *pts <= writer->last_pts)
        *pts = writer->last_pts + 1;
    writer->last_ticks = llround(duration_s * MP4_TIMESCALE);
    if (writer->last_ticks < 1)
        writer->last_ticks = 1;
    return ROTO_OK;
}

roto_status video_writer_write(video_writer *writer, const roto_image *image, double time_s,
                               double duration_s)
{
    if (writer->failed)
        return roto_fail(ROTO_ERROR_ARGUMENT, "%s: an earlier frame could not be written",
                         writer->path);
    ROTO_TRY(roto_image_check(image));
    int64_t pts = 0;
    ROTO_TRY(stamp(writer, time_s, duration_s, &pts));
    ffmpeg_quiet_begin();
    roto_status status = writer->encoder ? ROTO_OK : open_encoder(writer, image);
    if (status == ROTO_OK)
        status = encode(writer, image, pts);
    ffmpeg_quiet_end();
    writer->failed = status != ROTO_OK;
    writer->last_pts = pts;
    writer->n_frames++;
    return status;
}

roto_status video_writer_close(video_writer *writer)
{
    if (!writer)
        return ROTO_OK;
    roto_status status = ROTO_OK;
    ffmpeg_quiet_begin();
    if (writer->n_frames > 0 && !writer->failed) {
        avcodec_send_frame(writer->encoder, NULL);
        status = drain(writer);
    }
    if (writer->file) {
        roto_status closing = mp4_file_close(writer->file, writer->last_ticks);
        status = status == ROTO_OK ? closing : status;
    }
    avcodec_free_context(&writer->encoder);
    ffmpeg_quiet_end();
    fit_clear(&writer->fit);
    av_frame_free(&writer->frame);
    av_packet_free(&writer->packet);
    free(writer->path);
    free(writer->preset);
    free(writer);
    return status;
}
