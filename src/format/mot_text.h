/* format/mot_text.h - MOTChallenge text: ground truth, detections and results of tracking.
 *
 * A line is a box: frame (from 1), identity, left, top, width, height, score and up to three more
 * columns, parted by commas (Milan et al. 2016, MOT16, section 3.4). In ground truth the score is a
 * flag, 0 for boxes that take no part. What stands in columns 8 to 10 differs between the years of
 * the benchmark; it has to be numbers and is otherwise passed over.
 */
#ifndef FORMAT_MOT_TEXT_H
#define FORMAT_MOT_TEXT_H

#include <roto/track.h>

typedef struct mot_row {
    int64_t frame, id; /* frame >= 1; id is -1 for detections */
    double left, top, width, height, score;
    int64_t line; /* in the file, from 1 */
} mot_row;

typedef struct mot_rows {
    mot_row *rows; /* by rising frame; those of a frame in the file's order */
    size_t n;
} mot_rows;

typedef enum mot_kind {
    MOT_DETECTIONS, /* identities are passed over */
    MOT_TRACKS      /* each has an identity >= 0 that is alone in its frame */
} mot_kind;

/* Reads a file, which may be empty. Lines may end in CR LF and hold spaces around numbers; empty
 * lines are passed over. Everything else that is no finite, plausible number in 7 to 10 columns is
 * refused, naming the line. *out needs mot_rows_free() after success only. */
roto_status mot_read(const char *path, mot_kind kind, mot_rows *out);
void mot_rows_free(mot_rows *rows); /* a zeroed or freed one is fine */

/* The part of a sequence's seqinfo.ini that matters here; 0 for what it does not say. */
typedef struct mot_sequence_info {
    int64_t n_frames;
    double frames_per_s;
} mot_sequence_info;

roto_status mot_sequence_info_read(const char *path, mot_sequence_info *out);

/* Writes results as they come. Each frame goes to the file in one piece before mot_writer_frame()
 * returns, so that a run which is interrupted, or a disk that fills up, leaves a valid file of all
 * frames before. The file is replaced when it is opened. */
typedef struct mot_writer mot_writer;

roto_status mot_writer_open(const char *path, mot_writer **out);

/* `frame` counts from 1 and has to rise from call to call; a frame without tracks writes nothing.
 * Coordinates are rounded to hundredths of a pixel. */
roto_status mot_writer_frame(mot_writer *writer, int64_t frame, const roto_track *tracks,
                             int32_t n_tracks);

/* Closes and frees, also on failure, which network file systems report here; NULL is fine. */
roto_status mot_writer_close(mot_writer *writer);

#endif
