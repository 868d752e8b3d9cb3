"""The fuzz of readers in ``.ci/run``: the same files everywhere, whatever the clock says, from files that are good."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from initcore.files import check_file, open_weights

TOP = Path(__file__).parents[2]
PACKAGES = {".h5": "h5py", ".keras": "h5py", ".onnx": "onnx"}
STARTS = sorted((TOP / "tests" / "data" / "starts").iterdir())


@pytest.mark.parametrize("path", STARTS, ids=lambda path: path.name)
def test_the_files_to_start_from_are_read(path):
    if path.suffix in PACKAGES:
        pytest.importorskip(PACKAGES[path.suffix])
    assert open_weights(path).tensors
    assert check_file(path, partial=True).ok


def test_every_format_has_a_file_to_start_from():
    assert {path.suffix for path in STARTS} == {".gguf", ".h5", ".keras", ".msgpack", ".npy", ".npz", ".onnx", ".pt",
                                                ".pt2", ".safetensors"}


@pytest.mark.parametrize("kind", ["npz", "pt"])
def test_the_gate_tries_the_same_files_again(tmp_path, kind):
    told = []
    for zone in ("UTC", "Asia/Tokyo"):
        folder = tmp_path / zone.replace("/", "-")
        folder.mkdir()
        done = subprocess.run([sys.executable, str(TOP / "tools" / "fuzz_files.py"), "--gate", "--child", str(folder),
                               "--format", kind, "--files", "40"], capture_output=True, text=True, check=False,
                              env={**os.environ, "TZ": zone})
        assert done.returncode == 0, done.stderr
        assert not any((folder / "kept").iterdir())
        told.append((folder / "tried").read_text().split())
    assert told[0] == told[1] and told[0][0] == "40"
