"""Reads the convolution weights of a TensorFlow Lite file, dequantised.

The format is a FlatBuffer; field numbers are those of TensorFlow's schema.fbs (Apache-2.0).
"""

import struct

import numpy as np

CONV_2D, DEPTHWISE_CONV_2D = 3, 4
DTYPES = {0: np.float32, 2: np.int32, 3: np.uint8, 9: np.int8}


class _Table:
    def __init__(self, data, offset):
        self.data, self.offset = data, offset
        vtable = offset - struct.unpack_from("<i", data, offset)[0]
        size = struct.unpack_from("<H", data, vtable)[0]
        self.fields = struct.unpack_from(f"<{size // 2 - 2}H", data, vtable + 4)

    def _at(self, field):
        skip = self.fields[field] if field < len(self.fields) else 0
        return self.offset + skip if skip else None

    def scalar(self, field, code, default=0):
        at = self._at(field)
        return default if at is None else struct.unpack_from("<" + code, self.data, at)[0]

    def _follow(self, at):
        return at + struct.unpack_from("<I", self.data, at)[0]

    def table(self, field):
        at = self._at(field)
        return None if at is None else _Table(self.data, self._follow(at))

    def vector(self, field, dtype):
        at = self._at(field)
        if at is None:
            return np.empty(0, dtype)
        at = self._follow(at)
        count = struct.unpack_from("<I", self.data, at)[0]
        return np.frombuffer(self.data, dtype, count, at + 4)

    def tables(self, field):
        at = self._follow(self._at(field))
        count = struct.unpack_from("<I", self.data, at)[0]
        return [_Table(self.data, self._follow(at + 4 + 4 * i)) for i in range(count)]


def _tensor(model, tensors, index):
    table = tensors[index]
    shape = table.vector(0, np.int32)
    raw = model.tables(4)[table.scalar(2, "I")].vector(0, np.uint8)
    values = raw.view(DTYPES[table.scalar(1, "b")]).reshape(shape).astype(np.float32)
    quantisation = table.table(4)
    scale = quantisation.vector(2, np.float32) if quantisation else np.empty(0)
    if len(scale) == 0:
        return values
    zero = quantisation.vector(3, np.int64).astype(np.float32)
    axis = [1] * len(shape)
    if len(scale) > 1:
        axis[quantisation.scalar(6, "i")] = -1
    return (values - zero.reshape(axis)) * scale.reshape(axis)


def convolutions(path):
    """[(is_depthwise, weight, bias)] in the order of execution, weights laid out as PyTorch's:
    [out, in, kh, kw], or [channels, 1, kh, kw] if depthwise."""
    with open(path, "rb") as f:
        data = f.read()
    if data[4:8] != b"TFL3":
        raise ValueError(f"{path}: not a TensorFlow Lite file")
    model = _Table(data, struct.unpack_from("<I", data)[0])
    codes = [max(t.scalar(0, "b"), t.scalar(3, "i")) for t in model.tables(1)]
    graph = model.tables(2)[0]
    tensors, found = graph.tables(0), []
    for operator in graph.tables(3):
        code = codes[operator.scalar(0, "I")]
        if code not in (CONV_2D, DEPTHWISE_CONV_2D):
            continue
        _, weight, bias = operator.vector(1, np.int32)[:3]
        weight = _tensor(model, tensors, weight)  # [out, kh, kw, in], or [1, kh, kw, channels]
        depthwise = code == DEPTHWISE_CONV_2D
        weight = weight.transpose((3, 0, 1, 2) if depthwise else (0, 3, 1, 2))
        found.append((depthwise, np.ascontiguousarray(weight), _tensor(model, tensors, bias)))
    return found
