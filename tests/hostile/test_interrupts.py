"""Ctrl-C, once and many times over, in every long call: it is answered, nothing runs on, and the next call is right.

The calls would take hours: that they end at all is what is tested.
"""

import pytest

PRELUDE = """
import os, signal, sys, threading, time
import numpy as np
import initcore as ic
from initcore import _threads
K, F32 = ic.kernels, np.float32
one = lambda *shape: np.broadcast_to(F32(1e-3), shape)            # as large as you like, in four bytes
out, rows = np.zeros((512, 512), F32), np.broadcast_to(np.ones(512, F32), (1 << 36, 512))
LONG = {
    "matmul": lambda t: K.matmul(one(512, 1 << 36), one(1 << 36, 512), out=out, threads=t),
    "matmul of few rows": lambda t: K.matmul(one(2, 1 << 36), one(1 << 36, 512), threads=t),
    "forward": lambda t: K.dense_forward(one(512, 1 << 36), one(1 << 36, 512), None, "tanh", out=out, threads=t),
    "backward": lambda t: K.dense_backward(one(1 << 36, 512), one(512, 512), None, "identity", rows, need_dx=False,
                                           threads=t),
    "run": lambda t: _threads.run(lambda i: time.sleep(0.01), [(i,) for i in range(1 << 18)], t),
    "activation": lambda t: [K.activation_forward("mish", big, out=big, threads=t) for _ in range(1 << 40)],
    "fill": lambda t: [ic.random.truncated_normal(big.shape, rng=0, out=big, threads=t) for _ in range(1 << 40)],
    "strided fill": lambda t: [ic.random.normal(big.shape, rng=0, out=big.T.reshape(big.shape, order="F"), threads=t)
                               for _ in range(1 << 40)],
    "signals": lambda t: K.signals("tanh", wide, wide),
    "sums of ties": lambda t: K._ties_project(one(1 << 18, 1 << 20), np.ones((2, 1 << 18))),
    "ties": lambda t: K._ties_multisets(one(1 << 18, 1 << 20), np.ones((1, 1 << 18), np.uint64), np.ones(1 << 18)),
    "look": lambda t: K._ties_look(one(1 << 20, 1 << 24)),
    "statistics": lambda t: K._weights_statistics(one(1 << 18, 1 << 20), 1e-40, 1e-5),
    "sums": lambda t: K._weights_sums(one(1 << 18, 1 << 20), np.ones(1 << 18), np.ones(1 << 18)),
}
big = np.zeros((3000, 1000), F32)
wide = np.broadcast_to(np.full(1 << 20, 1e-3, F32), (1 << 18, 1 << 20))
a = np.random.default_rng(0).standard_normal((700, 700)).astype(F32)
want = K.matmul(a, a)

def quiet():
    # every worker waits for work: what it did last is over
    return _threads._workers is None or len(_threads._workers.idle) == len(_threads._workers.made)

def sane():
    for t in (1, 2, 5):
        assert K.matmul(a, a, threads=t).tobytes() == want.tobytes()
        z = K.activation_forward("tanh", a, threads=t)
        assert np.allclose(z, np.tanh(a), rtol=1e-5, atol=1e-6)
"""


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_every_long_call_answers(fresh, threads):
    assert fresh(PRELUDE + f"""
for name, call in LONG.items():
    for delay in (0.02, 0.2):
        timer = threading.Timer(delay, os.kill, (os.getpid(), signal.SIGINT))
        try:
            timer.start()
            call({threads})
            print(name, "ended")
        except KeyboardInterrupt:
            pass
        timer.join()
        while not quiet():
            time.sleep(0.001)
    sane()
print("well")
""") == "well\n"


