/* format/json_lines.h - results as JSON Lines: one object a frame (docs/formats.md).
 *
 * A line is written with one call as soon as it is complete; a line that a full disk cuts short is
 * taken back. The file therefore holds whole lines at any time.
 */
#ifndef FORMAT_JSON_LINES_H
#define FORMAT_JSON_LINES_H

#include <roto/track.h>

typedef struct json_lines json_lines;

/* What one line says. Objects are tracks, or detections (which have no identity); not both. */
typedef struct json_frame {
    int64_t index;
    double time_s;
    int32_t width, height; /* of the picture, in which boxes are measured */
    const char *name;      /* of the image file; NULL: none */
    const roto_track *tracks;
    int32_t n_tracks;
    const char *const *masks; /* of tracks, COCO's run lengths as text; NULL: none, also in it */
    const roto_detection *detections;
    int32_t n_detections;
    const char *const *class_names;
    int32_t n_class_names;
} json_frame;

/* Replaces the file at `path`; "-" is standard output. */
roto_status json_lines_open(const char *path, json_lines **out);
roto_status json_lines_write(json_lines *lines, const json_frame *frame);
roto_status json_lines_close(json_lines *lines); /* frees, whatever happens; NULL is fine */

#endif
