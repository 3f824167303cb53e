/* What is done for each of a frame's objects beside the others, by the host's threads. */
#include "track/segmenter.h"

#include "base/team.h"

static void run_task(void *user, int step, int task, int worker)
{
    roto_segmenter *s = user;
    (void)step;
    s->each.fn(s, s->each.objects[task], task, worker);
}

void segment_each(roto_segmenter *s, segment_object *const *objects, int32_t n, segment_each_fn *fn)
{
    if (n < 2 || team_n_threads(s->team) < 2) {
        for (int32_t i = 0; i < n; i++)
            fn(s, objects[i], i, 0);
        return;
    }
    team_forget(s->team); /* a late worker may still look at the program before */
    s->each.objects = objects;
    s->each.fn = fn;
    s->each.step->n_tasks = n;
    s->each.program =
        (team_program){.steps = s->each.step, .n_steps = 1, .run = run_task, .user = s};
    team_run(s->team, &s->each.program);
}

void segment_each_end(roto_segmenter *s)
{
    if (s->team)
        team_forget(s->team);
}
