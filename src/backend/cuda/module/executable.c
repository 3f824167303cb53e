/* The CUDA backend: a fused and placed graph becomes a list of launches with final addresses, which
 * is captured as one CUDA graph together with the copies of inputs and outputs. */
#include "backend/cuda/module/executable.h"

#include "backend/cuda/module/blas.h"
#include "backend/cuda/module/buffer.h"
#include "backend/cuda/module/conv_tiny.h"
#include "backend/cuda/module/module.h"
#include "backend/cuda/module/picture.h"
#include "backend/cuda/module/ports.h"
#include "backend/cuda/module/storage.h"
#include "backend/cuda/module/weights.h"
#include "base/error.h"
#include "base/memory.h"

#include <stdlib.h>
#include <string.h>

/* Nodes whose tensors are as small as that leave most of a GPU idle. */
enum { APART_BYTES = 256 << 10 };
/* Up to so much workspace a node has for itself, all such nodes together. */
enum { OWN_WORKSPACE_BYTES = 1 << 20, OWN_WORKSPACES_BYTES = 32 << 20 };

static const plan_traits traits_fp32 = {.fuse = true,
                                        .views = true,
                                        .apart_bytes = APART_BYTES,
                                        .norm_activations = true,
                                        .takes_norm = conv_is_tiny},
                         traits_bf16 = {.fuse = true,
                                        .views = true,
                                        .apart_bytes = APART_BYTES,
                                        .choose_bytes = storage_choose,
                                        .norm_activations = true,
                                        .takes_norm = conv_is_tiny};

static site_prepare_fn *const prepare_fns[OP_COUNT] = {
    [OP_CONV2D] = conv2d_prepare,
    [OP_CONV_TRANSPOSE2D] = conv_transpose2d_prepare,
    [OP_LINEAR] = linear_prepare,
    [OP_MATMUL] = matmul_prepare,
    [OP_ATTENTION] = attention_prepare,
    [OP_LAYER_NORM] = layer_norm_prepare,
    [OP_SOFTMAX] = softmax_prepare,
    [OP_UNARY] = unary_prepare,
    [OP_BINARY] = binary_prepare,
    [OP_POOL2D] = pool2d_prepare,
    [OP_RESIZE2D] = resize2d_prepare,
    [OP_REDUCE] = reduce_prepare,
    [OP_CONCAT] = concat_prepare,
    [OP_SLICE] = slice_prepare,
    [OP_PAD] = pad_prepare,
    [OP_TRANSPOSE] = transpose_prepare,
    [OP_RESHAPE] = reshape_prepare,
};

static void cuda_close(backend *b)
{
    if (!b)
        return;
    (void)cudaSetDevice(b->device);
    blas_free(b->blas);
    weight_pool_free(&b->weights);
    scratch_free(&b->scratch);
    for (int i = 0; i < BACKEND_N_QUEUES; i++) {
        if (b->streams[i])
            (void)cudaStreamDestroy(b->streams[i]);
        if (b->passed[i])
            (void)cudaEventDestroy(b->passed[i]);
    }
    free(b);
}

/* What is done ahead steps back for what somebody waits for. */
static roto_status make_queues(backend *b)
{
    DEVICE_TRY(cudaDeviceGetStreamPriorityRange(&b->least_priority, &b->greatest_priority),
               "asking for priorities");
    for (int i = 0; i < BACKEND_N_QUEUES; i++) {
        DEVICE_TRY(cudaStreamCreateWithPriority(&b->streams[i], cudaStreamNonBlocking,
                                                queue_priority(b, (backend_queue)i)),
                   "making a stream");
        DEVICE_TRY(cudaEventCreateWithFlags(&b->passed[i], cudaEventDisableTiming),
                   "making an event");
    }
    return ROTO_OK;
}

static roto_status open_device(backend *b, const backend_params *params)
{
    int n_devices = 0;
    ROTO_TRY(device_count(&n_devices));
    if (params->device < 0 || params->device >= n_devices)
        return roto_fail(ROTO_ERROR_DEVICE, "cuda: there is no device %d; this machine has %d",
                         params->device, n_devices);
    struct cudaDeviceProp prop;
    DEVICE_TRY(cudaGetDeviceProperties(&prop, params->device), "asking about device %d",
               params->device);
    b->device = params->device;
    b->precision = params->precision;
    b->n_multiprocessors = prop.multiProcessorCount;
    b->compute_capability = prop.major * 10 + prop.minor;
    if (b->compute_capability < 80)
        return roto_fail(ROTO_ERROR_DEVICE,
                         "cuda: %s has compute capability %d.%d; at least 8.0 is needed", prop.name,
                         prop.major, prop.minor);
    DEVICE_TRY(cudaSetDevice(b->device), "choosing device %d", b->device);
    ROTO_TRY(make_queues(b));
    b->only_common = params->isa != NULL;
    if (!b->only_common && b->precision == PRECISION_BF16)
        b->blas = blas_new();
    return ROTO_OK;
}

