/* The CPU backend: a fused and placed graph becomes a list of kernels that a worker team executes.
 */
#include "backend/cpu/kernel.h"
#include "backend/host_buffer.h"

#include "base/clock.h"
#include "base/cpu_features.h"
#include "base/error.h"
#include "base/memory.h"
#include "base/team.h"
#include "graph/plan.h"

#include <stdlib.h>
#include <string.h>

struct backend {
    team *team;
    isa_level isa;
    bf16_product bf16;
};

struct executable {
    backend *owner;
    graph *g; /* fused */
    graph_layout *layout;
    buffer **bound; /* by tensor; NULL for those of the arena */
    char *arena;
    kernel_memory memory;
    kernel *kernels; /* one or two for every node that is not skipped */
    kernel_info *infos;
    int n_kernels;
    char *scratch; /* scratch_stride bytes for every worker */
    size_t scratch_stride;
    team_program program;
};

static const plan_traits traits = {.fuse = true, .views = true};

static roto_status choose_isa(const char *name, isa_level *out)
{
    static const char *const names[ISA_COUNT] = {"generic", "avx2", "avx512"};
    const cpu_features features = cpu_features_detect();
    const isa_level best = features.avx512 ? ISA_AVX512 : features.avx2 ? ISA_AVX2 : ISA_GENERIC;
    *out = best;
    if (!name)
        return ROTO_OK;
    for (int i = 0; i < ISA_COUNT; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        if (i > (int)best)
            return roto_fail(ROTO_ERROR_UNSUPPORTED,
                             "cpu backend: this processor has no %s; its best is %s", name,
                             names[best]);
        *out = (isa_level)i;
        return ROTO_OK;
    }
    return roto_fail(ROTO_ERROR_ARGUMENT,
                     "cpu backend: instruction set '%s' is not generic, avx2 or avx512", name);
}

/* AMX if the processor and the system let us, else AVX512-BF16. */
static roto_status choose_bf16(const char *name, isa_level *isa, bf16_product *out)
{
    const bool any = !name;
    *isa = ISA_GENERIC;
    *out = BF16_AMX_EMULATED;
    if (name && strcmp(name, "amx-emulated") == 0)
        return ROTO_OK;
    *isa = ISA_AVX512;
    *out = BF16_AMX;
    if ((any || strcmp(name, "amx") == 0) && cpu_amx_permit())
        return ROTO_OK;
    *out = BF16_AVX512;
    if ((any || strcmp(name, "avx512") == 0) && cpu_features_detect().avx512_bf16)
        return ROTO_OK;
    return roto_fail(
        ROTO_ERROR_UNSUPPORTED,
        "cpu backend: bfloat16 needs a processor with AMX or AVX512-BF16%s%s; use fp32",
        any ? "" : ", and was limited to ", any ? "" : name);
}

static void cpu_close(backend *b)
{
    if (!b)
        return;
    team_free(b->team);
    free(b);
}

static roto_status cpu_open(const backend_params *params, backend **out)
{
    *out = NULL;
    isa_level isa = ISA_GENERIC;
    bf16_product bf16 = BF16_NONE;
    if (params->precision == PRECISION_BF16)
        ROTO_TRY(choose_bf16(params->isa, &isa, &bf16));
    else
        ROTO_TRY(choose_isa(params->isa, &isa));
    backend *b = memory_new_array(1, sizeof(*b));
    if (!b)
        return ROTO_ERROR_MEMORY;
    b->isa = isa;
    b->bf16 = bf16;
    roto_status status = team_new(params->n_threads, &b->team);
    if (status != ROTO_OK) {
        cpu_close(b);
        return status;
    }
    *out = b;
    return ROTO_OK;
}

static team *cpu_host_team(backend *b)
{
    return b->team;
}

static void run_task(void *user, int step, int task, int worker)
{
    const executable *e = user;
    const kernel *k = &e->kernels[step];
    k->run(k->state, task, e->scratch + (size_t)worker * e->scratch_stride);
}

