# Arrays as every door reads them: one reader, one rule for `out=`, one refusal.
#
# Design
# A. The quick reading (take...) looks at exact, aligned, native ndarrays through NumPy's C structs: no views are made
#    and nothing is checked twice. It refuses without a word.
# B. The slow reading (plain..., target) raises, or makes of anything what the quick one takes: misaligned arrays,
#    strides that are no whole elements, subclasses, half precisions and lists are viewed or copied.
# C. So every pointer a kernel gets comes from a Matrix or a vector that `take...` has measured, and the same mistake
#    gives the same exception and the same words from every function.
# D. An output may overlap inputs, not itself nor another output. Where an input, or its layout, is in the way, the
#    result is made apart and copied; an error leaves it as it was.

cimport numpy as cnp
from libc.string cimport memcpy, memset

import numpy as np

from initcore import _checks, activations as _activations
from initcore.errors import (ArgumentError as _ArgumentError, ArgumentTypeError as _ArgumentTypeError,
                             DTypeError as _DTypeError, ShapeError as _ShapeError, unknown_name as _unknown_name)

cnp.import_array()

cdef type _ActivationType = _activations.Activation
cdef dict _codes = {f.name: (f.code, f.alpha) for f in map(_activations.get, _activations.names)}


# A plain matrix: strides in elements.
cdef struct Matrix:
    char* data
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row
    Py_ssize_t col


# --- the quick reading ---------------------------------------------------------------------------------------------

cdef inline bint take(object a, int kind, Matrix* m) noexcept:
    """Read a plain 2-D array of that type; false where it is anything else."""
    if not cnp.PyArray_CheckExact(a):
        return False
    cdef cnp.ndarray x = <cnp.ndarray> a
    if cnp.PyArray_TYPE(x) != kind or cnp.PyArray_NDIM(x) != 2 or not cnp.PyArray_ISBEHAVED_RO(x):
        return False
    cdef Py_ssize_t size = 4 if kind == cnp.NPY_FLOAT32 else 8
    cdef cnp.npy_intp* dims = cnp.PyArray_DIMS(x)
    cdef cnp.npy_intp* strides = cnp.PyArray_STRIDES(x)
    if (strides[0] | strides[1]) & (size - 1):
        return False
    m.data = cnp.PyArray_BYTES(x)
    m.rows = dims[0]
    m.cols = dims[1]
    m.row = strides[0] // size
    m.col = strides[1] // size
    return True


cdef inline bint take_rows(object a, int kind, Py_ssize_t rows, Py_ssize_t cols, Matrix* m) noexcept:
    """The same, of that shape and with adjacent elements in each row."""
    return take(a, kind, m) and m.rows == rows and m.cols == cols and (m.col == 1 or cols <= 1)


cdef inline bint take_out(object a, int kind, Py_ssize_t rows, Py_ssize_t cols, Matrix* m) noexcept:
    """The same, to be written: rows apart and writeable."""
    return (take_rows(a, kind, rows, cols, m) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray> a)
            and (rows <= 1 or m.row >= cols))


cdef inline bint take_flat(object a, int kind, Py_ssize_t rows, Py_ssize_t cols, Matrix* m) noexcept:
    """The same, C-contiguous: for what only reads n = rows cols elements."""
    return take_rows(a, kind, rows, cols, m) and (rows <= 1 or m.row == cols or cols == 0)


cdef inline char* take_vector(object a, int kind, Py_ssize_t n) noexcept:
    """The elements of a plain contiguous vector of that type and size, or NULL."""
    if not cnp.PyArray_CheckExact(a):
        return NULL
    cdef cnp.ndarray x = <cnp.ndarray> a
    if cnp.PyArray_TYPE(x) != kind or cnp.PyArray_NDIM(x) != 1 or not cnp.PyArray_ISBEHAVED_RO(x) \
            or not cnp.PyArray_IS_C_CONTIGUOUS(x) or cnp.PyArray_DIMS(x)[0] != n:
        return NULL
    return cnp.PyArray_BYTES(x)


