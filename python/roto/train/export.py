"""Writes what the C engine loads: float16 safetensors with the config in the metadata.

    python -m roto.train.export AVERAGED.pt OUT.safetensors

The format is 8 bytes of header length, a JSON header, then the tensors' bytes
(https://github.com/huggingface/safetensors); it is small enough to write here.
"""

import json
import struct
import sys

import torch

from roto.model import ROTO_S, Config, Segmenter

DTYPES = {"F16": torch.float16, "F32": torch.float32}
CONFIG_KEY = "roto.config"


def save(state, config, path):
    header = {"__metadata__": {"format": "pt", CONFIG_KEY: config.to_json()}}
    blobs, offset = [], 0
    for name in sorted(state):
        tensor = state[name].detach().cpu().to(torch.float16).contiguous()
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{name} does not fit float16")
        blob = tensor.numpy().tobytes()
        header[name] = {
            "dtype": "F16",
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + len(blob)],
        }
        blobs.append(blob)
        offset += len(blob)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        f.writelines(blobs)


def load(path):
    """The Segmenter of a file that save wrote, in float32."""
    with open(path, "rb") as f:
        data = f.read()
    length = struct.unpack_from("<Q", data)[0]
    header = json.loads(data[8 : 8 + length])
    config = Config.from_json(header.pop("__metadata__")[CONFIG_KEY])
    state = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        raw = torch.frombuffer(
            bytearray(data[8 + length + begin : 8 + length + end]), dtype=DTYPES[entry["dtype"]]
        )
        state[name] = raw.reshape(entry["shape"]).float()
    model = Segmenter(config)
    model.load_state_dict(state)
    return model


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    state = torch.load(sys.argv[1], map_location="cpu", weights_only=True)
    save(state, ROTO_S, sys.argv[2])


if __name__ == "__main__":
    main()
