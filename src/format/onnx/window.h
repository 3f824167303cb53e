/* format/onnx/window.h - strides, paddings and dilations of convolutions and pools. */
#ifndef FORMAT_ONNX_WINDOW_H
#define FORMAT_ONNX_WINDOW_H

#include "format/onnx/internal.h"

typedef struct window {
    int kernel[2], stride[2], dilation[2]; /* height, width */
    int pad[4];                            /* top, left, bottom, right */
} window;

/* The kernel is that of the weights [_, _, kh, kw], or the attribute's when `weights` is NULL.
 * auto_pad is worked out from the shape of x. */
roto_status window_read(const onnx_node *node, const onnx_value *x, const onnx_value *weights,
                        window *out);

#endif
