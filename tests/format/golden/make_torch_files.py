"""Writes the files of torch.save() that tests/format reads: python make_torch_files.py.

What is in them stands again in tests/format/test_torch_file.c.
"""

import collections
import pathlib

import torch


def counting(*shape, dtype=torch.float32):
    """0, 0.5, 1, ... or 0, 1, 2, ... in this shape."""
    n = torch.Size(shape).numel()
    step = 0.5 if dtype.is_floating_point else 1
    return (torch.arange(n) * step).to(dtype).reshape(shape)


def every_kind():
    """A checkpoint as training loops write it, with tensors of all kinds beside other values."""
    shared = counting(10)
    model = collections.OrderedDict()
    model["a.f32"] = counting(2, 3)
    model["a.f16"] = counting(2, 3, dtype=torch.float16)
    model["a.bf16"] = counting(2, 3, dtype=torch.bfloat16)
    model["a.f64"] = counting(2, 3, dtype=torch.float64)
    model["a.i64"] = counting(3, dtype=torch.int64)
    model["a.i32"] = counting(3, dtype=torch.int32)
    model["a.i16"] = counting(3, dtype=torch.int16)
    model["a.i8"] = counting(3, dtype=torch.int8)
    model["a.u8"] = counting(3, dtype=torch.uint8)
    model["a.bool"] = torch.tensor([True, False])
    model["b.scalar"] = torch.tensor(2.5)
    model["b.empty"] = torch.zeros(4, 0)
    model["b.view"] = shared[3:7]  # of one storage, like the next
    model["b.whole"] = shared
    model["b.transposed"] = counting(2, 3).t()
    model["b.channels_last"] = counting(2, 3, 2, 2).to(memory_format=torch.channels_last)
    model["b.parameter"] = torch.nn.Parameter(counting(2, 2))
    state = {0: {"step": torch.tensor(7.0), "exp_avg": counting(2)}}
    groups = [{"lr": 1e-4, "betas": (0.9, 0.999), "amsgrad": False, "foreach": None, "params": [0]}]
    return {
        "model": model,
        "optimizer": {"state": state, "param_groups": groups},
        "epoch": 70000,
        "steps": -(2**40),
        "note": "r\u00f4to",
    }


def module():
    """A module's state_dict(), which carries metadata."""
    net = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))
    state = net.state_dict()
    for name, tensor in state.items():
        tensor.copy_(counting(*tensor.shape, dtype=tensor.dtype))
    return state


if __name__ == "__main__":
    folder = pathlib.Path(__file__).parent
    torch.save(every_kind(), folder / "every_kind.pt")
    torch.save(module(), folder / "module.pt")
    torch.save(module(), folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(1, 1), folder / "object.pt")
    torch.save({"a": counting(3).expand(2, 3)}, folder / "expanded.pt")