@pytest.mark.parametrize("threads", [1, 2, 7])
def test_interrupts_that_do_not_stop(fresh, threads):
    """A signal every millisecond while calls start, run, wait and end: no call returns before its pieces have."""
    assert fresh(PRELUDE + f"""
hits = armed = 0
others, over = [], False
main = threading.main_thread()
target = np.zeros((700, 700), F32)

def handler(*_):
    global armed
    if armed:
        armed -= 1
        raise KeyboardInterrupt
signal.signal(signal.SIGINT, handler)

def storm():
    while not over:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.0005)

def piece(i):
    mine = threading.current_thread() is not main
    if mine:
        others.append(i)
    K.matmul(a[:200], a)
    if mine:
        others.pop()

def attempt(call):
    global armed, hits
    try:
        try:
            armed = 40              # so many in one call
            call()
        finally:
            armed = 0
    except KeyboardInterrupt:
        armed = 0
        hits += 1
    assert not others, "a piece runs on"

thread = threading.Thread(target=storm)
thread.start()
for i in range(150):
    attempt(lambda: _threads.run(piece, [(i,) for i in range(12)], {threads}))
    attempt(lambda: K.matmul(a, a, out=target, threads={threads}))
    attempt(lambda: K.dense_backward(a, a, None, "tanh", a, threads={threads}))
    attempt(lambda: K.activation_forward("tanh", a, out=target, threads={threads}))
    attempt(lambda: ic.random.normal(a.shape, rng=1, out=target, threads={threads}))
over = True
thread.join()
while not quiet():
    time.sleep(0.001)
assert hits > 10, hits
sane()
print("well")
""") == "well\n"


def test_no_piece_outlives_its_call(fresh):
    """Memory that a call used is freed and filled anew right after an interrupt; nobody may write to it."""
    assert fresh(PRELUDE + """
for trial in range(40):
    target = np.zeros((900, 900), F32)
    timer = threading.Timer(0.0005 * (trial % 20), os.kill, (os.getpid(), signal.SIGINT))
    x = np.full((900, 900), 0.5, F32)
    try:
        timer.start()
        for _ in range(10 ** 9):
            K.dense_forward(x, x, None, "tanh", out=target, threads=2)
    except KeyboardInterrupt:
        seen = target.copy()
        time.sleep(0.02)
        assert (target == seen).all(), "a piece ran on"
    timer.join()
print("well")
""") == "well\n"


@pytest.mark.parametrize("threads", [1, 3])
def test_a_handler_may_raise_what_it_likes(fresh, threads):
    assert fresh(PRELUDE + f"""
class Late(Exception): pass
def handler(*_): raise Late
signal.signal(signal.SIGALRM, handler)
for name, call in LONG.items():
    if name != "run":
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        try:
            call({threads})
            print(name, "ended")
        except Late:
            pass
sane()
print("well")
""") == "well\n"


def test_a_handler_may_call_back(fresh):
    """A handler that computes itself, with threads, in the middle of a threaded call."""
    assert fresh(PRELUDE + """
calls = 0
def handler(*_):
    global calls, inside
    if not inside:
        inside, calls = True, calls + 1
        assert K.matmul(a, a, threads=2).tobytes() == want.tobytes()
        inside = False
inside = False
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
for _ in range(40):
    assert K.matmul(a, a, threads=2).tobytes() == want.tobytes()
signal.setitimer(signal.ITIMER_REAL, 0)
assert calls
print("well")
""") == "well\n"


def test_calls_in_other_threads_hear_nothing(fresh):
    """Signals are the main thread's: a call in another one goes on."""
    assert fresh(PRELUDE + """
got = []
def other():
    for _ in range(100):
        got.append(K.matmul(a, a, threads=2).tobytes() == want.tobytes())
worker = threading.Thread(target=other)
worker.start()
interrupts = 0
while worker.is_alive():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        interrupts += 1
    worker.join(0.01)
assert len(got) == 100 and all(got) and interrupts
print("well")
""") == "well\n"


def test_losses_look_at_signals_between_their_parts(fresh):
    """A clock that ticks every millisecond is heard within one call: 2^20 exponentials, a part, take longer."""
    assert fresh(PRELUDE + """
heard = 0
def handler(*_):
    global heard
    heard += 1
logits = np.zeros((1 << 14, 1 << 10), F32)
signal.signal(signal.SIGALRM, handler)
for name, target in (("softmax_cross_entropy", np.zeros(1 << 14, np.intp)), ("softmax_cross_entropy", logits),
                     ("binary_cross_entropy", logits)):
    signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
    before = heard
    K.loss(name, logits, target)
    during = heard - before
    signal.setitimer(signal.ITIMER_REAL, 0)
    assert during >= 8, (name, during)
print("well")
""") == "well\n"
