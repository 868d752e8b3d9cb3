"""Threads: how work is split, that nobody gets a thread unasked, errors, fork."""

import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from initcore import _threads, errors


@given(n=st.integers(0, 500), parts=st.integers(1, 40), align=st.integers(1, 70))
def test_chunks_cover_the_range_once(n, parts, align):
    pieces = _threads.chunks(n, parts, align)
    assert [i for s, e in pieces for i in range(s, e)] == list(range(n))
    assert len(pieces) <= parts and all(s < e and s % align == 0 for s, e in pieces)
    if len(pieces) > 1:
        sizes = [e - s for s, e in pieces]
        assert max(sizes) - min(sizes[:-1]) <= align


def test_run_uses_the_caller_and_others():
    barrier, seen = threading.Barrier(3, timeout=20), []

    def task(i):
        barrier.wait()                  # all three must run at once
        seen.append((i, threading.current_thread() is threading.main_thread()))

    _threads.run(task, [(0,), (1,), (2,)])
    assert sorted(seen) == [(0, False), (1, False), (2, True)]
    _threads.run(task, [])


def test_an_error_in_any_piece_is_raised_after_all_have_ended():
    for bad in range(3):
        done = []

        def task(i, bad=bad, done=done):
            if i == bad:
                raise KeyError(i)
            done.append(i)

        with pytest.raises(KeyError):
            _threads.run(task, [(0,), (1,), (2,)])
        assert len(done) == 2


def test_the_default_is_one_and_can_be_set():
    assert _threads.get_num_threads() == 1 and _threads.resolve(None) == 1 and _threads.resolve(7) == 7
    assert _threads.resolve(10 ** 30) == 256
    try:
        _threads.set_num_threads(3)
        assert _threads.resolve(None) == 3 and _threads.resolve(1) == 1
    finally:
        _threads.set_num_threads(1)
    for bad, error in ((0, errors.ArgumentError), (-2, errors.ArgumentError), (True, errors.ArgumentTypeError),
                       (1.0, errors.ArgumentTypeError), ("2", errors.ArgumentTypeError)):
        with pytest.raises(error):
            _threads.set_num_threads(bad)
        with pytest.raises(error):
            _threads.resolve(bad)
    assert _threads.get_num_threads() == 1


def fresh(code):
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_no_thread_is_made_unasked():
    before, after = fresh("""
import threading, numpy as np, initcore as ic
a = np.ones((300, 300), np.float32)
ic.kernels.matmul(a, a); ic.kernels.dense_backward(a, a, None, "tanh", a)
print(threading.active_count())
ic.kernels.matmul(a, a, threads=3)
print(threading.active_count())
""")
    # The pool gives a second piece to a worker that has already ended its first, where there is one.
    assert before == "1" and after in ("2", "3")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_makes_its_own_pool():
    assert fresh("""
import os, numpy as np, initcore as ic
a = np.ones((300, 300), np.float32)
want = ic.kernels.matmul(a, a, threads=2)
child = os.fork()
if child == 0:
    os._exit(0 if np.array_equal(ic.kernels.matmul(a, a, threads=2), want) else 1)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
""") == ["0"]


def test_work_may_end_with_the_interpreter():
    assert fresh("""
import atexit, numpy as np, initcore as ic
a = np.ones((300, 300), np.float32)
ic.kernels.matmul(a, a, threads=2)
atexit.register(lambda: print(ic.kernels.matmul(a, a, threads=2)[0, 0]))
""") == ["300.0"]
