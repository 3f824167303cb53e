/* video/mp4_rewrite.h - a fragmented MP4 made a plain one, its index in front. */
#ifndef VIDEO_MP4_REWRITE_H
#define VIDEO_MP4_REWRITE_H

#include <stdbool.h>
#include <stdint.h>

/* Writes a copy beside `path` and renames it over the original when it is complete and safe on
 * disk. When anything fails (most likely: no room for both), false, and the original stays as it
 * is: it plays too. */
bool mp4_rewrite(const char *path, int64_t n_frames);

#endif
