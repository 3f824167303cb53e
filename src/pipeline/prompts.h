/* pipeline/prompts.h - a run's prompts: checked before any work, given to the segmenter when their
 * frame has come. */
#ifndef PIPELINE_PROMPTS_H
#define PIPELINE_PROMPTS_H

#include <roto/run.h>

typedef struct prompts prompts;

/* Refuses what cannot be right for frames of that size. params->prompts has to outlive *out. */
roto_status prompts_new(const roto_run_params *params, int32_t frame_w, int32_t frame_h,
                        prompts **out);
void prompts_free(prompts *p); /* NULL is fine */

/* As roto_segmenter_prompt() and roto_follower_prompt(). */
typedef roto_status prompt_taker(void *user, int64_t id, int64_t frame, const roto_prompt *prompt);

/* Gives those for `frame`, at which their taker is. Frames come in rising order. */
roto_status prompts_give(prompts *p, prompt_taker *take, void *user, int64_t frame);

/* How many different objects there are among them. */
int32_t prompts_n_objects(const prompts *p);

/* After the last frame: ROTO_ERROR_ARGUMENT when the frames of some never came. */
roto_status prompts_end(const prompts *p, int64_t n_frames);

#endif
