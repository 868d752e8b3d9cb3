"""One key and one table of rules: bitwise the same weights in NumPy, PyTorch, JAX, Keras and Dask."""

import importlib.util
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "same_weights.py"


def example():
    spec = importlib.util.spec_from_file_location("same_weights", EXAMPLE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def start(framework, **env):
    return subprocess.Popen([sys.executable, str(EXAMPLE), framework], env={**os.environ, **env},
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def marks(*processes):
    found = set()
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert process.returncode == 0, err
        found.add(out.split()[1])
    return found


@pytest.fixture(scope="module")
def want():
    module = example()
    return module.digest(module.by_numpy())


def test_pytorch_on_one_rank_and_on_four(want):
    pytest.importorskip("torch")
    module = example()
    assert module.digest(module.by_torch()) == want
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = str(free.getsockname()[1])
    ranks = [start("torch", RANK=str(k), WORLD_SIZE="4", MASTER_ADDR="localhost", MASTER_PORT=port) for k in range(4)]
    assert marks(*ranks) == {want}


def test_jax_on_one_device_and_on_eight(want):
    pytest.importorskip("jax")
    assert marks(start("jax", XLA_FLAGS=""),
                 start("jax", XLA_FLAGS="--xla_force_host_platform_device_count=8")) == {want}


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_keras(want, backend):
    pytest.importorskip("keras")
    pytest.importorskip(backend)
    assert marks(start("keras", KERAS_BACKEND=backend)) == {want}


def test_dask(want):
    pytest.importorskip("dask")
    module = example()
    assert module.digest(module.by_dask()) == want
