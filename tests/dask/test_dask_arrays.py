"""initcore.dask: lazy arrays with the same bits for every chunking, on threads and on a cluster that loses a worker."""

import functools
import inspect
import os
import signal
import time

import numpy as np
import pytest

pytest.importorskip("dask")

import dask
import dask.array as da

import initcore as ic
import initcore.dask as lazy
from initcore import errors
from initcore.files import check_file

KEY = ic.Key(21)
SHAPE = (30, 14)
EXTRA = {"constant": {"value": 0.5}, "sparse": {"sparsity": 0.5}, "wang_init": {"n_layers": 3}, "eye": {},
         "trunc_normal": {"std": 0.3}, "mup_std": {"role": "output"}, "he_normal": {"truncate": 2.0}}
NAMES = [n for n in ic.init.names if n != "delta_orthogonal"]


@pytest.fixture(autouse=True)
def on_this_thread():
    with dask.config.set(scheduler="synchronous"):
        yield


@pytest.mark.parametrize("name", NAMES)
def test_every_chunking_has_the_bits_of_the_whole(name):
    make, given = getattr(lazy, name), EXTRA.get(name, {})
    want = ic.init.get(name)(SHAPE, rng=KEY, **given)
    whole_only = name in ("orthogonal", "spectral")
    for chunks in (-1, "auto") if whole_only else (-1, "auto", (30, 5), (7, 14), ((1, 12, 17), (3, 3, 8)), 1 << 9):
        w = make(SHAPE, rng=KEY, chunks=chunks, **given)
        assert w.dtype == np.float32 and w.shape == SHAPE
        tasks = [k for k in dict(w.__dask_graph__()) if k[0] == w.name]
        assert len(dict(w.__dask_graph__())) <= w.npartitions == len(tasks)
        for made in (w, w.rechunk((11, 3)), w[3:, ::2]):
            part = want[3:, ::2] if made.shape != SHAPE else want
            assert np.asarray(made.compute()).tobytes() == np.ascontiguousarray(part).tobytes(), chunks


def test_kernels_dtypes_and_axes():
    for dtype in ("float64", "float16", "bfloat16"):
        w = lazy.he_normal((3, 3, 8, 12), layout="hwio", rng=KEY, dtype=dtype, chunks=(3, 2, 3, 12))
        want = ic.init.he_normal((3, 3, 8, 12), layout="hwio", rng=KEY, dtype=dtype)
        assert w.dtype == want.dtype and w.compute().tobytes() == want.tobytes()
    w = lazy.array(functools.partial(ic.init.normal, std=0.1), (9,), rng=KEY, chunks=4)
    assert (w.compute() == ic.init.normal((9,), std=0.1, rng=KEY)).all()
    kernel = lazy.delta_orthogonal((3, 3, 4, 4), layout="hwio", rng=KEY)
    assert (kernel.compute() == ic.init.delta_orthogonal((3, 3, 4, 4), layout="hwio", rng=KEY)).all()
    assert lazy.normal((), rng=KEY).compute() == ic.init.normal((), rng=KEY)
    assert lazy.normal((0, 4), rng=KEY).compute().shape == (0, 4)


def test_names_follow_what_is_in_them():
    one, two = (lazy.normal(SHAPE, rng=KEY, chunks=7) for _ in range(2))
    assert one.name == two.name
    others = [lazy.normal(SHAPE, rng=0, chunks=7), lazy.normal(SHAPE, rng=KEY, chunks=5),
              lazy.normal(SHAPE, rng=KEY, chunks=7, std=2.0),
              lazy.normal(SHAPE, chunks=7), lazy.normal(SHAPE, chunks=7)]
    assert len({one.name, *(o.name for o in others)}) == 6
    assert list(inspect.signature(lazy.he_normal).parameters)[-2:] == ["chunks", "name"]


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: lazy.orthogonal(SHAPE, chunks=(10, 14)), errors.ArgumentError, r"one chunk \(chunks=-1\)"),
    (lambda: lazy.normal(SHAPE, std=-1.0), errors.ArgumentError, "std"),
    (lambda: lazy.he_normal((3, 3, 2, 2)), errors.ShapeError, "layout"),
    (lambda: lazy.normal(SHAPE, global_shape=(90, 90)), errors.ArgumentTypeError, "global_shape="),
    (lambda: lazy.normal(SHAPE, dtype="int32"), errors.DTypeError, "int32"),
    (lambda: lazy.normal(SHAPE, chunks=(7, 7, 7)), errors.ArgumentError, "chunks"),
    (lambda: lazy.normal(SHAPE, rng=1.5), errors.ArgumentTypeError, "rng"),
    (lambda: lazy.array(lambda shape, *, rng, dtype: None, SHAPE), errors.ArgumentTypeError, "whole arrays only"),
    (lambda: lazy.check_files("weights.npz"), errors.ArgumentTypeError, "several paths"),
    (lambda: lazy.check_files(["a", "a"]), errors.ArgumentError, "twice"),
    (lambda: lazy.phase_diagram("tanh", [1.0], [0.1], rows=0), errors.ArgumentError, "rows")])
def test_what_is_refused_before_anything_runs(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_sweeps(tmp_path, capsys):
    ones, twos = np.linspace(0.5, 3.0, 7), np.linspace(0.0, 0.3, 4)
    want, got = ic.meanfield.phase_diagram("tanh", ones, twos), lazy.phase_diagram("tanh", ones, twos, rows=3)
    assert (want.phase == got.phase).all() and "Completed" in capsys.readouterr().out
    np.testing.assert_allclose(got.c, want.c, atol=2e-6)
    np.testing.assert_allclose(got.chi, want.chi, rtol=1e-9)
    paths = []
    for k in range(3):
        paths.append(tmp_path / f"{k}.npz")
        start = ic.init.he_normal if k else ic.init.zeros
        np.savez(paths[-1], w0=start((8, 16), rng=k), w1=start((16, 4), rng=k + 9))
    (tmp_path / "bad.npz").write_bytes(b"PK")
    reports = lazy.check_files([*paths, tmp_path / "bad.npz"], progress=False, activation="tanh")
    assert isinstance(reports.pop(str(tmp_path / "bad.npz")), errors.FileFormatError)
    want = {str(p): str(check_file(p, activation="tanh")) for p in paths}
    assert {path: str(report) for path, report in reports.items()} == want


def slow(block):
    time.sleep(0.05)
    return block


def test_a_worker_that_dies_changes_no_bit():
    distributed = pytest.importorskip("distributed")
    want = ic.init.he_normal((400, 300), rng=KEY)
    with dask.config.set({"distributed.worker.daemon": True, "distributed.comm.timeouts.connect": "30s",
                          "distributed.nanny.pre-spawn-environ.OMP_NUM_THREADS": 1}), \
            distributed.LocalCluster(n_workers=4, threads_per_worker=1, dashboard_address=None) as cluster, \
            distributed.Client(cluster) as client:
        w = lazy.he_normal((400, 300), rng=KEY, chunks=(25, 75)).map_blocks(slow, dtype="float32")
        future = client.compute(w)
        pids = [info["pid"] for info in client.run(lambda: {"pid": os.getpid()}).values()]
        time.sleep(0.3)
        os.kill(pids[0], signal.SIGKILL)
        made = future.result(timeout=120)
        diagram = lazy.phase_diagram("tanh", [0.5, 2.0], [0.1], rows=1, client=client)
    assert made.tobytes() == want.tobytes() and len(pids) == 4
    assert diagram.phase.ravel().tolist() == ["ordered", "chaotic"]
    assert isinstance(da.stack([w]), da.Array)
