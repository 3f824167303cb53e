/* eval/davis_source.h - where the masks that are scored come from. */
#ifndef EVAL_DAVIS_SOURCE_H
#define EVAL_DAVIS_SOURCE_H

#include "eval/davis_folder.h"

#include <roto/eval.h>

typedef struct davis_object {
    uint8_t id;
    size_t first; /* frame in which it is first seen */
} davis_object;

/* A sequence as far as it is known before its frames are looked at. */
typedef struct davis_task {
    const davis_sequence *sequence;
    davis_object *objects;
    int32_t n_objects, width, height;
    bool is_binary; /* its masks hold 0 and 255: whatever is not 0 is object 1 */
    roto_davis_prompt prompt;
    size_t prompt_every; /* 0: once */
} davis_task;

/* Whether it is the turn of a frame after the first one to be prompted. */
static inline bool davis_prompts_again(const davis_object *object, size_t every, size_t frame)
{
    return every > 0 && frame > object->first && (frame - object->first) % every == 0;
}

/* One frame. */
typedef struct davis_step {
    size_t index;
    const roto_image *image; /* NULL unless the source needs images */
    const uint8_t *truth;    /* ids [height, width]; of use only for objects that are prompted
                             here */
    bool has_truth;          /* it is this frame's; there may be frames without */
    uint8_t *found;          /* [height, width]: the answer, 0 for none */
} davis_step;

typedef struct davis_source davis_source;

roto_status davis_results_new(const davis_task *task, const char *dir, davis_source **out);
roto_status davis_segmenter_new(const davis_task *task, roto_segmenter *segmenter,
                                davis_source **out);

/* The first mask (or its box, filled), kept where it was or moved by a correlation filter. */
roto_status davis_baseline_new(const davis_task *task, bool follow, davis_source **out);

/* What each kind is: state behind functions. */
struct davis_source {
    roto_status (*next)(davis_source *source, const davis_task *task, const davis_step *step);
    void (*free)(davis_source *source);
};

#endif
