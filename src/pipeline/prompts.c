#include "pipeline/prompts.h"

#include "base/error.h"
#include "base/memory.h"
#include "track/segmenter.h"

#include <stdlib.h>

struct prompts {
    const roto_run_prompt **sorted; /* by frame; those of one frame in the order they were given */
    int32_t n, next, n_objects;
};

static int compare_frames(const void *a, const void *b)
{
    const roto_run_prompt *x = *(const roto_run_prompt *const *)a,
                          *y = *(const roto_run_prompt *const *)b;
    if (x->frame != y->frame)
        return x->frame < y->frame ? -1 : 1;
    return x < y ? -1 : x > y; /* both lie in the caller's array */
}

static int compare_ids(const void *a, const void *b)
{
    const roto_run_prompt *x = *(const roto_run_prompt *const *)a,
                          *y = *(const roto_run_prompt *const *)b;
    return x->id < y->id ? -1 : x->id > y->id;
}

static roto_status check(const roto_run_prompt *p, const roto_run_params *params, int32_t frame_w,
                         int32_t frame_h)
{
    if (p->id < 1 || p->frame < 0)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "a prompt for object %lld on frame %lld; ids start at 1, frames at 0",
                         (long long)p->id, (long long)p->frame);
    if (params->max_frames && p->frame >= params->max_frames)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "a prompt for frame %lld, but max_frames ends the run after frame %lld",
                         (long long)p->frame, (long long)params->max_frames - 1);
    prompt_set set;
    roto_status status = prompt_set_read(&p->prompt, p->id, &set);
    if (status == ROTO_OK)
        status = prompt_set_check(&set, p->id, frame_w, frame_h);
    prompt_set_free(&set);
    if (status != ROTO_OK)
        return roto_fail_context(status, "prompt for frame %lld", (long long)p->frame);
    return ROTO_OK;
}

static roto_status count_objects(prompts *p, const roto_run_params *params)
{
    qsort(p->sorted, (size_t)p->n, sizeof(const roto_run_prompt *), compare_ids);
    for (int32_t i = 0; i < p->n; i++)
        p->n_objects += i == 0 || p->sorted[i]->id != p->sorted[i - 1]->id;
    if (p->n_objects > params->segmenter.max_objects)
        return roto_fail(ROTO_ERROR_ARGUMENT,
                         "prompts for %d objects, but segmenter.max_objects is %d", p->n_objects,
                         params->segmenter.max_objects);
    return ROTO_OK;
}

roto_status prompts_new(const roto_run_params *params, int32_t frame_w, int32_t frame_h,
                        prompts **out)
{
    *out = NULL;
    for (int32_t i = 0; i < params->n_prompts; i++)
        ROTO_TRY(check(&params->prompts[i], params, frame_w, frame_h));
    prompts *p = memory_new_array(1, sizeof(*p));
    if (!p)
        return ROTO_ERROR_MEMORY;
    p->n = params->n_prompts;
    p->sorted = memory_new_array((size_t)p->n, sizeof(const roto_run_prompt *));
    roto_status status = p->sorted ? ROTO_OK : ROTO_ERROR_MEMORY;
    for (int32_t i = 0; i < p->n && status == ROTO_OK; i++)
        p->sorted[i] = &params->prompts[i];
    if (status == ROTO_OK)
        status = count_objects(p, params);
    if (status != ROTO_OK) {
        prompts_free(p);
        return status;
    }
    qsort(p->sorted, (size_t)p->n, sizeof(const roto_run_prompt *), compare_frames);
    *out = p;
    return ROTO_OK;
}

void prompts_free(prompts *p)
{
    if (!p)
        return;
    free(p->sorted);
    free(p);
}

roto_status prompts_give(prompts *p, prompt_taker *take, void *user, int64_t frame)
{
    for (; p->next < p->n && p->sorted[p->next]->frame <= frame; p->next++) {
        const roto_run_prompt *each = p->sorted[p->next];
        ROTO_TRY(take(user, each->id, frame, &each->prompt));
    }
    return ROTO_OK;
}

int32_t prompts_n_objects(const prompts *p)
{
    return p->n_objects;
}

roto_status prompts_end(const prompts *p, int64_t n_frames)
{
    const int32_t n = p->n - p->next;
    if (n == 0)
        return ROTO_OK;
    return roto_fail(ROTO_ERROR_ARGUMENT,
                     "%d prompt%s for frames that never came: the input has %lld frames, the "
                     "prompt for object %lld is for frame %lld (from 0). All else is done",
                     n, n == 1 ? " is" : "s are", (long long)n_frames,
                     (long long)p->sorted[p->next]->id, (long long)p->sorted[p->next]->frame);
}
