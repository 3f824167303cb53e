/* base/team.h - worker threads that execute a list of steps together with little waiting.
 *
 * A program is a list of steps; a step is a number of independent tasks, and all of its tasks end
 * before the next step starts. The caller works too, so a team of 1 has no threads. Workers that
 * the system schedules late cost nothing unless they hold a task: nobody waits for arrivals, only
 * for tasks in flight.
 */
#ifndef BASE_TEAM_H
#define BASE_TEAM_H

#include <roto/error.h>
#include <stdatomic.h>
#include <stdint.h>

enum { TEAM_MAX_THREADS = 256, TEAM_MAX_TASKS = 0xffff };

typedef struct team team;

/* Runs one task of one step; `worker` is 0..n_threads-1 and tells per-thread scratch memory apart.
 */
typedef void team_fn(void *user, int step, int task, int worker);

/* Counters of one step, on its own cache line. */
typedef struct team_step {
    _Alignas(
        64) _Atomic uint64_t taken; /* run << 32 | tasks from the back << 16 | from the front */
    _Atomic uint64_t done;          /* run << 32 | tasks finished */
    int n_tasks;                    /* 0..TEAM_MAX_TASKS */
} team_step;

/* Memory for the steps is the caller's, must be zeroed before the first run apart from n_tasks, and
 * must stay, and n_tasks as it is, until team_forget(). */
typedef struct team_program {
    team_step *steps;
    int n_steps;
    team_fn *run;
    void *user;
} team_program;

roto_status team_new(int n_threads, team **out); /* 1..TEAM_MAX_THREADS */
void team_free(team *t);                         /* NULL is fine */
int team_n_threads(const team *t);

/* Executes the program; returns when every task has ended. One run at a time, from any thread. */
void team_run(team *t, team_program *program);

/* Executes a program of one step, which may have another number of tasks each time; of fewer than
 * two, or without a team (NULL), the caller does all, as worker 0. Sets steps->n_tasks: a worker
 * that the system schedules late may still look at what the run before had there. */
void team_run_tasks(team *t, team_program *program, int n_tasks);

/* Waits until no worker looks at any earlier program, so that its memory can go. */
void team_forget(team *t);

#endif
