"""HDF5's library runs in a process of its own: what happens to it is a sentence, and it ends with the tensors."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import file_makers as makers
import numpy as np
import pytest

import initcore
from initcore import errors
from initcore.files import open_weights
from initcore.files._formats import _hdf5_library

h5py = pytest.importorskip("h5py")
SCRIPT = Path(initcore.__file__).parent / "files" / "_formats"
VALUES = np.random.default_rng(5).normal(size=(7, 3, 41)).astype(">f4")


@pytest.fixture
def path(tmp_path):
    """Chunks, compression, foreign byte order, a scalar and words."""
    with h5py.File(tmp_path / "net.h5", "w") as file:
        file.create_dataset("dense/kernel", data=VALUES, chunks=(2, 3, 10), compression="gzip")
        file["scale"], file["words"] = np.float64(3), "no number"
    return tmp_path / "net.h5"


@pytest.fixture
def started(monkeypatch):
    """The processes that a test starts."""
    found = []

    class Noted(_hdf5_library.Library):
        def __init__(self, *given):
            super().__init__(*given)
            found.append(self.process)
    monkeypatch.setattr("initcore.files._formats._hdf5.Library", Noted)
    return found


@pytest.mark.parametrize("items", [1, 5, 41, 50, 123, 200, 10_000])
def test_blocks_of_any_length(path, items):
    tensors = open_weights(path).tensors
    blocks = list(tensors["dense/kernel"].blocks(items))
    assert all(len(block) == items for block in blocks[:-1]) and len(blocks) == -(-VALUES.size // items)
    assert np.array_equal(np.concatenate(blocks), VALUES.ravel()) and blocks[0].dtype.isnative
    assert tensors["scale"].array() == 3 and not tensors["words"].judged


@pytest.mark.parametrize("way, said", [(signal.SIGSEGV, "makes HDF5's library fail (SIGSEGV)"),
                                       (signal.SIGXCPU, "takes HDF5's library too long (SIGXCPU)")])
def test_a_library_that_ends_is_a_sentence(path, started, way, said):
    tensor = open_weights(path).tensors["dense/kernel"]
    os.kill(started[0].pid, way)
    for _ in range(2):
        with pytest.raises(errors.FileFormatError) as caught:
            tensor.array()
        assert said in str(caught.value) and str(caught.value).isprintable()


def test_a_question_that_is_interrupted_has_no_answer(path, started, monkeypatch):
    tensor = open_weights(path).tensors["dense/kernel"]

    def interrupted(*_):
        raise KeyboardInterrupt
    with monkeypatch.context() as patch:
        patch.setattr(_hdf5_library.json, "loads", interrupted)
        with pytest.raises(KeyboardInterrupt):
            tensor.array()
    assert started[0].returncode is not None                # or the next question had this one's answer
    with pytest.raises(errors.FileFormatError, match="HDF5's library"):
        tensor.array()


def test_the_process_ends_with_the_last_tensor(path, started):
    weights = open_weights(path)
    kept = weights.tensors["scale"]
    del weights
    assert kept.array() == 3 and started[0].poll() is None
    del kept
    assert started[0].returncode is not None


def test_no_process_can_be_started(path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(errors.FileFormatError, match="cannot be started"):
        open_weights(path)


@pytest.mark.parametrize("code, ended", [
    ("limit_time(0.2)\nwhile True: pass", -signal.SIGXCPU),
    ("limit_memory(1 << 24)\ntry: bytes(1 << 26)\nexcept MemoryError: raise SystemExit(7)", 7)])
def test_its_limits(code, ended):
    done = subprocess.run([sys.executable, "-c", f"from _hdf5_process import *\n{code}"], cwd=SCRIPT, timeout=60,
                          check=False, env={**os.environ, "PYTHONSAFEPATH": "", "PYTHONPATH": str(SCRIPT)})
    assert done.returncode == ended


@pytest.mark.parametrize("how", [0, 8])
def test_packed_weights(path, tmp_path, how):
    """Stored, as Keras packs them, and deflated."""
    inner = tmp_path / "net.keras"
    inner.write_bytes(makers.zipped({"config.json": b"{}", "model.weights.h5": path.read_bytes()}, how))
    assert np.array_equal(open_weights(inner).tensors["dense/kernel"].array(), VALUES)


@pytest.mark.parametrize("place", [(1 << 63) - 8, (1 << 63) + 16, 1 << 40])
def test_addresses_beyond_everything(path, tmp_path, place):
    """Whatever the library raises is one sentence."""
    with h5py.File(path) as file:
        known = h5py.h5o.get_info(file["dense"].id).addr
    data = path.read_bytes()
    broken = data.replace(known.to_bytes(8, "little"), place.to_bytes(8, "little"))
    assert broken != data
    for name, content in (("net.h5", broken),
                          ("net.keras", makers.zipped({"config.json": b"{}", "model.weights.h5": broken}))):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(errors.FileFormatError, match="damaged"):
            open_weights(tmp_path / name)