cdef inline bint take_out_vector(object a, int kind, Py_ssize_t n, Matrix* m) noexcept:
    """A plain contiguous writeable vector, as one row."""
    cdef char* data = take_vector(a, kind, n)
    m[0] = vector_as_matrix(data, n)
    return data != NULL and cnp.PyArray_ISWRITEABLE(<cnp.ndarray> a)


cdef inline bint apart(const Matrix* out, const Matrix* m, Py_ssize_t size) noexcept:
    """Whether an output (non-negative strides) and an input lie in disjoint ranges of memory."""
    cdef char* low = m.data
    cdef char* high = m.data
    if out.rows == 0 or out.cols == 0 or m.rows == 0 or m.cols == 0:
        return True
    if m.row < 0:
        low += (m.rows - 1) * m.row * size
    else:
        high += (m.rows - 1) * m.row * size
    if m.col < 0:
        low += (m.cols - 1) * m.col * size
    else:
        high += (m.cols - 1) * m.col * size
    return high + size <= out.data or out.data + ((out.rows - 1) * out.row + out.cols) * size <= low


cdef inline void no_matrix(Matrix* m) noexcept nogil:
    memset(m, 0, sizeof(Matrix))


cdef inline Matrix vector_as_matrix(char* data, Py_ssize_t n) noexcept nogil:
    cdef Matrix m
    m.data = data
    m.rows = 1
    m.cols = n
    m.row = n
    m.col = 1
    return m


cdef inline object new_matrix(Py_ssize_t rows, Py_ssize_t cols, int kind, Matrix* m):
    cdef cnp.npy_intp[2] dims
    if cols > 0 and rows > (<Py_ssize_t> 1 << 60) // cols:
        raise _ShapeError(f"the result would have shape ({rows}, {cols}), more than there can be memory for.")
    dims[0] = rows
    dims[1] = cols
    a = cnp.PyArray_EMPTY(2, dims, kind, 0)
    m.data = cnp.PyArray_BYTES(<cnp.ndarray> a)
    m.rows = rows
    m.cols = cols
    m.row = cols
    m.col = 1
    return a


cdef inline object new_vector(Py_ssize_t n, int kind, Matrix* m):
    cdef cnp.npy_intp count = n
    a = cnp.PyArray_EMPTY(1, &count, kind, 0)
    m[0] = vector_as_matrix(cnp.PyArray_BYTES(<cnp.ndarray> a), n)
    return a


cdef inline int kind_of(object a) noexcept:
    """NPY_FLOAT32, NPY_FLOAT64 or -1."""
    if not cnp.PyArray_CheckExact(a):
        return -1
    cdef int kind = cnp.PyArray_TYPE(<cnp.ndarray> a)
    return kind if kind == cnp.NPY_FLOAT32 or kind == cnp.NPY_FLOAT64 else -1


# --- the slow reading ----------------------------------------------------------------------------------------------

cdef object plain(str name, object value, object ndim=None, object dtype=None):
    """A float array of that rank (and dtype) that `take` takes: copied only where a pointer could not reach it."""
    return reachable(_checks.float_array(name, value, ndim=ndim, dtype=dtype))


cdef object reachable(object a):
    """An ndarray with a's elements, aligned and with strides of whole elements."""
    if type(a) is not np.ndarray:
        a = a.view(np.ndarray)
    if not a.flags.aligned or any([s % a.itemsize for s in a.strides]):
        a = a.copy()
    return a


cdef object contiguous(object a):
    """The same, C-contiguous; unlike np.ascontiguousarray it leaves an array without axes what it is."""
    return a if a.flags.c_contiguous else a.copy()


cdef object plain_rows(str name, object value, tuple shape, object dtype, str like):
    """A float array of that shape and dtype with adjacent elements in each row."""
    a = plain(name, value, len(shape), dtype)
    if a.shape != shape:
        raise misshapen(name, a.shape, like, shape, shape)
    return a if a.shape[a.ndim - 1] <= 1 or a.strides[a.ndim - 1] == a.itemsize else a.copy()


cdef object native(object dtype):
    """The dtype in this machine's byte order."""
    return dtype if dtype.isnative else dtype.newbyteorder("=")