static roto_status cuda_open(const backend_params *params, backend **out)
{
    *out = NULL;
    if (params->isa && strcmp(params->isa, "mma") != 0)
        return roto_fail(ROTO_ERROR_ARGUMENT, "cuda: kernels '%s' are not known; there is \"mma\"",
                         params->isa);
    backend *b = memory_new_array(1, sizeof(*b));
    if (!b)
        return ROTO_ERROR_MEMORY;
    const roto_status status = open_device(b, params);
    if (status != ROTO_OK) {
        cuda_close(b);
        return status;
    }
    *out = b;
    return ROTO_OK;
}

static void cuda_release(executable *e)
{
    if (!e)
        return;
    (void)cudaSetDevice(e->owner->device);
    (void)cudaStreamSynchronize(e->stream); /* it may still be running */
    if (e->replay)
        (void)cudaGraphExecDestroy(e->replay);
    for (size_t i = 0; i < e->n_steps; i++) {
        if (e->steps[i].release)
            e->steps[i].release(e->steps[i].params);
        free(e->steps[i].params);
    }
    ports_free(e);
    device_memory_free(&e->memory);
    weight_pool_let_go(&e->owner->weights, &e->weights);
    scratch_give_back(&e->owner->scratch, e->arena_block);
    scratch_give_back(&e->owner->scratch, e->workspace_block);
    free(e->steps);
    free(e->infos);
    free(e->bound);
    free(e->node_workspace);
    free(e->uses);
    free(e->constants);
    graph_layout_free(e->layout);
    graph_free(e->g);
    free(e);
}

/* Constants that a node reads as they are; weights of products are packed by their operators. */
static bool is_packed_by_operator(const graph_node *node, int input)
{
    return input == 1 &&
           (node->op == OP_CONV2D || node->op == OP_CONV_TRANSPOSE2D || node->op == OP_LINEAR);
}

static roto_status operand_of(dev_site *site, tensor_id t, bool packed, dev_operand *out)
{
    executable *e = site->e;
    *out = (dev_operand){.shape = {.rank = 0}};
    if (t == TENSOR_NONE)
        return ROTO_OK;
    const graph_tensor *tensor = graph_tensor_at(e->g, t);
    const tensor_place *place = &e->layout->places[t];
    out->shape = tensor->shape;
    out->row_stride = place->row_stride;
    if (shape_rows(&tensor->shape) * place->row_stride > INT32_MAX)
        return site_refuse(site, "tensor '%s' has more than 2^31 elements", tensor->name);
    if (place->kind == PLACE_BOUND) {
        out->at = (dev_ptr){(char *)e->bound[place->root]->data + place->offset_bytes, 0};
        return ROTO_OK;
    }
    if (place->kind == PLACE_ARENA) {
        out->at = (dev_ptr){e->arena + place->offset_bytes, executable_is_bf16(e, t)};
        return ROTO_OK;
    }
    out->constant = tensor->data;
    if (packed)
        return ROTO_OK;
    if (!e->constants[t]) {
        void *data = NULL;
        ROTO_TRY(weights_upload_constant(site, tensor, &data));
        if (e->measuring) {
            out->at = (dev_ptr){data, 0};
            return ROTO_OK;
        }
        e->constants[t] = data;
    }
    out->at = (dev_ptr){(void *)(uintptr_t)e->constants[t], 0};
    return ROTO_OK;
}

