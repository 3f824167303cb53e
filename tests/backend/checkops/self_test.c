#include "backend/checkops/self_test.h"

#include "backend/checkops/check.h"

#include <math.h>
#include <stdio.h>

/* The reference with a defect. The state is global because the table of functions has no room for
 * it; the program has one thread. */
typedef enum defect {
    DEFECT_NONE,
    DEFECT_LAST_VALUE,  /* the last element is a little off */
    DEFECT_STALE,       /* the last element is not written */
    DEFECT_THREADS,     /* with two threads the first element's last bit flips */
    DEFECT_SECOND_RUN,  /* the second run flips a bit */
    DEFECT_UNSUPPORTED, /* compiling refuses */
    DEFECT_COUNT
} defect;

static defect current;
static int n_threads, n_runs;
static const graph *compiled;

static roto_status open_broken(const backend_params *params, backend **out)
{
    n_threads = params->n_threads;
    return backend_reference.open(params, out);
}

static roto_status compile_broken(backend *b, const graph *g, executable **out)
{
    n_runs = 0;
    compiled = g;
    *out = NULL;
    return current == DEFECT_UNSUPPORTED ? ROTO_ERROR_UNSUPPORTED
                                         : backend_reference.compile(b, g, out);
}

static roto_status run_broken(executable *e)
{
    const roto_status status = backend_reference.run(e);
    const tensor_shape *shape =
        &graph_tensor_at(compiled, graph_output_at(compiled, 0)->tensor)->shape;
    float *out = (float *)(uintptr_t)backend_reference.output(e, 0);
    float *last = out + shape_count(shape) - 1;
    n_runs++;
    float largest = 0;
    for (int64_t i = 0; i < shape_count(shape); i++)
        largest = fmaxf(largest, fabsf(out[i]));
    if (current == DEFECT_LAST_VALUE)
        *last += 1e-5f * largest;
    if (current == DEFECT_STALE)
        *last = NAN;
    if ((current == DEFECT_THREADS && n_threads == 2) ||
        (current == DEFECT_SECOND_RUN && n_runs == 2))
        *out = nextafterf(*out, INFINITY);
    return status;
}

bool self_test(const row_list *const *lists, int n_lists)
{
    backend_table broken = backend_reference;
    broken.open = open_broken;
    broken.compile = compile_broken;
    broken.run = run_broken;
    int n_checked = 0, n_wrong = 0;
    for (int l = 0; l < n_lists; l++) {
        for (int i = 0; i < lists[l]->n; i++) {
            const check_row *row = &lists[l]->rows[i];
            if (row->use == ROW_BENCH)
                continue;
            for (current = DEFECT_NONE; current < DEFECT_COUNT; current++) {
                const check_result r = check_row_on(row, &broken, NULL, PRECISION_FP32);
                const check_verdict right = current == DEFECT_NONE          ? CHECK_PASSED
                                            : current == DEFECT_UNSUPPORTED ? CHECK_MISSING
                                                                            : CHECK_FAILED;
                n_checked++;
                if (r.verdict == right)
                    continue;
                n_wrong++;
                printf("defect %d in %s '%s' gives verdict %d, not %d\n", (int)current,
                       op_name(row->op), row->name, (int)r.verdict, (int)right);
            }
        }
    }
    printf("%d defects planted, %d judged wrongly\n", n_checked, n_wrong);
    return n_checked > 0 && n_wrong == 0;
}