static operand operand_of(const executable *e, tensor_id t)
{
    if (t == TENSOR_NONE)
        return (operand){.data = NULL};
    const graph_tensor *tensor = graph_tensor_at(e->g, t);
    const tensor_place *place = &e->layout->places[t];
    operand o = {.shape = tensor->shape, .row_stride = place->row_stride};
    if (place->kind == PLACE_CONSTANT) {
        o.constant = true;
        o.data = (float *)(uintptr_t)tensor->data; /* kernels write to outputs alone */
    } else if (place->kind == PLACE_BOUND) {
        o.data = e->bound[place->root]->data + place->offset_bytes / sizeof(float);
    } else {
        o.data = (float *)(void *)(e->arena + place->offset_bytes);
    }
    return o;
}

static void append(executable *e, const graph_node *node, const kernel *k, int64_t flops)
{
    e->infos[e->n_kernels] =
        (kernel_info){.node = node->name, .op = node->op, .kernel = k->name, .flops = flops};
    e->kernels[e->n_kernels++] = *k;
    if (k->scratch_bytes > e->scratch_stride)
        e->scratch_stride = k->scratch_bytes;
}

static roto_status prepare_node(executable *e, const graph_node *node)
{
    kernel_site site = {.node = node,
                        .isa = e->owner->isa,
                        .bf16 = e->owner->bf16,
                        .n_threads = team_n_threads(e->owner->team),
                        .memory = &e->memory};
    for (int i = 0; i < node->n_in; i++)
        site.in[i] = operand_of(e, node->in[i]);
    site.out = operand_of(e, node->out);
    kernel_prepare_fn *prepare = kernel_prepare_for(node->op);
    if (!prepare)
        return kernel_refuse(&site, "the operator is missing");
    kernel k = {.n_tasks = 0};
    ROTO_TRY(prepare(&site, &k));
    if (k.n_tasks == 0)
        return ROTO_OK;
    if (k.before)
        append(e, node, k.before, 0);
    append(e, node, &k, graph_node_flops(e->g, node));
    return ROTO_OK;
}

static void cpu_release(executable *e)
{
    if (!e)
        return;
    team_forget(e->owner->team);
    for (size_t i = 0; i < e->memory.n_blocks; i++)
        free(e->memory.blocks[i]);
    free(e->memory.blocks);
    free(e->program.steps);
    free(e->kernels);
    free(e->infos);
    free(e->scratch);
    free(e->arena);
    free(e->bound);
    graph_layout_free(e->layout);
    graph_free(e->g);
    free(e);
}

static roto_status allocate_run_memory(executable *e)
{
    /* Neighbours' scratch memory a page apart, so that no line is shared and no prefetch crosses.
     */
    enum { PAGE_BYTES = 4096 };
    const size_t n_threads = (size_t)team_n_threads(e->owner->team);
    size_t bytes = 0;
    if (!size_add(e->scratch_stride, 2 * PAGE_BYTES - 1, &e->scratch_stride))
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory: scratch memory of a worker");
    e->scratch_stride -= e->scratch_stride % PAGE_BYTES;
    if (!size_mul(e->scratch_stride, n_threads, &bytes))
        return roto_fail(ROTO_ERROR_MEMORY, "out of memory: scratch memory of %zu workers",
                         n_threads);
    e->scratch = memory_new_aligned(bytes);
    e->program = (team_program){.n_steps = e->n_kernels, .run = run_task, .user = e};
    e->program.steps = memory_new_aligned(((size_t)e->n_kernels + 1) * sizeof(*e->program.steps));
    if (!e->scratch || !e->program.steps)
        return ROTO_ERROR_MEMORY;
    for (int i = 0; i < e->n_kernels; i++)
        e->program.steps[i].n_tasks = e->kernels[i].n_tasks;
    return ROTO_OK;
}

