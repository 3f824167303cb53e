/* eval/davis_ids.h - masks as the evaluation sees them, and which objects they hold. */
#ifndef EVAL_DAVIS_IDS_H
#define EVAL_DAVIS_IDS_H

#include "eval/davis_source.h"

/* Looks through all true masks: fills in size, objects (memory of its own: free()) and is_binary.
 * ROTO_ERROR_FORMAT: masks of different sizes, or no object in any. */
roto_status davis_task_init(const davis_sequence *sequence, davis_task *out);
void davis_task_release(davis_task *task);

/* Reads a mask of the task's size into ids [height, width]. */
roto_status davis_ids_read(const char *path, const davis_task *task, uint8_t *ids);

/* As it, for the truth: 255 is then no object, as in the official evaluation. */
roto_status davis_truth_read(const char *path, const davis_task *task, uint8_t *ids);

#endif