cdef object exactly(str name, object value, object dtype, tuple shape, str like, object its):
    """A C-contiguous ndarray of that dtype and shape (-1: any size), as `like` of shape `its` needs."""
    if not isinstance(value, np.ndarray) or value.dtype != dtype:
        raise _DTypeError(f"{name} must hold {dtype}, got {_checks.describe(value)}.")
    if value.ndim != len(shape):
        raise _ShapeError(f"{name} must have {len(shape)} dimension(s), got shape {value.shape}.")
    if any([want >= 0 and have != want for have, want in zip(value.shape, shape)]):
        needed = [have if want < 0 else want for have, want in zip(value.shape, shape)]
        raise misshapen(name, value.shape, like, its, tuple(needed))
    value = contiguous(reachable(value))
    return value if value.dtype.num == dtype.num else value.view(dtype)     # long and long long


cdef object misshapen(str name, tuple shape, str like, tuple its, tuple needed):
    """The refusal of a shape that does not fit another array's."""
    more = "" if needed == its else f" and needs {needed}"
    return _ShapeError(f"{name} has shape {shape}, but {like} has shape {its}{more}.")


cdef bint overlap(object a, object b) except -1:
    """Whether two arrays share memory; where that is hard to tell, they do."""
    if not np.may_share_memory(a, b):
        return False
    try:
        return np.shares_memory(a, b, max_work=1000)
    except Exception:                   # too hard to tell
        return True


cdef tuple target(str name, object out, tuple shape, object dtype, tuple inputs):
    """(where to compute, what to return): a fresh array where `out` is None, overlaps an input or has no plain rows."""
    if out is None:
        fresh = np.empty(shape, dtype)
        return fresh, fresh
    _checks.out_array(name, out, shape, dtype)
    last = out.ndim - 1
    plain = (out.flags.aligned and out.dtype.isnative and not any([s % out.itemsize for s in out.strides])
             and (last < 0 or out.shape[last] <= 1 or out.strides[last] == out.itemsize)
             and (last < 1 or out.shape[0] <= 1 or out.strides[0] >= out.shape[last] * out.itemsize))
    if plain and not any([a is not None and overlap(out, a) for a in inputs]):
        return (out if type(out) is np.ndarray else out.view(np.ndarray)), out
    return np.empty(shape, dtype), out


cdef int hand_over(list pairs) except -1:
    """Copy what was computed apart into the caller's arrays."""
    for computed, asked in pairs:
        if asked is not computed and not np.may_share_memory(asked, computed):
            asked[...] = computed
    return 0


# --- arguments that are no arrays ----------------------------------------------------------------------------------

cdef object compiled(object activation):
    """The Activation of a name or object, refused where no kernel knows it; a callable is not called to find out."""
    own = isinstance(activation, _ActivationType)
    f = None if callable(activation) and not own else activation if own else _activations.get(activation)
    if f is None or f.code is None:
        name = getattr(activation, "name", None) or getattr(activation, "__name__", None)
        raise _ArgumentTypeError(f"activation={_checks.describe(activation) if name is None else name} is a callable "
                                 f"without a compiled kernel, which only {', '.join(_activations.names)} have; call "
                                 "its .phi and .dphi (NumPy), or use initcore.Dense, which does.")
    return f


cdef inline tuple activation_code(object activation):
    """(code, alpha) of an activation that has a kernel."""
    cdef object known
    if type(activation) is str:
        known = _codes.get(activation)
        if known is not None:
            return <tuple> known
    elif type(activation) is _ActivationType and activation.code is not None:
        return activation.code, activation.alpha
    f = compiled(activation)
    return f.code, f.alpha


cdef bint yes_or_no(str name, object value) except -1:
    """A truth value; anything that is merely true or false is refused."""
    if value is True or value is False:
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise _ArgumentTypeError(f"{name} must be True or False, got {_checks.describe(value)}.")


cdef inline double real_number(str name, object value) except? -1:
    """A number, infinite ones too, but not NaN."""
    if type(value) is float and value == value:
        return value
    return _checks.number(name, value, finite=False)