static roto_status prepare_node(executable *e, int index)
{
    const graph_node *node = graph_node_at(e->g, index);
    const size_t first_step = e->n_steps;
    dev_site site = {.e = e,
                     .node = node,
                     .precision = e->owner->precision,
                     .n_multiprocessors = e->owner->n_multiprocessors,
                     .compute_capability = e->owner->compute_capability,
                     .only_common = e->owner->only_common,
                     .blas = e->owner->blas,
                     .workspace = e->measuring ? NULL : e->workspace + e->node_workspace[index]};
    for (int i = 0; i < node->n_in; i++)
        ROTO_TRY(operand_of(&site, node->in[i], is_packed_by_operator(node, i), &site.in[i]));
    ROTO_TRY(operand_of(&site, node->out, false, &site.out));
    if (!prepare_fns[node->op])
        return site_refuse(&site, "the operator is missing");
    ROTO_TRY(prepare_fns[node->op](&site));
    if (e->measuring)
        e->node_workspace[index] = site.workspace_used;
    else if (e->n_steps > first_step)
        e->uses[e->n_uses++] = order_use_of(&site, first_step);
    return ROTO_OK;
}

static roto_status prepare_nodes(executable *e)
{
    for (int i = 0; i < graph_n_nodes(e->g); i++) {
        if (!e->layout->skipped[i])
            ROTO_TRY(prepare_node(e, i));
    }
    return ROTO_OK;
}

/* Nodes that want little workspace have some of their own behind what the others share, so that
 * they need not wait for each other. */
static void place_workspaces(executable *e)
{
    const int n = graph_n_nodes(e->g);
    size_t own = 0;
    for (int i = 0; i < n; i++) {
        const size_t bytes = e->node_workspace[i];
        const bool has_own = bytes <= OWN_WORKSPACE_BYTES && own + bytes <= OWN_WORKSPACES_BYTES;
        e->node_workspace[i] = has_own ? own : SIZE_MAX;
        if (has_own)
            own += bytes;
        else if (bytes > e->workspace_bytes)
            e->workspace_bytes = bytes;
    }
    const size_t shared = (e->workspace_bytes + WORKSPACE_ALIGN_BYTES - 1) / WORKSPACE_ALIGN_BYTES *
                          WORKSPACE_ALIGN_BYTES;
    for (int i = 0; i < n; i++)
        e->node_workspace[i] = e->node_workspace[i] == SIZE_MAX ? 0 : shared + e->node_workspace[i];
    e->workspace_bytes = shared + own;
}

roto_status step_launch(const step *s, cudaStream_t stream)
{
    DEVICE_TRY(s->launch(s->params, stream), "%s of %s '%s'", s->info.kernel, op_name(s->info.op),
               s->info.node);
    return ROTO_OK;
}

static roto_status build(executable *e, const graph *g, const port_buffers *ports)
{
    DEVICE_TRY(cudaSetDevice(e->owner->device), "choosing device %d", e->owner->device);
    const plan_traits *traits = e->owner->precision == PRECISION_BF16 ? &traits_bf16 : &traits_fp32;
    ROTO_TRY(port_buffers_lay_out(g, traits, ports, e->owner, &e->g, &e->bound, &e->layout));
    const size_t n_tensors = (size_t)graph_n_tensors(e->g);
    e->constants = memory_new_array(n_tensors, sizeof(*e->constants));
    if (!e->constants)
        return ROTO_ERROR_MEMORY;
    scratch_pool *const scratch = &e->owner->scratch;
    ROTO_TRY(
        scratch_take(scratch, e->queue, SCRATCH_ARENA, e->layout->arena_bytes, &e->arena_block));
    e->arena = e->arena_block->data;

    const size_t n_nodes = (size_t)graph_n_nodes(e->g);
    e->node_workspace = memory_new_array(n_nodes, sizeof(*e->node_workspace));
    e->uses = memory_new_array(n_nodes, sizeof(*e->uses));
    if (!e->node_workspace || !e->uses)
        return ROTO_ERROR_MEMORY;
    e->measuring = true;
    ROTO_TRY(prepare_nodes(e));
    e->measuring = false;
    ROTO_TRY(ports_allocate(e));
    place_workspaces(e);
    ROTO_TRY(scratch_take(scratch, e->queue, SCRATCH_WORKSPACE, e->workspace_bytes,
                          &e->workspace_block));
    e->workspace = e->workspace_block->data;
    ROTO_TRY(prepare_nodes(e));
    e->infos = memory_new_array(e->n_steps, sizeof(*e->infos));
    if (!e->infos)
        return ROTO_ERROR_MEMORY;
    for (size_t i = 0; i < e->n_steps; i++)
        e->infos[i] = e->steps[i].info;
    /* Copies of weights may still be under way, in another stream than runs are. */
    DEVICE_TRY(cudaDeviceSynchronize(), "copying weights");
    return order_record(e);
}

