/* What is done for each of a frame's objects beside the others, by the host's threads. */
#include "track/segmenter.h"

#include "base/memory.h"

#include <stdlib.h>

static void run_task(void *user, int step, int task, int worker)
{
    roto_segmenter *s = user;
    (void)step;
    s->each.fn(s, s->each.objects[task], task, worker);
}

roto_status segment_each_begin(roto_segmenter *s)
{
    s->each.program = (team_program){.n_steps = 1, .run = run_task, .user = s};
    s->each.program.steps = memory_new_aligned(sizeof(*s->each.program.steps));
    return s->each.program.steps ? ROTO_OK : ROTO_ERROR_MEMORY;
}

void segment_each(roto_segmenter *s, segment_object *const *objects, int32_t n, segment_each_fn *fn)
{
    s->each.objects = objects;
    s->each.fn = fn;
    team_run_tasks(s->team, &s->each.program, n);
}

void segment_each_end(roto_segmenter *s)
{
    if (s->team)
        team_forget(s->team);
    free(s->each.program.steps);
}
