#!/usr/bin/env python3
"""Writes onnx.safetensors: small ONNX files (as bytes, NAME.model), their inputs (NAME.in) and what ONNX Runtime
computes (NAME.out). Needs numpy, onnx, onnxruntime, safetensors."""
import pathlib

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

rng = np.random.default_rng(7)
tensors = {}


def weights(*shape):
    return rng.normal(0, 0.5, shape).astype(np.float32)


class Net:
    """Collects nodes and constants; every call returns the name of the new value."""

    def __init__(self):
        self.nodes, self.constants, self.count = [], [], 0

    def new(self):
        self.count += 1
        return f"t{self.count}"

    def const(self, value):
        name = self.new()
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def __call__(self, op, *inputs, n=1, **attributes):
        inputs = [v if isinstance(v, str) else self.const(v) for v in inputs]
        outputs = [self.new() for _ in range(n)]
        self.nodes.append(helper.make_node(op, inputs, outputs, **attributes))
        return outputs[0] if n == 1 else outputs


def ints(*values):
    return np.asarray(values, np.int64)


def case(name, shape, build, opset=13):
    net = Net()
    out = build(net, "x")
    net.nodes.append(helper.make_node("Identity", [out], ["y"]))
    graph = helper.make_graph(net.nodes, name, [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
                              [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)], net.constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    data = model.SerializeToString()
    x = rng.normal(0, 1, shape).astype(np.float32)
    y = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"x": x})[0]
    tensors[name + ".model"] = np.frombuffer(data, np.uint8)
    tensors[name + ".in"] = x
    tensors[name + ".out"] = np.ascontiguousarray(y)


def silu(net, x):
    return net("Mul", x, net("Sigmoid", x))


