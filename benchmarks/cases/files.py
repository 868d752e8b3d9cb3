"""Judging a file of weights tensor by tensor against NumPy's plainest pass over it, and model-clinic."""

import json
import struct
import tempfile
from pathlib import Path

import numpy as np

from initcore.files import check_file, open_weights

from .._case import case

_ROWS, _COLUMNS = 1024, 4096


def _file(folder, tensors, dtype):
    """A .safetensors file of ``tensors`` random matrices and a norm; dtype "BF16" or "F32"."""
    rng, head, data = np.random.default_rng(7), {}, b""
    for i in range(tensors):
        values = rng.standard_normal((_ROWS, _COLUMNS), dtype=np.float32) * np.float32(_COLUMNS ** -0.5)
        raw = ((values.view(np.uint32) >> 16).astype(np.uint16) if dtype == "BF16" else values).tobytes()
        head[f"layers.{i}.mlp.up_proj.weight"] = {"dtype": dtype, "shape": [_ROWS, _COLUMNS],
                                                  "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(head).encode()
    path = Path(folder) / f"{dtype}.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def _plain(path):
    """Read every tensor whole: finite, mean, standard deviation, extremes; no rows, columns, heads or repeats."""
    out = []
    for tensor in open_weights(path).tensors.values():
        a = tensor.array()
        out.append((bool(np.isfinite(a).all()), a.mean(), a.std(), a.min(), a.max()))
    return out


def _judged(dtype, tensors):
    @case("files", f"{tensors} x {_ROWS} x {_COLUMNS} {dtype}", rounds=6,
          target={"plain numpy": 0.5, "model-clinic": 20.0})
    def _(c):
        held = tempfile.TemporaryDirectory()
        path = _file(held.name, tensors, dtype)
        c.ours = lambda: check_file(path)
        c.rival("plain numpy", lambda: _plain(path))
        with c.optional("model_clinic", "model-clinic") as clinic, c.optional("safetensors.torch", "model-clinic"):
            c.rival("model-clinic", lambda: clinic.diagnose(clinic.load_state_dict(str(path))[0], plugins=False))

        def check():
            report = check_file(path)
            assert report.ok and report.coverage.tensors == 1 and held
            for facts, plain in zip(report.tensors, _plain(path), strict=True):
                np.testing.assert_allclose((facts.std, facts.low, facts.high), plain[2:], rtol=1e-4)
        c.check = check


for _dtype, _tensors in (("BF16", 8), ("F32", 4)):
    _judged(_dtype, _tensors)
