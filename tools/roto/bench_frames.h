/* bench_frames.h - frames to time things on: those of a video, or a synthetic one again and again.
 */
#ifndef BENCH_FRAMES_H
#define BENCH_FRAMES_H

#include "bench.h"

typedef struct bench_frames {
    roto_source *source; /* NULL: synthetic */
    roto_frame *frame;
    uint8_t *pixels;
    roto_image image;
} bench_frames;

/* video NULL: a synthetic frame of the options' size. */
roto_status bench_frames_open(const char *video, const bench_options *o, bench_frames *out);
/* Valid until the next call; ROTO_END after the video's last frame, ROTO_CANCELLED when the user
 * interrupts. */
roto_status bench_frames_next(bench_frames *f, const roto_image **image);
void bench_frames_close(bench_frames *f); /* of zeroed memory: fine */

double bench_now_s(void);

#endif
