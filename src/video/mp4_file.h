/* video/mp4_file.h - one video stream into an MP4 that stays playable while it grows. */
#ifndef VIDEO_MP4_FILE_H
#define VIDEO_MP4_FILE_H

#include <roto/error.h>

#include <libavcodec/avcodec.h>

typedef struct mp4_file mp4_file;

/* Ticks a second of all times: whole numbers for 24, 25, 30, 50 and 60 fps, for those times
 * 1000/1001, and for milliseconds. */
enum { MP4_TIMESCALE = 120000 };

/* Creates the file; "-" is standard output. */
roto_status mp4_file_open(const char *path, mp4_file **out);

/* Before the first packet: `encoder` is open, with global headers and time base 1/MP4_TIMESCALE. */
roto_status mp4_file_begin(mp4_file *file, const AVCodecContext *encoder);

/* Takes over the packet's content. Packets come in decoding order. */
roto_status mp4_file_write(mp4_file *file, AVPacket *packet);

/* Writes out what is held back, the last frame lasting last_ticks; makes the file a plain MP4 where
 * that is possible; frees. After a failed write it keeps whole fragments only. A file to which
 * nothing was written is removed. */
roto_status mp4_file_close(mp4_file *file, int64_t last_ticks);

#endif
