"""All numeric kernels, compiled once per instruction set; exports one function table in a capsule.

Design
A. One source: setup.py compiles this file under several names, each with its own flags. Nothing here
   looks at the CPU; initcore.kernels picks a variant at import. But the baseline asks once whether there is an FMA
   instruction for the fused multiply-adds that promise bits: the same bits, several times sooner.
B. Scalar or vector `inline` function first, loop second, table entry last. No Python objects inside.
C. Every function is pure and single-threaded; workspaces are bounded and freed before return.
"""

from cpython.pycapsule cimport PyCapsule_New
from libc.stdlib cimport malloc, free
from libc.string cimport memcpy, memmove, memset
from initcore._table cimport KernelTable, RandomJob, StopCheck, INITCORE_TABLE_VERSION, u16, u32, u64

include "variant/simd.pxi"
include "variant/elementary.pxi"
include "variant/activations/f64.pxi"
include "variant/activations/gelu_f64.pxi"
include "variant/activations/piecewise_f64.pxi"
include "variant/activations/f32.pxi"
include "variant/activations/gelu_f32.pxi"
include "variant/activations/piecewise_f32.pxi"
include "variant/activations/loops.pxi"
include "variant/activations/codes.pxi"
include "variant/losses.pxi"
include "variant/dense/tiles_f32.pxi"
include "variant/dense/tiles_f64.pxi"
include "variant/dense/pack.pxi"
include "variant/dense/sweep.pxi"
include "variant/dense/product.pxi"
include "variant/dense/dense.pxi"
include "variant/random/inverse_normal.pxi"
include "variant/random/values.pxi"
include "variant/random/philox.pxi"
include "variant/random/runs.pxi"
include "variant/random/layouts.pxi"
include "variant/signals.pxi"
include "variant/ties.pxi"
include "variant/weights.pxi"

cdef extern from *:
    """
    #define STRINGIZE_(x) #x
    #define STRINGIZE(x) STRINGIZE_(x)
    #if defined(__VERSION__)
    #  if defined(__clang__)
    #    define INITCORE_COMPILER __VERSION__
    #  else
    #    define INITCORE_COMPILER "GCC " __VERSION__
    #  endif
    #else
    #  define INITCORE_COMPILER "unknown"
    #endif
    """
    const char* INITCORE_COMPILER
    const char* INITCORE_ISA          # set by setup.py
    const char* INITCORE_FLAGS

cdef KernelTable table
memset(&table, 0, sizeof(KernelTable))
fma_ask()
table.version = INITCORE_TABLE_VERSION
table.size = sizeof(KernelTable)
table.isa = INITCORE_ISA
table.compiler = INITCORE_COMPILER
table.flags = INITCORE_FLAGS
fill_activations(&table)
fill_losses(&table)
fill_dense(&table)
fill_philox(&table)
fill_signals(&table)
fill_ties(&table)
fill_weights(&table)

capsule = PyCapsule_New(&table, "initcore.kernel_table", NULL)