def conv(net, x, c_in, c_out, k=3, **a):
    a.setdefault("pads", [k // 2] * 4)
    return net("Conv", x, weights(c_out, c_in // a.get("group", 1), k, k), weights(c_out), kernel_shape=[k, k], **a)


def norm(net, x, c):
    return net("BatchNormalization", x, weights(c) + 2, weights(c), weights(c), np.abs(weights(c)) + 0.3, epsilon=1e-3)


case("conv_strided", [2, 3, 9, 8], lambda n, x: conv(n, x, 3, 5, strides=[2, 1], pads=[1, 0, 2, 1]))
case("conv_grouped_dilated", [1, 4, 10, 9], lambda n, x: conv(n, x, 4, 6, group=2, dilations=[2, 1], pads=[2, 1, 2, 1]))
case("conv_depthwise_norm_silu", [1, 6, 7, 7], lambda n, x: silu(n, norm(n, conv(n, x, 6, 6, group=6), 6)))
case("conv_same_upper", [1, 2, 7, 6], lambda n, x: n("Conv", x, weights(3, 2, 3, 3), auto_pad="SAME_UPPER",
                                                     strides=[2, 2]))
case("conv_same_lower", [1, 2, 7, 6], lambda n, x: n("Conv", x, weights(3, 2, 2, 2), auto_pad="SAME_LOWER"))
case("conv_transpose", [1, 3, 4, 5], lambda n, x: norm(n, n(
    "ConvTranspose", x, weights(3, 4, 3, 3), weights(4), strides=[2, 2], pads=[1, 1, 0, 1],
    output_padding=[1, 0]), 4))
case("norm_alone", [1, 3, 4, 5], lambda n, x: norm(n, n("Relu", x), 3))
case("focus", [1, 3, 8, 6], lambda n, x: conv(n, n("Concat", *[
    n("Slice", n("Slice", x, ints(i), ints(2**31 - 1), ints(2), ints(2)), ints(k), ints(2**63 - 1), ints(3), ints(2))
    for k in (0, 1) for i in (0, 1)], axis=1), 12, 4))
case("activations", [1, 2, 3, 4], lambda n, x: n("Concat", *[n(op, x) for op in (
    "Relu", "Sigmoid", "Tanh", "Exp", "Abs", "Neg", "HardSigmoid", "HardSwish", "Sin", "Cos")], n("LeakyRelu", x, alpha=0.2),
    n("Sqrt", n("Abs", x)), n("Log", n("Exp", x)), n("Clip", x, np.float32(-0.5), np.float32(0.7)), n("Clip", x, "", np.float32(0)),
    n("HardSigmoid", x, alpha=0.3, beta=0.4), n("Pow", x, np.float32(2)), n("Pow", n("Abs", x), np.float32(1.5)), axis=1),
    opset=14)
case("gelu_last", [1, 5, 4], lambda n, x: n("Mul", n("Mul", x, n("Add", n("Erf", n("Div", x, np.float32(2**0.5))),
                                                               np.float32(1))), np.float32(0.5)))
case("gelu_first", [1, 5, 4], lambda n, x: n("Mul", n("Mul", x, np.float32(0.5)), n(
    "Add", np.float32(1), n("Erf", n("Mul", x, np.float32(0.5**0.5))))))
case("gelu_op", [1, 5, 4], lambda n, x: n("Add", n("Gelu", x), n("Gelu", x, approximate="tanh")), opset=20)
case("broadcasts", [1, 3, 4, 5], lambda n, x: n("Sub", n("Div", n("Mul", n("Add", x, weights(3, 1, 1)), weights(4, 1)),
                                                         np.abs(weights(1, 3, 4, 5)) + 1), np.float32(2)))
case("rank_broadcast", [1, 3, 4, 4], lambda n, x: n("Mul", x, n("Softmax", n("ReduceMean", x, axes=[1, 2], keepdims=0), axis=-1)))
case("variadic", [1, 2, 3, 3], lambda n, x: n("Min", n("Max", x, n("Neg", x), np.float32(0.5)), n("Sum", x, x, weights(3)),
                                              np.float32(1.25)))
case("pools", [1, 3, 9, 8], lambda n, x: n("Concat", n("MaxPool", x, kernel_shape=[5, 5], pads=[2] * 4, strides=[1, 1]),
                                           n("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4),
                                           n("AveragePool", x, kernel_shape=[3, 3], pads=[1] * 4, count_include_pad=1), axis=1))
case("pools_strided", [1, 3, 9, 8], lambda n, x: n("Add", n("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
                                                   n("GlobalAveragePool", x)))
case("resize_nearest", [1, 2, 3, 4], lambda n, x: n("Resize", x, "", np.float32([1, 1, 2, 2]), mode="nearest",
                                                    coordinate_transformation_mode="asymmetric", nearest_mode="floor"))
case("resize_nearest_half", [1, 2, 4, 6], lambda n, x: n("Resize", x, "", "", ints(1, 2, 6, 4), mode="nearest"))
case("resize_linear", [1, 2, 3, 4], lambda n, x: n("Resize", x, "", np.float32([1, 1, 2, 3]), mode="linear"))
case("resize_corners", [1, 2, 3, 4], lambda n, x: n("Resize", x, "", "", ints(1, 2, 7, 5), mode="linear",
                                                    coordinate_transformation_mode="align_corners"))
case("resize_cubic", [1, 2, 5, 4], lambda n, x: n("Resize", x, "", np.float32([1, 1, 2, 2]), mode="cubic"))
case("resize_set_10", [1, 2, 3, 4], lambda n, x: n("Resize", x, np.float32([1, 1, 2, 2]), mode="nearest"), opset=10)
case("upsample_set_9", [1, 2, 3, 4], lambda n, x: n("Upsample", x, np.float32([1, 1, 2, 2]), mode="nearest"), opset=9)
case("slice_old", [1, 4, 6, 5], lambda n, x: n("Slice", x, axes=[1, 3], starts=[1, -3], ends=[3, 9]), opset=9)
case("split", [1, 6, 2, 3], lambda n, x: n("Concat", *reversed(n("Split", x, ints(1, 3, 2), n=3, axis=1)), axis=1))
case("split_even", [1, 6, 2, 3], lambda n, x: n("Mul", *n("Split", x, n=2, axis=1)))
case("split_old", [1, 6, 2, 3], lambda n, x: n("Concat", *n("Split", x, n=2, axis=1, split=[4, 2])[::-1], axis=1), opset=11)
case("pad", [1, 2, 3, 4], lambda n, x: n("Pad", x, ints(0, 1, 2, 0, 0, 0, 1, 3), np.float32(1.5)))
case("pad_old", [1, 2, 3, 4], lambda n, x: n("Pad", x, mode="constant", pads=[0, 0, 1, 1, 0, 0, 2, 2], value=-2.0), opset=9)
case("gather", [1, 6, 3, 2], lambda n, x: n("Mul", n("Gather", x, ints(1, 3, 5), axis=1),
                                          n("Unsqueeze", n("Gather", x, np.int64(-2), axis=1), ints(1))))
case("classifier", [2, 3, 4, 5], lambda n, x: n("Softmax", n("Gemm", n("Flatten", n("GlobalAveragePool", conv(n, x, 3, 8))),
                                                           weights(10, 8), weights(10), transB=1, alpha=0.5, beta=2.0), axis=1))
case("flatten_image", [1, 3, 4, 5], lambda n, x: n("Gemm", n("Flatten", x), weights(60, 7), weights(1)))
case("shuffle", [1, 6, 3, 4], lambda n, x: conv(n, n("Reshape", n("Transpose", n("Reshape", x, ints(1, 2, 3, 3, 4)),
                                                             perm=[0, 2, 1, 3, 4]), ints(0, -1, 3, 4)), 6, 4, k=1))
case("transposed", [1, 3, 4, 5], lambda n, x: n("Transpose", n("Add", n("Transpose", x, perm=[0, 3, 1, 2]), weights(5, 3, 4)),
                                                perm=[2, 0, 1, 3]))
case("squeezes", [1, 3, 1, 5], lambda n, x: n("Mul", n("Squeeze", x, ints(2)), n("Squeeze", n("Unsqueeze", n("Squeeze", x),
                                                                                         ints(0, 3)), ints(3))))
case("matmul_both", [2, 3, 4, 5], lambda n, x: n("MatMul", x, n("Transpose", x, perm=[0, 1, 3, 2])))
case("matmul_constant", [1, 4, 3, 5], lambda n, x: n("Add", n("MatMul", x, weights(5, 6)), weights(6)))
case("reductions", [1, 3, 4, 5], lambda n, x: n("Add", n("ReduceMean", x, axes=[2, 3]), n("Mul", n("ReduceMax", x, axes=[1]),
                                                                                     n("ReduceSum", x, ints(-1)))))
case("softmax_channels", [1, 4, 3, 2], lambda n, x: n("Softmax", x, axis=1))


def layer_norm(n, x):
    centred = n("Sub", x, n("ReduceMean", x, axes=[-1]))
    variance = n("ReduceMean", n("Pow", centred, np.float32(2)), axes=[-1])
    return n("Add", n("Mul", n("Div", centred, n("Sqrt", n("Add", variance, np.float32(1e-5)))), weights(6)), weights(6))


case("layer_norm", [1, 5, 6], layer_norm)


def shapes_of_a_dynamic_export(n, x):
    shape = n("Shape", x)
    h = n("Gather", shape, np.int64(2), axis=0)
    w = n("Gather", shape, np.int64(3), axis=0)
    doubled = n("Concat", n("Slice", shape, ints(0), ints(2), ints(0)), n("Unsqueeze", n("Mul", h, np.int64(2)), ints(0)),
                n("Unsqueeze", n("Cast", n("Floor", n("Mul", n("Cast", w, to=1), np.float32(2))), to=7), ints(0)), axis=0)
    big = n("Resize", x, "", "", doubled, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")
    row = n("Cast", n("Range", np.int64(0), n("Gather", doubled, np.int64(3), axis=0), np.int64(1)), to=1)
    row = n("Expand", n("Reshape", row, ints(1, 1, 1, -1)), n("Concat", ints(1, 1), n("Slice", doubled, ints(2), ints(3)), ints(1), axis=0))
    ones = n("ConstantOfShape", ints(1, 1, 1, 1), value=helper.make_tensor("v", TensorProto.FLOAT, [1], [0.5]))
    picked = n("Where", n("Equal", n("Reshape", n("Slice", doubled, ints(-1), ints(-5), ints(0), ints(-1)), ints(4)), ints(8, 6, 2, 1)),
               ints(1, 1, 1, 1), ints(1, 2, 3, 4))
    return n("Mul", n("Add", big, n("Mul", row, ones)), n("Cast", n("Gather", picked, np.int64(2), axis=0), to=1))


case("dynamic_shapes", [1, 2, 3, 4], shapes_of_a_dynamic_export)


def yolov8_head(n, x):
    """Distribution focal loss boxes (Li et al. 2020) at two scales, decoded in the network."""
    bins, classes = 4, 3
    flat, anchors, strides = [], [], []
    for step in (1, 2):
        y = n("MaxPool", x, kernel_shape=[step, step], strides=[step, step]) if step > 1 else x
        joined = n("Concat", conv(n, y, 5, 4 * bins, k=1), conv(n, y, 5, classes, k=1), axis=1)
        flat.append(n("Reshape", joined, ints(1, 4 * bins + classes, -1)))
        rows, columns = np.mgrid[0:6 // step, 0:4 // step] + 0.5
        anchors.append(np.stack([columns.ravel(), rows.ravel()]))
        strides.append(np.full(rows.size, 8.0 * step))
    both = n("Concat", *flat, axis=2)
    box, scores = n("Split", both, ints(4 * bins, classes), n=2, axis=1)
    box = n("Softmax", n("Transpose", n("Reshape", box, ints(1, 4, bins, 30)), perm=[0, 2, 1, 3]), axis=1)
    box = n("Reshape", n("Conv", box, np.arange(bins, dtype=np.float32).reshape(1, bins, 1, 1)), ints(1, 4, 30))
    near, far = n("Slice", box, ints(0), ints(2), ints(1)), n("Slice", box, ints(2), ints(4), ints(1))
    grid = np.concatenate(anchors, 1)[None].astype(np.float32)
    low, high = n("Sub", grid, near), n("Add", grid, far)
    xywh = n("Concat", n("Div", n("Add", low, high), np.float32(2)), n("Sub", high, low), axis=1)
    xywh = n("Mul", xywh, np.concatenate(strides)[None].astype(np.float32))
    return n("Concat", xywh, n("Sigmoid", scores), axis=1)


case("yolov8_head", [1, 5, 6, 4], yolov8_head)


def yolox_head(n, x):
    parts = []
    for step in (1, 2):
        y = n("MaxPool", x, kernel_shape=[step, step], strides=[step, step]) if step > 1 else x
        joined = n("Concat", conv(n, y, 5, 4, k=1), n("Sigmoid", conv(n, y, 5, 1, k=1)), n("Sigmoid", conv(n, y, 5, 3, k=1)), axis=1)
        parts.append(n("Reshape", joined, ints(1, 8, -1)))
    return n("Transpose", n("Concat", *parts, axis=2), perm=[0, 2, 1])


case("yolox_head", [1, 5, 6, 4], yolox_head)


def attention(n, x):
    """Self-attention over the cells of an image, as in YOLO11's C2PSA."""
    heads, key, value = 2, 3, 4
    qkv = n("Reshape", conv(n, x, 5, heads * (2 * key + value), k=1), ints(1, heads, 2 * key + value, 12))
    q, k, v = n("Split", qkv, ints(key, key, value), n=3, axis=2)
    scores = n("Softmax", n("Mul", n("MatMul", n("Transpose", q, perm=[0, 1, 3, 2]), k), np.float32(key**-0.5)), axis=-1)
    y = n("Reshape", n("MatMul", v, n("Transpose", scores, perm=[0, 1, 3, 2])), ints(1, heads * value, 3, 4))
    return n("Add", y, conv(n, n("Reshape", v, ints(1, heads * value, 3, 4)), 8, 8, group=8))


case("attention", [1, 5, 3, 4], attention)
case("many_parts", [1, 1, 2, 2], lambda n, x: n("Concat", *[n("Mul", x, np.float32(i)) for i in range(35)], axis=1))
case("half_weights", [1, 3, 4, 4], lambda n, x: n("Add", n("Mul", x, n("Cast", weights(3, 1, 1).astype(np.float16), to=1)),
                                                n("Cast", weights(1).astype(np.float64), to=1)))

save_file(tensors, pathlib.Path(__file__).parent / "onnx.safetensors")
