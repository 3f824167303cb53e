/* Imports ONNX files, and plans the graphs of those that are good. */
#include "format/onnx/onnx.h"
#include "graph/plan.h"
#include "live_bytes.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void plan(const graph *g)
{
    const plan_traits traits = {.fuse = true, .views = true};
    graph *fused = NULL;
    graph_layout *layout = NULL;
    if (graph_fuse(g, &traits, &fused) == ROTO_OK &&
        graph_layout_new(fused, &traits, NULL, &layout) == ROTO_OK)
        graph_layout_free(layout);
    graph_free(fused);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const onnx_import_params params = {
        .batch = 1, .height = 16, .width = 16, .keep_output_order = true};
    for (int i = 0; i < 2; i++) {
        onnx_model *model = NULL;
        live_bytes_start();
        roto_status status = onnx_import_bytes(data, bytes, "fuzz", i ? &params : NULL, &model);
        live_bytes_check(bytes, 100, 32 << 20);
        if (status == ROTO_ERROR_INTERNAL || (status == ROTO_OK) != (model != NULL))
            abort();
        if (model)
            plan(model->graph);
        onnx_model_free(model);
    }
    return 0;
}
