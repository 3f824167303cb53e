/* video/fd_input.h - standard input and FIFOs for FFmpeg: waiting for bytes can be interrupted,
 * which FFmpeg's own pipe reader cannot.
 */
#ifndef VIDEO_FD_INPUT_H
#define VIDEO_FD_INPUT_H

#include <roto/video.h>

#include <libavformat/avio.h>

typedef struct fd_input fd_input;

/* `path` is "-" or names a FIFO. params->should_stop is asked while waiting and must stay valid. */
roto_status fd_input_open(const char *path, const roto_source_params *params, fd_input **out);
void fd_input_close(fd_input *input); /* NULL is fine */
AVIOContext *fd_input_avio(fd_input *input);

#endif
