#include "backend/checkops/roof.h"

#include "base/memory.h"
#include "base/team.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Enough independent chains to hide the latency of a multiply-add (4 to 5 cycles, two a cycle). */
enum { N_CHAINS = 12, N_ROUNDS = 2000000, COPY_BYTES = 16 << 20, N_REPEATS = 40 };

typedef float v4 __attribute__((vector_size(16)));
typedef float v8 __attribute__((vector_size(32)));
typedef float v16 __attribute__((vector_size(64)));

/* One function an instruction set; the compiler contracts a * b + c where the set has it, and has
 * to unroll the chains for them to stay in registers. */
#define CHAINS(name, vector, attributes)                                                           \
    attributes static float name(void)                                                             \
    {                                                                                              \
        vector acc[N_CHAINS], scale = (vector){0} + 0.999999f, step = (vector){0} + 1e-6f;         \
        _Pragma("GCC unroll 12") for (int i = 0; i < N_CHAINS; i++) acc[i] =                       \
            (vector){0} + (float)i;                                                                \
        for (int round = 0; round < N_ROUNDS; round++) {                                           \
            _Pragma("GCC unroll 12") for (int i = 0; i < N_CHAINS; i++) acc[i] =                   \
                acc[i] * scale + step;                                                             \
        }                                                                                          \
        vector sum = {0};                                                                          \
        _Pragma("GCC unroll 12") for (int i = 0; i < N_CHAINS; i++) sum += acc[i];                 \
        return sum[0];                                                                             \
    }
#if defined(__x86_64__)
CHAINS(chains_avx2, v8, __attribute__((target("avx2,fma"), optimize("O3", "fp-contract=fast"))))
CHAINS(chains_avx512, v16,
       __attribute__((target("avx512f,fma"), optimize("O3", "fp-contract=fast"))))
#endif
CHAINS(chains_generic, v4, __attribute__((optimize("O3"))))

typedef struct measurement {
    float (*chains)(void);
    char *from[TEAM_MAX_THREADS], *to[TEAM_MAX_THREADS];
    float result[TEAM_MAX_THREADS];
    double seconds[TEAM_MAX_THREADS]; /* of each task */
} measurement;

static double thread_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void run_chains(void *user, int step, int task, int worker)
{
    (void)step, (void)worker;
    measurement *m = user;
    const double start = thread_seconds();
    m->result[task] = m->chains();
    m->seconds[task] = thread_seconds() - start;
}

static void run_copy(void *user, int step, int task, int worker)
{
    (void)step, (void)worker;
    measurement *m = user;
    const double start = thread_seconds();
    memcpy(m->to[task], m->from[task], COPY_BYTES);
    m->seconds[task] = thread_seconds() - start;
}

/* Shortest time of a task on every thread at once: the processor's time for each thread, since
 * other programs hardly show in it; many short runs, since they disturb most of them. */
static double seconds_of(team *t, team_fn *run, measurement *m)
{
    static team_step step;
    double best = 1e30;
    for (int i = 0; i < N_REPEATS; i++) {
        memset(&step, 0, sizeof(step));
        step.n_tasks = team_n_threads(t);
        team_program program = {.steps = &step, .n_steps = 1, .run = run, .user = m};
        for (int k = 0; k < step.n_tasks; k++)
            m->seconds[k] = 0;
        team_run(t, &program);
        team_forget(t);
        double longest = 0;
        for (int k = 0; k < step.n_tasks; k++)
            longest = m->seconds[k] > longest ? m->seconds[k] : longest;
        best = longest < best ? longest : best;
    }
    return best;
}

roto_status roof_measure(const char *isa, int n_threads, machine_roof *out)
{
    static measurement m;
    memset(&m, 0, sizeof(m));
    int width = 4;
    m.chains = chains_generic;
#if defined(__x86_64__)
    if (strcmp(isa, "avx2") == 0) {
        m.chains = chains_avx2;
        width = 8;
    } else if (strcmp(isa, "avx512") == 0) {
        m.chains = chains_avx512;
        width = 16;
    }
#endif
    team *t = NULL;
    roto_status status = team_new(n_threads, &t);
    for (int i = 0; i < n_threads && status == ROTO_OK; i++) {
        m.from[i] = memory_new_aligned(COPY_BYTES);
        m.to[i] = memory_new_aligned(COPY_BYTES);
        if (!m.from[i] || !m.to[i])
            status = ROTO_ERROR_MEMORY;
    }
    if (status == ROTO_OK) {
        const double flops = 2.0 * width * N_CHAINS * N_ROUNDS * n_threads;
        out->flops_per_s = flops / seconds_of(t, run_chains, &m);
        out->bytes_per_s = 2.0 * COPY_BYTES * n_threads / seconds_of(t, run_copy, &m);
    }
    for (int i = 0; i < n_threads; i++) {
        free(m.from[i]);
        free(m.to[i]);
    }
    team_free(t);
    return status;
}
