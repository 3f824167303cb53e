#include "backend/cuda/module/order.h"

#include "backend/cuda/module/executable.h"
#include "backend/cuda/module/ports.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

enum { N_LANES = 4, NONE = -1 };

/* A stream, and which of the other lanes' nodes its next node comes after anyhow. */
typedef struct lane {
    cudaStream_t stream;
    int latest; /* node given to it */
    int seen[N_LANES];
} lane;

/* The streams and events that recording a run takes. */
typedef struct run_order {
    executable *e;
    lane lanes[N_LANES];      /* the first one's stream is the executable's */
    int *lane_of;             /* by node */
    cudaEvent_t start, *done; /* by node */
} run_order;

static byte_span span_of(const dev_operand *o)
{
    const int64_t elements = (shape_rows(&o->shape) - 1) * o->row_stride + shape_last(&o->shape);
    const char *const first = o->at.data;
    return (byte_span){first, first + elements * (o->at.is_bf16 ? 2 : 4)};
}

node_use order_use_of(const dev_site *site, size_t first_step)
{
    node_use use = {.first_step = first_step, .n_steps = site->e->n_steps - first_step};
    for (int i = 0; i < site->node->n_in; i++) {
        if (site->in[i].at.data && !site->in[i].constant)
            use.reads[i] = span_of(&site->in[i]);
    }
    use.writes[0] = span_of(&site->out);
    if (site->workspace_used > 0)
        use.writes[1] = (byte_span){site->workspace, site->workspace + site->workspace_used};
    return use;
}

static bool overlap(byte_span a, byte_span b)
{
    return a.first < b.end && b.first < a.end;
}

/* Whether `later` has to wait for `earlier`. */
static bool comes_after(const node_use *later, const node_use *earlier)
{
    for (int w = 0; w < 2; w++) {
        for (int i = 0; i < GRAPH_MAX_INPUTS; i++) {
            if (overlap(later->reads[i], earlier->writes[w]) ||
                overlap(earlier->reads[i], later->writes[w]))
                return true;
        }
        for (int k = 0; k < 2; k++) {
            if (overlap(later->writes[w], earlier->writes[k]))
                return true;
        }
    }
    return false;
}

/* By lane, the latest node that `node` has to wait for. */
static void find_needed(const run_order *o, int node, int needed[N_LANES])
{
    for (int i = 0; i < N_LANES; i++)
        needed[i] = NONE;
    for (int i = 0; i < node; i++) {
        if (comes_after(&o->e->uses[node], &o->e->uses[i]))
            needed[o->lane_of[i]] = i;
    }
}

/* The lane that ends with what is needed last, so that a chain of nodes stays in one; else the one
 * that has been left alone for longest. */
static int choose_lane(const run_order *o, const int needed[N_LANES])
{
    int best = NONE, oldest = 0;
    for (int i = 0; i < N_LANES; i++) {
        if (needed[i] != NONE && needed[i] == o->lanes[i].latest &&
            (best == NONE || needed[i] > needed[best]))
            best = i;
        if (o->lanes[i].latest < o->lanes[oldest].latest)
            oldest = i;
    }
    return best == NONE ? oldest : best;
}

static roto_status launch_node(run_order *o, int node)
{
    const node_use *use = &o->e->uses[node];
    int needed[N_LANES];
    find_needed(o, node, needed);
    const int at = choose_lane(o, needed);
    lane *to = &o->lanes[at];
    if (at != 0 && to->latest == NONE)
        DEVICE_TRY(cudaStreamWaitEvent(to->stream, o->start, 0), "starting a stream");
    for (int i = 0; i < N_LANES; i++) {
        if (i == at || needed[i] <= to->seen[i])
            continue;
        DEVICE_TRY(cudaStreamWaitEvent(to->stream, o->done[needed[i]], 0), "ordering nodes");
        to->seen[i] = needed[i];
    }
    for (size_t i = 0; i < use->n_steps; i++)
        ROTO_TRY(step_launch(&o->e->steps[use->first_step + i], to->stream));
    DEVICE_TRY(cudaEventRecord(o->done[node], to->stream), "ordering nodes");
    o->lane_of[node] = at;
    to->latest = node;
    return ROTO_OK;
}

