# Work that can be interrupted, alone or in several threads.
#
# Design
# A. A Task is what the threads of one call share: it owns the arrays its pieces read and write, so that they outlive
#    whoever asked, and a flag that ends pieces early. Nothing a piece touches lies on a stack.
# B. Long products ask `halted` some twenty times a second, elementwise work and fills are cut in pieces that short:
#    in the main thread Python's signal handlers then run, and what they raise ends the call within a fifth of a
#    second, at one thread or many. Passes over a matrix (signals, ties, statistics) take strips of its columns.
# C. `settle` waits until no piece runs. It is compiled: between two lines of Python a second interrupt could end the
#    waiting.

import os as _os
from operator import itemgetter as _itemgetter
from queue import Empty as _Empty

cimport cython
from cpython.exc cimport PyErr_CheckSignals, PyErr_Occurred
from initcore._table cimport StopCheck

from initcore import _threads

# Multiply-adds below which the GIL is kept, and from which threads are worth their start (measured).
cdef enum:
    KEEP_GIL = 65536
    WORTH_THREADS = 10000000
    INTERRUPTED = -3            # what a kernel returns that was asked to stop
    LONG_PIECE = 1 << 20        # elements done between two looks at the signals
    ONCE = 1 << 23              # elements of a matrix read at one go where each takes some nanoseconds,
    ONCE_QUICK = 1 << 26        # or one at most: narrow strips of tall matrices cost half as much again,
    STRIP = 512                 # but so many columns of it at least,
    MOST = 1 << 25              # and of a tall one, where those would be more than this,
    NARROW = 64                 # so many

cdef extern from * nogil:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #  define flag_read(p) __atomic_load_n(p, __ATOMIC_RELAXED)
    #  define flag_raise(p) __atomic_store_n(p, 1, __ATOMIC_RELAXED)
    #else
    #  define flag_read(p) (*(volatile int *)(p))
    #  define flag_raise(p) (*(volatile int *)(p) = 1)
    #endif
    """
    int flag_read(int* flag)
    void flag_raise(int* flag)

cdef extern from "Python.h" nogil:
    int check_signals "PyErr_CheckSignals" ()       # -1 with an exception set, which stays set


cdef inline Py_ssize_t strip_of(Py_ssize_t rows, Py_ssize_t once) noexcept:
    """Columns of a matrix with so many rows that are read at one go, where that is about `once` elements."""
    cdef Py_ssize_t most = max(once, MOST)
    if rows > most // STRIP:
        return max(1, most // (rows * NARROW)) * NARROW
    return max(1, once // (max(1, rows) * STRIP)) * STRIP


cdef inline bint lengthy(object w, Py_ssize_t once) noexcept:
    """Whether a pass over a matrix takes so long that Ctrl-C is to be answered meanwhile."""
    return cnp.PyArray_SIZE(w) > once and cnp.PyArray_DIM(w, 1) > strip_of(cnp.PyArray_DIM(w, 0), once)


cdef tuple by_strips(object f, object w, Py_ssize_t once):
    """f's arrays of w, one entry a column along their last axis: made of views of w's columns, about `once` elements
    each, in order, with a look at the signals between.

    No column's result depends on the others, so what comes of the strips, set side by side, is what comes of w. The
    whole is allocated after the first, so that what nobody has memory for is refused at once.
    """
    cdef Py_ssize_t cols = cnp.PyArray_DIM(w, 1), step = strip_of(cnp.PyArray_DIM(w, 0), once), j
    whole = None
    for j in range(0, cols, step):
        PyErr_CheckSignals()
        parts = f(w[:, j:j + step])
        if whole is None:
            whole = tuple([np.empty((*part.shape[:part.ndim - 1], cols), part.dtype) for part in parts])
        for one, part in zip(whole, parts):
            one[..., j:j + step] = part
    return whole


cdef int halted(void* context) noexcept nogil:
    """Whether to stop: the flag is up, or a signal's handler has raised."""
    cdef int* flag = <int*> context
    if flag_read(flag):
        return 1
    with gil:
        if check_signals() != 0:
            flag_raise(flag)
    return flag_read(flag)


cdef inline StopCheck stop_check(int* flag) noexcept nogil:
    """What a long kernel asks; the flag must live as long as it runs."""
    cdef StopCheck c
    c.asked = halted
    c.context = flag
    return c


cdef int done(int status) except -1:
    """Raise what a kernel's status means. After an interrupt the handler's exception is set already; where none is,
    another thread has it, and raises."""
    if status == INTERRUPTED:
        return -1 if PyErr_Occurred() != NULL else 0
    if status == -1:
        raise MemoryError
    return 0


cdef inline int threads_of(object threads) except -1:
    """The number that `threads` stands for."""
    return 1 if threads is 1 else _threads.resolve(threads)


cdef inline bint one_thread(object threads, double work) except -1:
    """Whether the call runs in the caller's thread; speaks up about a bad `threads`."""
    if threads is not None and not (type(threads) is int and threads >= 1):
        _threads.resolve(threads)
    return work < WORTH_THREADS or _threads.resolve(threads) == 1


@cython.internal
@cython.auto_pickle(False)
cdef class Task:
    """What the pieces of one call share."""
    cdef int flag
    cdef tuple held                     # every array that a pointer of the task points into

    def stop(self):
        """Pieces that run end early; what they write is of no use."""
        flag_raise(&self.flag)


def settle(call, interrupt, stop):
    """Wait until no piece of a `_threads._Call` runs, then raise what there is to raise. See `_threads.run`."""
    cdef Py_ssize_t left, inside
    cdef bint told = False, alone = False
    while True:
        try:
            if interrupt is None:
                interrupt = next((e for _, e in call.errors if not isinstance(e, Exception)), None)
            if interrupt is not None and not told:
                call.todo.clear()
                told = True
                if stop is not None:
                    stop()
            PyErr_CheckSignals()
            left = len(call.left)       # first: then equal numbers mean that all who were inside have left
            inside = len(call.inside)
            alone = call.pid != _os.getpid()
            if left == inside or alone:
                break
            call.wake.get(True, 0.1)
        except _Empty:
            pass
        except BaseException as e:
            interrupt = e if interrupt is None else interrupt
    errors = sorted(call.errors, key=_itemgetter(0))
    call.task, call.errors = None, []       # a worker that comes late finds nothing and keeps nothing
    call.todo.clear()
    if interrupt is not None:
        raise interrupt
    if errors:
        raise errors[0][1]
    if alone and left != inside:
        raise RuntimeError("the process was forked in the middle of a threaded call, whose other threads are gone.")


_threads._settle = settle
del settle
