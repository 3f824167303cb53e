/* Reading the file: protobuf within a memory budget, then the importer. */
#include "format/onnx/internal.h"

#include "format/file.h"
#include "format/onnx/importer.h"

#include <stdlib.h>
#include <string.h>

enum {
    /* Parsed messages take more memory than their bytes: an empty node is 2 bytes in the file and
     * over 100 in memory. Real files are almost all weights; the floor is for those without. */
    BUDGET_FACTOR = 8,
    BUDGET_FLOOR_BYTES = 4 << 20,
    OLDEST_OPSET = 7, /* before it, broadcasting was an attribute */
    NEWEST_OPSET = 25
};
/* A protobuf message has at most 2 GiB. */
#define MAX_FILE_BYTES ((size_t)INT32_MAX)

typedef struct budget {
    size_t left;
    bool exceeded;
} budget;

/* Each block starts with its size, so that freeing it gives the budget back. */
enum { BLOCK_HEADER_BYTES = 16 };

static void *budget_alloc(void *data, size_t bytes)
{
    budget *b = data;
    if (bytes > b->left || b->left - bytes < BLOCK_HEADER_BYTES) {
        b->exceeded = true;
        return NULL;
    }
    unsigned char *block = malloc(bytes + BLOCK_HEADER_BYTES);
    if (!block)
        return NULL;
    memcpy(block, &bytes, sizeof(bytes));
    b->left -= bytes + BLOCK_HEADER_BYTES;
    return block + BLOCK_HEADER_BYTES;
}

static void budget_free(void *data, void *pointer)
{
    budget *b = data;
    if (!pointer)
        return;
    unsigned char *block = (unsigned char *)pointer - BLOCK_HEADER_BYTES;
    size_t bytes;
    memcpy(&bytes, block, sizeof(bytes));
    b->left += bytes + BLOCK_HEADER_BYTES;
    free(block);
}

static roto_status find_opset(const Onnx__Model *proto, int64_t *opset)
{
    if (!proto->graph || proto->n_opset_import == 0)
        return roto_fail(ROTO_ERROR_FORMAT,
                         "not an ONNX model: it has no %s; the file should come from an exporter "
                         "such as torch.onnx.export",
                         proto->graph ? "operator set" : "graph");
    *opset = -1;
    for (size_t i = 0; i < proto->n_opset_import; i++) {
        const Onnx__OperatorSet *set = proto->opset_import[i];
        if (!set->domain || set->domain[0] == 0 || strcmp(set->domain, "ai.onnx") == 0)
            *opset = set->version;
    }
    if (*opset < OLDEST_OPSET || *opset > NEWEST_OPSET)
        return roto_fail(ROTO_ERROR_UNSUPPORTED,
                         "ONNX operator set %lld; sets %d to %d can be imported", (long long)*opset,
                         OLDEST_OPSET, NEWEST_OPSET);
    return ROTO_OK;
}

/* Every later message may name nodes, and every string comparison needs one. */
static roto_status check_strings(const Onnx__Graph *g)
{
    for (size_t i = 0; i < g->n_node; i++) {
        if (!g->node[i]->op_type)
            return roto_fail(ROTO_ERROR_FORMAT, "node %zu names no operator", i);
        for (size_t k = 0; k < g->node[i]->n_attribute; k++) {
            if (!g->node[i]->attribute[k]->name)
                return roto_fail(ROTO_ERROR_FORMAT, "an attribute of node %zu has no name", i);
        }
    }
    for (size_t i = 0; i < g->n_initializer; i++) {
        if (!g->initializer[i]->name)
            return roto_fail(ROTO_ERROR_FORMAT, "initializer %zu has no name", i);
    }
    for (size_t i = 0; i < g->n_input; i++) {
        if (!g->input[i]->name)
            return roto_fail(ROTO_ERROR_FORMAT, "input %zu has no name", i);
    }
    for (size_t i = 0; i < g->n_output; i++) {
        if (!g->output[i]->name)
            return roto_fail(ROTO_ERROR_FORMAT, "output %zu has no name", i);
    }
    return ROTO_OK;
}

static roto_status import_proto(const Onnx__Model *proto, size_t n_bytes,
                                const onnx_import_params *params, onnx_model **out)
{
    int64_t opset = 0;
    ROTO_TRY(find_opset(proto, &opset));
    ROTO_TRY(check_strings(proto->graph));
    return importer_run(proto->graph, opset, n_bytes, params, out);
}

roto_status onnx_import_bytes(const void *data, size_t bytes, const char *name,
                              const onnx_import_params *params, onnx_model **out)
{
    *out = NULL;
    const onnx_import_params none = {0};
    budget b = {.left = bytes * BUDGET_FACTOR + BUDGET_FLOOR_BYTES};
    if (bytes == 0 || bytes > MAX_FILE_BYTES)
        return roto_fail(ROTO_ERROR_FORMAT, "%s: %zu bytes are no ONNX model", name, bytes);
    ProtobufCAllocator allocator = {
        .alloc = budget_alloc, .free = budget_free, .allocator_data = &b};
    Onnx__Model *proto = onnx__model__unpack(&allocator, bytes, data);
    if (!proto)
        return b.exceeded
                   ? roto_fail(ROTO_ERROR_FORMAT,
                               "%s: its %zu bytes describe more than %d times as much; this is no "
                               "network",
                               name, bytes, BUDGET_FACTOR)
                   : roto_fail(ROTO_ERROR_FORMAT,
                               "%s: not an ONNX model, or cut off: its %zu bytes are no valid "
                               "protobuf message",
                               name, bytes);
    roto_status status = import_proto(proto, bytes, params ? params : &none, out);
    onnx__model__free_unpacked(proto, &allocator);
    return status == ROTO_OK ? ROTO_OK : roto_fail_context(status, "%s", name);
}

roto_status onnx_import(const char *path, const onnx_import_params *params, onnx_model **out)
{
    *out = NULL;
    file_bytes file;
    ROTO_TRY(file_read(path, MAX_FILE_BYTES, &file));
    roto_status status = onnx_import_bytes(file.data, file.bytes, path, params, out);
    file_release(&file);
    return status;
}

void onnx_model_free(onnx_model *model)
{
    if (!model)
        return;
    graph_free(model->graph);
    memory_arena_free(model->arena);
    free(model);
}