static roto_status launch_nodes(run_order *o)
{
    DEVICE_TRY(cudaEventRecord(o->start, o->lanes[0].stream), "starting");
    for (size_t i = 0; i < o->e->n_uses; i++)
        ROTO_TRY(launch_node(o, (int)i));
    for (int i = 1; i < N_LANES; i++) {
        if (o->lanes[i].latest != NONE)
            DEVICE_TRY(cudaStreamWaitEvent(o->lanes[0].stream, o->done[o->lanes[i].latest], 0),
                       "waiting for a stream");
    }
    return ROTO_OK;
}

static roto_status make_streams(run_order *o)
{
    for (int i = 1; i < N_LANES; i++)
        DEVICE_TRY(cudaStreamCreateWithPriority(&o->lanes[i].stream, cudaStreamNonBlocking,
                                                queue_priority(o->e->owner, o->e->queue)),
                   "making a stream");
    DEVICE_TRY(cudaEventCreateWithFlags(&o->start, cudaEventDisableTiming), "making an event");
    for (size_t i = 0; i < o->e->n_uses; i++)
        DEVICE_TRY(cudaEventCreateWithFlags(&o->done[i], cudaEventDisableTiming),
                   "making an event");
    return ROTO_OK;
}

static void order_free(run_order *o)
{
    if (!o)
        return;
    for (size_t i = 0; o->done && i < o->e->n_uses; i++) {
        if (o->done[i])
            (void)cudaEventDestroy(o->done[i]);
    }
    if (o->start)
        (void)cudaEventDestroy(o->start);
    for (int i = 1; i < N_LANES; i++) {
        if (o->lanes[i].stream)
            (void)cudaStreamDestroy(o->lanes[i].stream);
    }
    free(o->lane_of);
    free(o->done);
    free(o);
}

static roto_status order_new(executable *e, run_order **out)
{
    const size_t n = e->n_uses + 1;
    *out = NULL;
    run_order *o = memory_new_array(1, sizeof(*o));
    if (!o)
        return ROTO_ERROR_MEMORY;
    o->e = e;
    for (int i = 0; i < N_LANES; i++) {
        o->lanes[i] = (lane){.latest = NONE};
        for (int k = 0; k < N_LANES; k++)
            o->lanes[i].seen[k] = NONE;
    }
    o->lanes[0].stream = e->stream;
    o->lane_of = memory_new_array(n, sizeof(*o->lane_of));
    o->done = memory_new_array(n, sizeof(cudaEvent_t));
    const roto_status status = o->lane_of && o->done ? make_streams(o) : ROTO_ERROR_MEMORY;
    if (status != ROTO_OK) {
        order_free(o);
        return status;
    }
    *out = o;
    return ROTO_OK;
}

static roto_status launch_all(executable *e)
{
    ROTO_TRY(ports_copy_in(e));
    for (size_t i = 0; i < e->n_steps; i++)
        ROTO_TRY(step_launch(&e->steps[i], e->stream));
    return ports_copy_out(e);
}

static roto_status record_all(executable *e, run_order *o)
{
    ROTO_TRY(ports_copy_in(e));
    ROTO_TRY(launch_nodes(o));
    return ports_copy_out(e);
}

roto_status order_record(executable *e)
{
    cudaStream_t stream = e->stream;
    cudaGraph_t recorded = NULL;
    /* Once without recording: loading a kernel for the first time may not be possible meanwhile. */
    for (int i = 0; i < graph_n_inputs(e->g); i++) {
        if (e->inputs[i])
            memset(e->inputs[i], 0,
                   (size_t)shape_count(
                       &graph_tensor_at(e->g, graph_input_at(e->g, i)->tensor)->shape) *
                       sizeof(float));
    }
    ROTO_TRY(launch_all(e));
    DEVICE_TRY(cudaStreamSynchronize(stream), "the first run");
    run_order *o = NULL;
    ROTO_TRY(order_new(e, &o));
    roto_status status = device_check(
        cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "recording a run");
    if (status != ROTO_OK) {
        order_free(o);
        return status;
    }
    status = record_all(e, o);
    const cudaError_t ended = cudaStreamEndCapture(stream, &recorded); /* also after a failure */
    order_free(o);
    if (status == ROTO_OK)
        status = device_check(ended, "recording a run");
    if (status == ROTO_OK)
        status = device_check(cudaGraphInstantiate(&e->replay, recorded, 0),
                              "making a graph of %zu launches", e->n_steps);
    if (recorded)
        (void)cudaGraphDestroy(recorded);
    return status;
}
