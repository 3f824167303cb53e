#include "support/cmocka_all.h"

#include "base/team.h"

#include <stdbool.h>
#include <string.h>

enum { N_STEPS = 40, MAX_TASKS = 17 };

typedef struct {
    team_step steps[N_STEPS];
    _Atomic int runs[N_STEPS][MAX_TASKS];
    _Atomic int finished[N_STEPS]; /* tasks ended in this run */
    _Atomic bool out_of_order, bad_worker;
    int n_threads;
} record;

static int tasks_of(int step)
{
    return step % (MAX_TASKS + 1); /* some steps have no task at all */
}

static void note(void *user, int step, int task, int worker)
{
    record *r = user;
    if (worker < 0 || worker >= r->n_threads)
        r->bad_worker = true;
    for (int earlier = 0; earlier < step; earlier++)
        if (r->finished[earlier] != tasks_of(earlier))
            r->out_of_order = true;
    r->runs[step][task]++;
    r->finished[step]++;
}

static void every_task_runs_once_after_all_earlier_steps(void **state)
{
    (void)state;
    for (int n_threads = 1; n_threads <= 5; n_threads++) {
        team *t = NULL;
        assert_int_equal(team_new(n_threads, &t), ROTO_OK);
        assert_int_equal(team_n_threads(t), n_threads);
        static record r;
        memset(&r, 0, sizeof(r));
        r.n_threads = n_threads;
        for (int s = 0; s < N_STEPS; s++)
            r.steps[s].n_tasks = tasks_of(s);
        team_program program = {.steps = r.steps, .n_steps = N_STEPS, .run = note, .user = &r};
        for (int run = 1; run <= 200; run++) {
            for (int s = 0; s < N_STEPS; s++)
                r.finished[s] = 0;
            team_run(t, &program);
            for (int s = 0; s < N_STEPS; s++) {
                assert_int_equal(r.finished[s], tasks_of(s));
                for (int task = 0; task < tasks_of(s); task++)
                    assert_int_equal(r.runs[s][task], run);
            }
        }
        assert_false(r.out_of_order);
        assert_false(r.bad_worker);
        team_forget(t);
        team_free(t);
    }
}

static void count_task(void *user, int step, int task, int worker)
{
    int *const runs = user;
    assert_int_equal(step, 0);
    assert_true(worker >= 0);
    runs[task]++;
}

static void the_number_of_tasks_may_change_from_run_to_run(void **state)
{
    (void)state;
    enum { MOST_TASKS = 37 };
    for (int n_threads = 0; n_threads <= 4; n_threads++) { /* 0: no team */
        team *t = NULL;
        if (n_threads > 0)
            assert_int_equal(team_new(n_threads, &t), ROTO_OK);
        int runs[MOST_TASKS] = {0}, expected[MOST_TASKS] = {0};
        static team_step step;
        memset(&step, 0, sizeof(step));
        team_program program = {.steps = &step, .n_steps = 1, .run = count_task, .user = runs};
        for (int run = 0; run < 300; run++) {
            const int n_tasks = run * 7 % (MOST_TASKS + 1);
            for (int task = 0; task < n_tasks; task++)
                expected[task]++;
            team_run_tasks(t, &program, n_tasks);
            assert_memory_equal(runs, expected, sizeof(runs));
        }
        if (t)
            team_forget(t);
        team_free(t);
    }
}

static void thread_counts_out_of_range_are_refused(void **state)
{
    (void)state;
    team *t = NULL;
    assert_int_equal(team_new(0, &t), ROTO_ERROR_ARGUMENT);
    assert_int_equal(team_new(TEAM_MAX_THREADS + 1, &t), ROTO_ERROR_ARGUMENT);
    assert_null(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once_after_all_earlier_steps),
        cmocka_unit_test(the_number_of_tasks_may_change_from_run_to_run),
        cmocka_unit_test(thread_counts_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
