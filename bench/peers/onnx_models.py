#!/usr/bin/env python3
"""Times an ONNX model on roto, ONNX Runtime and OpenVINO, alternating, and compares the outputs.

Usage: onnx_models.py MODEL.onnx --bench build/release/bench/bench_model
                      [--threads 2] [--rounds 20] [--runs 10] [--height N --width N]

Needs `pip install numpy onnxruntime openvino`. Each round runs every program --runs times in turn,
so that whatever else the machine does hits all of them; pauses let the others' threads go to sleep.
Prints the median and the least time of each, the medians' ratio to roto's and the relative L2
difference of the outputs to ONNX Runtime's.
"""
import argparse
import pathlib
import tempfile

import numpy as np
import onnxruntime
import openvino

from alternating import Served, alternate, milliseconds


def served(bench, model, threads, image, folder):
    nhwc = pathlib.Path(folder) / "input"
    np.ascontiguousarray(image.transpose(0, 2, 3, 1)).tofile(nhwc)
    return Served([bench, model, "--threads", str(threads)], nhwc, pathlib.Path(folder) / "output")


class OnnxRuntime:
    def __init__(self, model, threads, image):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self.feed = {self.session.get_inputs()[0].name: image}

    def run(self, n):
        return milliseconds(lambda: self.session.run(None, self.feed), n)

    def outputs(self):
        return np.concatenate([np.ravel(out) for out in self.session.run(None, self.feed)])


class OpenVino:
    def __init__(self, model, threads, image):
        core = openvino.Core()
        network = core.read_model(model)
        network.reshape({network.input(0): list(image.shape)})
        self.request = core.compile_model(network, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()
        self.request.set_input_tensor(openvino.Tensor(image))

    def run(self, n):
        return milliseconds(self.request.infer, n)

    def outputs(self):
        self.request.infer()
        outputs = self.request.model_outputs
        return np.concatenate([np.ravel(self.request.get_tensor(out).data) for out in outputs])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("model")
    parser.add_argument("--bench", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--height", type=int)
    parser.add_argument("--width", type=int)
    args = parser.parse_args()

    peek = onnxruntime.InferenceSession(args.model, providers=["CPUExecutionProvider"])
    shape = list(peek.get_inputs()[0].shape)
    for axis, given in ((0, 1), (2, args.height), (3, args.width)):
        if not isinstance(shape[axis], int):
            shape[axis] = given
    image = np.random.default_rng(1).uniform(0, 255, shape).astype(np.float32)

    with tempfile.TemporaryDirectory() as folder:
        programs = {
            "roto": served(args.bench, args.model, args.threads, image, folder),
            "onnxruntime " + onnxruntime.__version__: OnnxRuntime(args.model, args.threads, image),
            "openvino " + openvino.__version__.split("-")[0]: OpenVino(args.model, args.threads, image),
        }
        times = alternate(programs, args.rounds, args.runs, 3, 0.05)
        outputs = {name: program.outputs() for name, program in programs.items()}

    own, reference = [np.median(times["roto"]), list(outputs.values())[1].astype(np.float64)]
    print(f"{args.model}, {'x'.join(map(str, shape))}, {args.threads} threads, "
          f"{args.rounds * args.runs} runs each")
    for name in programs:
        median = np.median(times[name])
        difference = np.linalg.norm(outputs[name] - reference) / np.linalg.norm(reference)
        print(f"{name:24s} median {median:8.3f} ms  least {min(times[name]):8.3f} ms  "
              f"{median / own:5.2f} x roto  difference {difference:.1e}")


if __name__ == "__main__":
    main()