static roto_status cuda_compile_bound(backend *b, const graph *g, const port_buffers *ports,
                                      executable **out)
{
    *out = NULL;
    ROTO_TRY(graph_status(g));
    executable *e = memory_new_array(1, sizeof(*e));
    if (!e)
        return ROTO_ERROR_MEMORY;
    e->owner = b;
    e->queue = ports ? ports->queue : QUEUE_MAIN;
    e->stream = b->streams[e->queue];
    const roto_status status = build(e, g, ports);
    if (status != ROTO_OK) {
        cuda_release(e);
        return status;
    }
    *out = e;
    return ROTO_OK;
}

static roto_status cuda_compile(backend *b, const graph *g, executable **out)
{
    return cuda_compile_bound(b, g, NULL, out);
}

static void *cuda_input(executable *e, int index)
{
    return e->inputs[index];
}

static const void *cuda_output(executable *e, int index)
{
    return e->outputs[index];
}

static roto_status cuda_enqueue(executable *e)
{
    DEVICE_TRY(cudaSetDevice(e->owner->device), "choosing device %d", e->owner->device);
    DEVICE_TRY(cudaGraphLaunch(e->replay, e->stream), "starting a run");
    return ROTO_OK;
}

static roto_status cuda_run(executable *e)
{
    ROTO_TRY(cuda_enqueue(e));
    DEVICE_TRY(cudaStreamSynchronize(e->stream), "running");
    return ROTO_OK;
}

static roto_status time_step(executable *e, size_t index, cudaEvent_t from, cudaEvent_t to)
{
    float ms = 0;
    DEVICE_TRY(cudaEventRecord(from, e->stream), "timing");
    ROTO_TRY(step_launch(&e->steps[index], e->stream));
    DEVICE_TRY(cudaEventRecord(to, e->stream), "timing");
    DEVICE_TRY(cudaEventSynchronize(to), "timing");
    DEVICE_TRY(cudaEventElapsedTime(&ms, from, to), "timing");
    e->infos[index].seconds = (double)ms * 1e-3;
    return ROTO_OK;
}

static roto_status profile_steps(executable *e, cudaEvent_t from, cudaEvent_t to)
{
    ROTO_TRY(ports_copy_in(e));
    for (size_t i = 0; i < e->n_steps; i++)
        ROTO_TRY(time_step(e, i, from, to));
    ROTO_TRY(ports_copy_out(e));
    DEVICE_TRY(cudaStreamSynchronize(e->stream), "running");
    return ROTO_OK;
}

static roto_status cuda_profile(executable *e, const kernel_info **infos, int *n_infos)
{
    cudaEvent_t from = NULL, to = NULL;
    DEVICE_TRY(cudaSetDevice(e->owner->device), "choosing device %d", e->owner->device);
    roto_status status = device_check(cudaEventCreate(&from), "making an event");
    if (status == ROTO_OK)
        status = device_check(cudaEventCreate(&to), "making an event");
    if (status == ROTO_OK)
        status = profile_steps(e, from, to);
    if (from)
        (void)cudaEventDestroy(from);
    if (to)
        (void)cudaEventDestroy(to);
    *infos = e->infos;
    *n_infos = (int)e->n_steps;
    return status;
}

static size_t cuda_memory_bytes(const executable *e)
{
    return e->memory.bytes + e->weights.bytes + e->layout->arena_bytes + e->workspace_bytes;
}

static const backend_table table = {
    .name = "cuda",
    .open = cuda_open,
    .close = cuda_close,
    .compile = cuda_compile,
    .compile_bound = cuda_compile_bound,
    .release = cuda_release,
    .input = cuda_input,
    .output = cuda_output,
    .run = cuda_run,
    .buffer_new = cuda_buffer_new,
    .buffer_free = cuda_buffer_free,
    .enqueue = cuda_enqueue,
    .copy = cuda_buffer_copy,
    .show = cuda_picture_show,
    .wait = cuda_wait,
    .queue_after = cuda_queue_after,
    .profile = cuda_profile,
    .memory_bytes = cuda_memory_bytes,
    .calls = device_calls,
};

__attribute__((visibility("default"))) const cuda_module *roto_cuda_module(void);
const cuda_module *roto_cuda_module(void)
{
    static const cuda_module module = {
        .version = ROTO_VERSION,
        .node_bytes = sizeof(graph_node),
        .params_bytes = sizeof(backend_params),
        .table_bytes = sizeof(backend_table),
        .table = &table,
        .error_message = roto_error_message,
        .n_devices = device_count,
        .describe = device_describe,
    };
    return &module;
}
