"""Safetensors files in numpy, read and written by this folder's own code."""

import json
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np

Tensors = dict[str, np.ndarray]


def write(path: Path, tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """All tensors in F32."""
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    data, at = [], 0
    for name, values in tensors.items():
        raw = np.ascontiguousarray(values, "<f4").tobytes()
        header[name] = {"dtype": "F32", "shape": list(np.shape(values)), "data_offsets": [at, at + len(raw)]}
        data.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data))


def read(path: Path) -> Tensors:
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    tensors: Tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        assert entry["dtype"] == "F32", f"{name} is {entry['dtype']}"
        start, end = entry["data_offsets"]
        values = np.frombuffer(raw[8 + length + start : 8 + length + end], "<f4").astype(np.float64)
        tensors[name] = values.reshape(entry["shape"])
    return tensors


def random(seed: str, rows: int, cols: int) -> np.ndarray:
    """F32 numbers, the same on every machine."""
    generator = np.random.default_rng(list(seed.encode()))
    return generator.standard_normal((rows, cols)).astype(np.float32).astype(np.float64)
