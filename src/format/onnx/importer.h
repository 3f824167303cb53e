/* format/onnx/importer.h - from the parsed file to a graph. */
#ifndef FORMAT_ONNX_IMPORTER_H
#define FORMAT_ONNX_IMPORTER_H

#include "format/onnx/internal.h"

roto_status importer_run(const Onnx__Graph *source, int64_t opset, size_t n_bytes,
                         const onnx_import_params *params, onnx_model **out);

#endif
