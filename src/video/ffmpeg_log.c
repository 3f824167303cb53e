#include "video/ffmpeg_log.h"

#include "base/error.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/error.h>
#include <libavutil/log.h>

enum { COMPLAINT_BYTES = 160 };

static _Thread_local int quiet_depth;
static _Thread_local char complaint[COMPLAINT_BYTES];

/* Only its address matters. */
static char codec_mark;

void *ffmpeg_codec_mark(void)
{
    return &codec_mark;
}

static int is_our_codec(void *context)
{
    return context && *(const AVClass *const *)context == avcodec_get_class() &&
           ((const AVCodecContext *)context)->opaque == &codec_mark;
}

/* Control bytes of a hostile file must not reach a terminal through a message. */
static void keep_printable(char *text)
{
    size_t length = strcspn(text, "\n");
    text[length] = 0;
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] >= 127)
            text[i] = '?';
    }
}

__attribute__((format(printf, 3, 0))) static void on_message(void *context, int level,
                                                             const char *fmt, va_list args)
{
    if (quiet_depth == 0) {
        if (!is_our_codec(context))
            av_log_default_callback(context, level, fmt, args);
    } else if (level <= AV_LOG_ERROR && !complaint[0]) {
        vsnprintf(complaint, sizeof(complaint), fmt, args);
        keep_printable(complaint);
    }
}

static void install(void)
{
    av_log_set_callback(on_message);
}

void ffmpeg_quiet_begin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, install);
    if (quiet_depth++ == 0)
        complaint[0] = 0;
}

void ffmpeg_quiet_end(void)
{
    quiet_depth--;
}

const char *ffmpeg_complaint(void)
{
    return complaint;
}

static roto_status status_of(int av_error)
{
    switch (av_error) {
    case AVERROR_EXIT:
        return ROTO_CANCELLED;
    case AVERROR(ENOMEM):
        return ROTO_ERROR_MEMORY;
    case AVERROR_INVALIDDATA:
    case AVERROR_EOF:
    case AVERROR(EINVAL):
    case AVERROR(ERANGE):
        return ROTO_ERROR_FORMAT;
    case AVERROR_DECODER_NOT_FOUND:
    case AVERROR_DEMUXER_NOT_FOUND:
    case AVERROR_PROTOCOL_NOT_FOUND:
    case AVERROR_PATCHWELCOME:
    case AVERROR(ENOSYS):
        return ROTO_ERROR_UNSUPPORTED;
    case AVERROR_BUG:
        return ROTO_ERROR_INTERNAL;
    default:
        return ROTO_ERROR_IO;
    }
}

roto_status ffmpeg_fail(const char *name, const char *what, int av_error)
{
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(av_error, reason, sizeof(reason));
    const char *said = ffmpeg_complaint();
    return roto_fail(status_of(av_error), "%s: %s: %s%s%s%s", name, what, reason,
                     said[0] ? " (" : "", said, said[0] ? ")" : "");
}