static roto_status build(executable *e, const graph *g, const port_buffers *ports)
{
    ROTO_TRY(port_buffers_lay_out(g, &traits, ports, e->owner, &e->g, &e->bound, &e->layout));
    const int n_nodes = graph_n_nodes(e->g);
    e->arena = memory_new_aligned(e->layout->arena_bytes ? e->layout->arena_bytes : 1);
    e->kernels = memory_new_array(2 * (size_t)n_nodes, sizeof(*e->kernels));
    e->infos = memory_new_array(2 * (size_t)n_nodes, sizeof(*e->infos));
    if (!e->arena || !e->kernels || !e->infos)
        return ROTO_ERROR_MEMORY;
    for (int i = 0; i < n_nodes; i++) {
        if (!e->layout->skipped[i])
            ROTO_TRY(prepare_node(e, graph_node_at(e->g, i)));
    }
    return allocate_run_memory(e);
}

static roto_status cpu_compile_bound(backend *b, const graph *g, const port_buffers *ports,
                                     executable **out)
{
    *out = NULL;
    executable *e = memory_new_array(1, sizeof(*e));
    if (!e)
        return ROTO_ERROR_MEMORY;
    e->owner = b;
    roto_status status = build(e, g, ports);
    if (status != ROTO_OK) {
        cpu_release(e);
        return status;
    }
    *out = e;
    return ROTO_OK;
}

static roto_status cpu_compile(backend *b, const graph *g, executable **out)
{
    return cpu_compile_bound(b, g, NULL, out);
}

static void *port_memory(const executable *e, const graph_port *port)
{
    return e->bound[port->tensor] ? NULL : operand_of(e, port->tensor).data;
}

static void *cpu_input(executable *e, int index)
{
    return port_memory(e, graph_input_at(e->g, index));
}

static const void *cpu_output(executable *e, int index)
{
    return port_memory(e, graph_output_at(e->g, index));
}

static roto_status cpu_run(executable *e)
{
    team_run(e->owner->team, &e->program);
    return ROTO_OK;
}

typedef struct single_step {
    executable *e;
    int step;
} single_step;

static void run_single_task(void *user, int step, int task, int worker)
{
    const single_step *single = user;
    run_task(single->e, single->step + step, task, worker);
}

static roto_status cpu_profile(executable *e, const kernel_info **infos, int *n_infos)
{
    for (int i = 0; i < e->n_kernels; i++) {
        single_step single = {.e = e, .step = i};
        team_program program = {
            .steps = &e->program.steps[i], .n_steps = 1, .run = run_single_task, .user = &single};
        const int64_t start = clock_now_ns();
        team_run(e->owner->team, &program);
        e->infos[i].seconds = (double)(clock_now_ns() - start) * 1e-9;
        team_forget(e->owner->team); /* `program` goes */
    }
    *infos = e->infos;
    *n_infos = e->n_kernels;
    return ROTO_OK;
}

static size_t cpu_memory_bytes(const executable *e)
{
    return e->layout->arena_bytes + e->memory.bytes +
           e->scratch_stride * (size_t)team_n_threads(e->owner->team);
}

const backend_table backend_cpu = {
    .name = "cpu",
    .open = cpu_open,
    .close = cpu_close,
    .host_team = cpu_host_team,
    .compile = cpu_compile,
    .compile_bound = cpu_compile_bound,
    .release = cpu_release,
    .input = cpu_input,
    .output = cpu_output,
    .run = cpu_run,
    .buffer_new = host_buffer_new,
    .buffer_free = host_buffer_free,
    .enqueue = cpu_run,
    .copy = host_buffer_copy,
    .queue_after = host_queue_after,
    .wait = host_buffer_wait,
    .profile = cpu_profile,
    .memory_bytes = cpu_memory_bytes,
    .largest_batch = 1, /* one object keeps the cores busy, and its keys stay in the cache */
};
