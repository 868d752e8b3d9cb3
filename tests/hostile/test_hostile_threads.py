"""Threads that cannot start, processes that fork, interpreters that end: a call computes, whoever is left to."""

import os

import pytest

PRELUDE = """
import os, sys, threading, time
import numpy as np
import initcore as ic
from initcore import _threads
K = ic.kernels
a = np.random.default_rng(0).standard_normal((700, 700)).astype(np.float32)
want = K.matmul(a, a)
z = np.random.default_rng(1).standard_normal(400_000).astype(np.float32)
tanh = K.activation_forward("tanh", z)
normal = ic.random.normal(400_000, rng=1)

def right(t):
    return (K.matmul(a, a, threads=t).tobytes() == want.tobytes()
            and K.activation_forward("tanh", z, threads=t).tobytes() == tanh.tobytes()
            and ic.random.normal(400_000, rng=1, threads=t).tobytes() == normal.tobytes())
"""
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def test_no_thread_can_start(fresh):
    """A stack larger than the address space: the system refuses every thread."""
    assert fresh(PRELUDE + """
threading.stack_size(1 << 46)
try:
    threading.Thread(target=print).start()
    print("a thread started after all")
except RuntimeError:
    pass
assert all(right(t) for t in (1, 2, 16, 300))
print(threading.active_count())
threading.stack_size(0)
assert right(3)
print(threading.active_count() > 1)
""") == "1\nTrue\n"


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="needs users")
@pytest.mark.parametrize("more", [0, 2])
def test_a_limit_on_threads(fresh, more):
    """RLIMIT_NPROC, as a user of its own where the tests run as root, whom it does not bind."""
    assert fresh(PRELUDE + f"""
import resource
if os.getuid() == 0:
    os.setgid(54321)
    os.setuid(54321)
mine = 1
for p in filter(str.isdigit, os.listdir("/proc")):
    try:
        mine += len(os.listdir(f"/proc/{{p}}/task")) if os.stat(f"/proc/{{p}}").st_uid == os.getuid() else 0
    except OSError:
        pass
resource.setrlimit(resource.RLIMIT_NPROC, (mine - 1 + {more},) * 2)
assert all(right(t) for t in (2, 16))
print(threading.active_count() <= {more} + 1)
""") == "True\n"


def test_threads_that_fail_now_and_then(fresh):
    """Every third start fails, and what does start is late."""
    assert fresh(PRELUDE + """
start, count = threading.Thread.start, 0
def sometimes(self):
    global count
    count += 1
    if count % 3 == 0:
        raise RuntimeError("can't start new thread")
    start(self)
threading.Thread.start = sometimes
assert all(right(t) for t in (2, 3, 5, 8, 13) for _ in range(5))
print("well")
""") == "well\n"


def test_sixteen_callers_at_once(fresh):
    assert fresh(PRELUDE + """
wrong = []
def hammer():
    wrong.extend(t for _ in range(3) for t in (1, 2, 3) if not right(t))
crowd = [threading.Thread(target=hammer) for _ in range(16)]
[t.start() for t in crowd]
[t.join() for t in crowd]
print(wrong, threading.active_count() <= 1 + 256)
""") == "[] True\n"


def test_an_error_in_a_piece_leaves_nothing_behind(fresh):
    assert fresh(PRELUDE + """
import gc, weakref
class Thing: pass
thing = Thing()
alive = weakref.ref(thing)
def task(i, thing):
    if i == 1:
        raise KeyError(i)
for _ in range(20):
    try:
        _threads.run(task, [(i, thing) for i in range(3)])
    except KeyError:
        pass
assert right(2)
del thing
gc.collect()
print(alive())
""") == "None\n"


@needs_fork
@pytest.mark.parametrize("depth", [1, 3])
def test_children_of_children(fresh, depth):
    assert fresh(PRELUDE + f"""
assert right(2)
def child(depth):
    pid = os.fork()
    if pid == 0:
        ok = right(2) and right(1)
        os._exit(0 if ok and (depth == 0 or child(depth - 1)) else 1)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
print(all(child({depth}) for _ in range(5)))
""") == "True\n"


@needs_fork
def test_forks_while_another_thread_computes(fresh):
    """The child has neither the computing thread nor the workers, but it has their locks, in whatever state."""
    assert fresh(PRELUDE + """
over = False
def busy():
    while not over:
        assert right(3)
other = threading.Thread(target=busy)
other.start()
codes = []
for _ in range(25):
    pid = os.fork()
    if pid == 0:
        os._exit(0 if right(2) else 1)
    codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
over = True
other.join()
print(set(codes))
""") == "{0}\n"


@needs_fork
def test_a_fork_in_the_middle_of_its_own_call(fresh):
    """In a piece, or in a handler while the caller waits: the child says that the rest is gone, and computes again."""
    assert fresh(PRELUDE + """
def task(i):
    if threading.current_thread() is threading.main_thread():
        pid = os.fork()
        if pid:
            codes.append(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    else:
        started.set()
        time.sleep(0.3)
codes, started = [], threading.Event()
parent = os.getpid()
try:
    _threads.run(lambda i: (i == 1 and started.wait(10), task(i)), [(0,), (1,)])
    gone = False
except RuntimeError as e:
    gone = "forked in the middle" in str(e)
if os.getpid() != parent:
    os._exit(7 if gone and right(2) else 1)
print(codes, gone)
""") == "[7] False\n"


@pytest.mark.parametrize("how", ["atexit.register(last)", "threading._register_atexit(last)"])
def test_the_first_threaded_call_is_the_last_thing_done(fresh, how):
    assert fresh(PRELUDE + f"""
import atexit
def last():
    print(right(2))
{how}
""") == "True\n"


def test_a_finaliser_computes_while_the_interpreter_ends(fresh):
    """No result is promised there, but an end without a traceback."""
    assert fresh(PRELUDE + """
class Last:
    def __del__(self, right=right, write=os.write):
        write(1, b"right\\n" if right(2) else b"wrong\\n")
sys.modules["kept to the end"] = Last()
""") == "right\n"


@pytest.mark.parametrize("ending", ["", "sys.exit(0)", "os._exit(0)", "assert right(3); sys.exit(0)"])
def test_the_end_comes_while_others_compute(fresh, ending):
    assert fresh(PRELUDE + f"""
def forever():
    while True:
        K.matmul(a, a, threads=2)
        ic.random.normal(400_000, rng=1, threads=3)
for _ in range(3):
    threading.Thread(target=forever, daemon=True).start()
time.sleep(0.3)
{ending}
""") == ""


def test_an_exit_in_a_piece_is_the_callers(fresh):
    assert fresh(PRELUDE + """
def task(i):
    if i == 0:
        raise SystemExit(3)
try:
    _threads.run(task, [(0,), (1,), (2,)])
except SystemExit as e:
    print(e.code, right(2))
""") == "3 True\n"
