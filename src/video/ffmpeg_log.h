/* video/ffmpeg_log.h - FFmpeg's messages: kept from the terminal, its complaints put to use.
 *
 * FFmpeg prints through one callback per process, and there is no way to ask which one is set. roto
 * sets its own at the first use of a source or writer, and never again: it swallows what roto's own
 * calls and codecs cause and hands everything else to FFmpeg's default callback, so that a program
 * that uses FFmpeg itself sees what it saw before. A program with its own callback sets it after
 * its first roto source or writer was opened; roto's messages then go there too.
 */
#ifndef VIDEO_FFMPEG_LOG_H
#define VIDEO_FFMPEG_LOG_H

#include <roto/error.h>

/* Around every call into FFmpeg that can print; they nest. The outermost begin forgets the earlier
 * complaint. */
void ffmpeg_quiet_begin(void);
void ffmpeg_quiet_end(void);

/* The first error FFmpeg reported on this thread since the outermost begin, or "". */
const char *ffmpeg_complaint(void);

/* For AVCodecContext.opaque: tells the messages of a codec's own threads from a host program's. */
void *ffmpeg_codec_mark(void);

/* Reports what an FFmpeg call returned (< 0) as "NAME: WHAT: reason (complaint)". */
roto_status ffmpeg_fail(const char *name, const char *what, int av_error);

#endif
