#include "base/team.h"

#include "base/error.h"
#include "base/memory.h"

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>

/* How often a waiting worker looks again before it offers its core to others. Roughly 5
 * microseconds: longer than most steps' imbalance, shorter than a time slice that decoding could
 * use. */
enum { SPINS_BEFORE_YIELD = 200 };

typedef struct team_worker {
    struct team *team;
    pthread_t thread;
    int index;
} team_worker;

struct team {
    int n_threads;
    team_worker *workers; /* n_threads - 1 started ones */
    int n_started;

    pthread_mutex_t run_lock; /* one program at a time */
    pthread_mutex_t lock;     /* guards what follows */
    pthread_cond_t wake, idle;
    team_program *program; /* what workers join; NULL between runs */
    uint32_t run;          /* number of the current run, never 0 */
    int n_active;          /* workers inside a program */
    bool stop;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

/* Takes a task of the step; false when none is left or the step belongs to a later run. Every other
 * worker takes from the back, so that with two of them (and less so with more) a step finds in its
 * core's cache what that core left there in the step before. */
static bool take_task(team_step *step, uint32_t run, int worker, int *task)
{
    const bool from_back = worker % 2 != 0;
    const uint64_t one = from_back ? (uint64_t)1 << 16 : 1;
    uint64_t seen = atomic_load_explicit(&step->taken, memory_order_acquire);
    for (;;) {
        const int front = (int)(seen & 0xffff), back = (int)(seen >> 16 & 0xffff);
        if ((uint32_t)(seen >> 32) != run || front + back >= step->n_tasks)
            return false;
        if (atomic_compare_exchange_weak_explicit(&step->taken, &seen, seen + one,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            *task = from_back ? step->n_tasks - 1 - back : front;
            return true;
        }
    }
}

/* Waits for the step's last task; false when the run is over without this worker. */
static bool wait_step(const team_step *step, uint32_t run)
{
    const uint64_t finished = (uint64_t)run << 32 | (uint32_t)step->n_tasks;
    for (int spins = 0;;) {
        uint64_t done = atomic_load_explicit(&step->done, memory_order_acquire);
        if (done == finished)
            return true;
        if ((uint32_t)(done >> 32) != run)
            return false;
        if (++spins < SPINS_BEFORE_YIELD) {
            relax();
        } else {
            sched_yield();
            spins = 0;
        }
    }
}

static void work(const team_program *program, uint32_t run, int worker)
{
    for (int s = 0; s < program->n_steps; s++) {
        team_step *step = &program->steps[s];
        int task = 0;
        while (take_task(step, run, worker, &task)) {
            program->run(program->user, s, task, worker);
            atomic_fetch_add_explicit(&step->done, 1, memory_order_acq_rel);
        }
        if (!wait_step(step, run))
            return;
    }
}

static void *worker_main(void *arg)
{
    team_worker *worker = arg;
    team *t = worker->team;
    uint32_t last_run = 0;
    pthread_mutex_lock(&t->lock);
    for (;;) {
        while (!t->stop && (!t->program || t->run == last_run))
            pthread_cond_wait(&t->wake, &t->lock);
        if (t->stop)
            break;
        last_run = t->run;
        const team_program *program = t->program;
        t->n_active++;
        pthread_mutex_unlock(&t->lock);
        work(program, last_run, worker->index);
        pthread_mutex_lock(&t->lock);
        if (--t->n_active == 0)
            pthread_cond_broadcast(&t->idle);
    }
    pthread_mutex_unlock(&t->lock);
    return NULL;
}

roto_status team_new(int n_threads, team **out)
{
    *out = NULL;
    if (n_threads < 1 || n_threads > TEAM_MAX_THREADS)
        return roto_fail(ROTO_ERROR_ARGUMENT, "the number of threads is %d; it has to be 1..%d",
                         n_threads, TEAM_MAX_THREADS);
    team *t = memory_new_array(1, sizeof(*t));
    if (!t)
        return ROTO_ERROR_MEMORY;
    t->n_threads = n_threads;
    pthread_mutex_init(&t->run_lock, NULL);
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->wake, NULL);
    pthread_cond_init(&t->idle, NULL);
    t->workers = memory_new_array((size_t)n_threads, sizeof(*t->workers));
    if (!t->workers) {
        team_free(t);
        return ROTO_ERROR_MEMORY;
    }
    for (int i = 0; i < n_threads - 1; i++) {
        t->workers[i] = (team_worker){.team = t, .index = i + 1};
        if (pthread_create(&t->workers[i].thread, NULL, worker_main, &t->workers[i]) != 0) {
            team_free(t);
            return roto_fail(ROTO_ERROR_MEMORY, "the system refused to start thread %d of %d",
                             i + 2, n_threads);
        }
        t->n_started++;
    }
    *out = t;
    return ROTO_OK;
}

void team_free(team *t)
{
    if (!t)
        return;
    pthread_mutex_lock(&t->lock);
    t->stop = true;
    pthread_cond_broadcast(&t->wake);
    pthread_mutex_unlock(&t->lock);
    for (int i = 0; i < t->n_started; i++)
        pthread_join(t->workers[i].thread, NULL);
    pthread_cond_destroy(&t->idle);
    pthread_cond_destroy(&t->wake);
    pthread_mutex_destroy(&t->lock);
    pthread_mutex_destroy(&t->run_lock);
    free(t->workers);
    free(t);
}

int team_n_threads(const team *t)
{
    return t->n_threads;
}

void team_run(team *t, team_program *program)
{
    pthread_mutex_lock(&t->run_lock);
    pthread_mutex_lock(&t->lock);
    const uint32_t run = t->run == UINT32_MAX ? 1 : t->run + 1;
    t->run = run;
    for (int s = 0; s < program->n_steps; s++) {
        atomic_store_explicit(&program->steps[s].done, (uint64_t)run << 32, memory_order_release);
        atomic_store_explicit(&program->steps[s].taken, (uint64_t)run << 32, memory_order_release);
    }
    if (t->n_threads > 1) {
        t->program = program;
        pthread_cond_broadcast(&t->wake);
    }
    pthread_mutex_unlock(&t->lock);

    work(program, run, 0);

    pthread_mutex_lock(&t->lock);
    t->program = NULL;
    pthread_mutex_unlock(&t->lock);
    pthread_mutex_unlock(&t->run_lock);
}

void team_run_tasks(team *t, team_program *program, int n_tasks)
{
    if (!t || t->n_threads < 2 || n_tasks < 2) {
        for (int task = 0; task < n_tasks; task++)
            program->run(program->user, 0, task, 0);
        return;
    }
    if (program->steps->n_tasks != n_tasks) {
        team_forget(t);
        program->steps->n_tasks = n_tasks;
    }
    team_run(t, program);
}

void team_forget(team *t)
{
    pthread_mutex_lock(&t->lock);
    while (t->n_active > 0)
        pthread_cond_wait(&t->idle, &t->lock);
    pthread_mutex_unlock(&t->lock);
}
