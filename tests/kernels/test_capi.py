"""The C API: its signatures stay, other people's compiled code builds against the package and runs."""

import ctypes
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import initcore as ic

ROOT = Path(__file__).resolve().parents[2]
SIGNATURES = Path(__file__).parents[1] / "data" / "c_api.json"


def signatures():
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    return {key: name(capsule).decode() for key, capsule in sorted(ic.kernels.__pyx_capi__.items())}


def test_signatures_are_append_only():
    # Cython compares these strings literally when a consumer imports: a changed one breaks every built consumer.
    saved, now = json.loads(SIGNATURES.read_text()), signatures()
    assert {k: now.get(k) for k in saved} == saved
    assert set(now) == set(saved), "new names: add them to tests/data/c_api.json"


def test_activation_codes_match():
    text = (Path(ic.kernels.__file__).parent / "kernels.pxd").read_text()
    for name in ic.activations.names:
        assert f"ACT_{name.upper()} = {ic.activations.get(name).code}\n" in text


def test_table_grows_but_never_moves():
    text = (Path(ic.kernels.__file__).parent / "_table.pxd").read_text()
    order = [text.index(f"(*{n})") for n in ("matmul_f32", "matmul_f64", "dense_forward_f32", "activation_forward_f32",
                                             "mse_f32", "random_bits")]
    assert order == sorted(order)


def load(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "examples" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_ctypes_example():
    example = load("ctypes_table")
    assert example.table().isa.decode() == ic.kernels.isa
    rng = np.random.default_rng(0)
    a, b = rng.random((7, 5), np.float32), rng.random((5, 9), np.float32)
    assert np.array_equal(example.matmul(a, b), ic.kernels.matmul(a, b))


def test_numba_example():
    pytest.importorskip("numba", reason="the dev extra has Numba")
    example = load("numba_kernel")
    z = np.linspace(-1, 3, 1000).astype(np.float32)
    assert example.mean_activation(z) == pytest.approx(np.tanh(z.astype(float)).mean(), rel=1e-6)


@pytest.fixture(scope="module")
def consumer(tmp_path_factory):
    """examples/cython_consumer, built against the package under test, imported."""
    where = tmp_path_factory.mktemp("consumer")
    shutil.copytree(ROOT / "examples" / "cython_consumer", where / "src")
    path = os.pathsep.join([str(Path(ic.__file__).parent.parent), *(p for p in sys.path if p)])
    built = subprocess.run([sys.executable, "setup.py", "-q", "build_ext", "--build-lib", str(where / "lib")],
                           cwd=where / "src", env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert built.returncode == 0, built.stderr
    [file] = (where / "lib").glob("initcore_consumer*")
    spec = importlib.util.spec_from_file_location("initcore_consumer", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_consumer_runs_a_dense_layer(consumer):
    rng = np.random.default_rng(1)
    x, w, b = rng.random((33, 20), np.float32), rng.random((20, 17), np.float32), rng.random(17, np.float32)
    y = np.empty((33, 17), np.float32)
    consumer.dense_tanh(x, w, b, y)
    assert np.array_equal(y, ic.kernels.dense_forward(x, w, b, "tanh"))
    np.testing.assert_allclose(y, np.tanh(x @ w + b), rtol=1e-5)


def test_consumer_draws_the_known_answer(consumer):
    out = np.empty(4, np.uint32)
    consumer.words(0, 0, 0, out)
    assert [f"{v:08x}" for v in out] == ["6627e8d5", "e169c58d", "bc57ac4c", "9b00dbd8"]
    assert consumer.table_version() == 4


def test_every_kernel_from_eight_threads():
    """Kernels keep no state: eight threads at once get the bits one thread gets."""
    rng = np.random.default_rng(2)
    k = ic.kernels
    x, w, b = (rng.standard_normal(s).astype(np.float32) for s in ((37, 65), (65, 49), (49,)))
    dy = rng.standard_normal((37, 49)).astype(np.float32)
    labels = rng.integers(0, 49, 37)
    key = ic.Key(3)

    def everything():
        out = [k.matmul(x, w), *k.dense_backward(x, w, b, "sigmoid", dy)]
        for name in ic.activations.names:
            z = k.dense_forward(x, w, b, name)
            out += [z, k.activation_forward(name, dy), k.activation_backward(name, dy, z)]
        for loss, target in (("mse", dy), ("softmax_cross_entropy", labels), ("binary_cross_entropy", abs(dy) % 1)):
            value, grad = k.loss(loss, dy * 3, target)
            out += [np.asarray(value), grad]
        out += [ic.random.bits(999, rng=key), ic.random.normal((33, 7), rng=key),
                ic.random.uniform((33, 7), rng=key, dtype="float64"), ic.random.truncated_normal(555, rng=key)]
        return [np.array(a) for a in out]

    want = everything()
    wrong = []

    def hammer():
        for _ in range(20):
            got = everything()
            wrong.extend(i for i, (a, c) in enumerate(zip(got, want)) if a.tobytes() != c.tobytes())

    pool = [threading.Thread(target=hammer) for _ in range(8)]
    for t in pool:
        t.start()
    for t in pool:
        t.join()
    assert not wrong
