/* eval/davis_folder.h - finds sequences, their images and their true masks in a folder. */
#ifndef EVAL_DAVIS_FOLDER_H
#define EVAL_DAVIS_FOLDER_H

#include "eval/names.h"

#include <stdbool.h>

typedef struct davis_folder davis_folder;

/* `root` holds Annotations/480p/SEQUENCE, Annotations/SEQUENCE or SEQUENCE/Annotations, the first
 * of them that is there, and images beside them in JPEGImages (or SEQUENCE/images). */
roto_status davis_folder_open(const char *root, davis_folder **out);
void davis_folder_free(davis_folder *folder); /* NULL is fine */

/* All sequences, by name. */
const names *davis_folder_sequences(const davis_folder *folder);

/* ROTO_ERROR_ARGUMENT, with the most similar name, when there is no such sequence. */
roto_status davis_folder_check(const davis_folder *folder, const char *name);

typedef struct davis_frame {
    char *name;  /* of the file, without its ending */
    char *image; /* path; NULL when images were not asked for */
    char *mask;  /* path; NULL: no truth for this frame */
} davis_frame;

typedef struct davis_sequence {
    char *name;
    davis_frame *frames; /* in the order of their names */
    size_t n_frames;
} davis_sequence;

/* `name` is one of the folder's. Frames are the images, or the masks when images are not asked for.
 */
roto_status davis_sequence_read(const davis_folder *folder, const char *name, bool with_images,
                                davis_sequence *out);
void davis_sequence_free(davis_sequence *sequence);

#endif
