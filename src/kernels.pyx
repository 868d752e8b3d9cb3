"""The compiled kernels as Python sees them, and the choice of instruction set.

Design
A. At import the best variant the CPU and OS support is loaded and its function table copied; the
   environment variable INITCORE_ISA forces one. Nothing reads the environment after import.
B. The public functions allocate, check and copy (only when strides or dtype force it, see each docstring);
   the kernels behind the table only fill. No pointer reaches them but what doors/arrays.pxi has measured.
C. The C API (kernels.pxd) are trampolines through the same table.
"""

import importlib
import os

from cpython.pycapsule cimport PyCapsule_GetPointer
from initcore._table cimport KernelTable, INITCORE_TABLE_VERSION, u32, u64

cdef extern from *:
    """
    #if (defined(__GNUC__) || defined(__clang__)) && defined(__x86_64__)
    static int initcore_cpu_has(int level) {
        __builtin_cpu_init();
        if (level >= 3 && !(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
                            && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))) return 0;
        if (level >= 4 && !(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
                            && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq")
                            && __builtin_cpu_supports("avx512vl"))) return 0;
        return 1;
    }
    #else
    static int initcore_cpu_has(int level) { return level <= 0; }
    #endif
    """
    int initcore_cpu_has(int level) nogil

cdef KernelTable* table = NULL
cdef object _loaded_capsule = None      # keeps the variant alive

# name -> level of the CPU needed, best first; the first that is built and usable is the default.
_LEVELS = {"x86_v4": 4, "x86_v3": 3, "neon": 0, "base": 0}


cdef bint _exists(str isa) except -1:
    import importlib.util
    return importlib.util.find_spec(f"initcore._variant_{isa}") is not None


cdef bint _usable(str isa) except -1:
    return initcore_cpu_has(_LEVELS[isa])


cdef str _select():
    global table, _loaded_capsule
    forced = os.environ.get("INITCORE_ISA", "").strip()
    if forced:
        if forced not in _LEVELS:
            raise ImportError(f"INITCORE_ISA={forced!r} is not known; known: {', '.join(_LEVELS)}.")
        if not _exists(forced):
            raise ImportError(f"INITCORE_ISA={forced!r}: this build of initcore has no such variant.")
        if not _usable(forced):
            raise ImportError(f"INITCORE_ISA={forced!r}: this CPU or operating system cannot run it.")
        chosen = forced
    else:
        chosen = [n for n in _LEVELS if _usable(n) and _exists(n)][0]
    module = importlib.import_module(f"initcore._variant_{chosen}")
    cdef KernelTable* t = <KernelTable*> PyCapsule_GetPointer(module.capsule, "initcore.kernel_table")
    if t.version != INITCORE_TABLE_VERSION or t.size != sizeof(KernelTable):
        raise ImportError("initcore's variants and its dispatcher are of different builds; reinstall initcore.")
    table = t
    _loaded_capsule = module.capsule
    return chosen


isa = _select()
capsule = _loaded_capsule


def variants():
    """Every variant name -> "in use", "available", "not built" or "CPU lacks it"."""
    return {n: "in use" if n == isa else "not built" if not _exists(n)
            else "available" if _usable(n) else "CPU lacks it" for n in _LEVELS}


def build_info():
    """Compiler and flags of the variant in use."""
    return {"compiler": table.compiler.decode(), "flags": table.flags.decode()}


include "doors/capi.pxi"
include "doors/arrays.pxi"
include "doors/threads.pxi"
include "doors/dense.pxi"
include "doors/dense_checked.pxi"
include "doors/losses.pxi"
include "doors/chain.pxi"
include "doors/activations.pxi"
include "doors/random.pxi"
include "doors/signals.pxi"
include "doors/ties.pxi"
include "doors/weights.pxi"
