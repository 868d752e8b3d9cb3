# Elementwise activations as Python sees them: checks, strides, threads; the kernels behind `table` only fill.
#
# Design
# A. The quick path takes plain C-contiguous float32/float64 arrays through NumPy's C structs and does only what
#    such a call needs. It refuses rather than raises.
# B. What it refuses goes the general way, by the buffer protocol: other orders, copies, overlaps, half precisions,
#    threads, and every error message.

from cpython.buffer cimport (Py_buffer, PyObject_GetBuffer, PyBuffer_Release, PyBuffer_IsContiguous,
                             PyBUF_STRIDES, PyBUF_WRITABLE)

import numpy as np
from initcore import _threads
from initcore.activations import _table as _activations
from initcore._checks import FLOATS as _FLOATS, float_array as _float_array, out_array as _out_array
from initcore.errors import ArgumentError as _ArgumentError, DTypeError as _DTypeError, ShapeError as _ShapeError

cdef object _F32 = np.dtype(np.float32)
cdef object _F64 = np.dtype(np.float64)
cdef object _ndarray = np.ndarray
cdef object _empty = np.empty
cdef object _Activation = _activations.Activation
cdef object _act_get = _activations.get

# Elements a thread must have before a second one is worth its start (about 20 us).
cdef Py_ssize_t _ACT_GRAIN = 1 << 16
# Elements from which the GIL is released: below, giving it up costs more than the work.
cdef Py_ssize_t _ACT_NOGIL = 1 << 11


cdef object _act_compiled(object activation):
    """The Activation of a name or object, refused where no kernel knows it."""
    act = activation if type(activation) is _Activation else _act_get(activation)
    if act.code is None:
        raise _ArgumentError(
            f"activation={act.name!r} has no compiled kernel, only one of {', '.join(_activations.names)} has; "
            "call its .phi and .dphi (NumPy) instead.")
    return act


cdef void _act_run(int code, double alpha, bint backward, bint wide, const char* z, const char* dy, char* out,
                   Py_ssize_t n) noexcept nogil:
    """The kernel for this direction and dtype on n contiguous elements."""
    if backward:
        if wide:
            table.activation_backward_f64(code, alpha, <const double*> z, <const double*> dy, <double*> out, n)
        else:
            table.activation_backward_f32(code, alpha, <const float*> z, <const float*> dy, <float*> out, n)
    elif wide:
        table.activation_forward_f64(code, alpha, <const double*> z, <double*> out, n)
    else:
        table.activation_forward_f32(code, alpha, <const float*> z, <float*> out, n)


def _act_piece(int code, double alpha, bint backward, bint wide, size_t z, size_t dy, size_t out, int item,
               Py_ssize_t start, Py_ssize_t stop):
    """Elements start .. stop of a call split over threads (addresses of buffers the caller holds)."""
    with nogil:
        _act_run(code, alpha, backward, wide, <const char*> z + start * item,
                 <const char*> dy + start * item if dy else NULL, <char*> out + start * item, stop - start)


cdef bint _act_flat(object act, object z, object dy, object out, bint backward, int threads) except -1:
    """Run on z, dy (or None), out of one dtype when all lie in memory in one order; False: nothing done."""
    cdef Py_buffer zv, dv, ov
    cdef bint done = False, wide = z.itemsize == 8
    cdef int code = act.code
    cdef double alpha = act.alpha
    cdef Py_ssize_t n
    cdef const char* dp = NULL
    cdef char order = b"C"
    PyObject_GetBuffer(z, &zv, PyBUF_STRIDES)
    try:
        PyObject_GetBuffer(out, &ov, PyBUF_STRIDES | PyBUF_WRITABLE)
        try:
            if dy is not None:
                PyObject_GetBuffer(dy, &dv, PyBUF_STRIDES)
                dp = <const char*> dv.buf
            try:
                if not PyBuffer_IsContiguous(&zv, b"C"):
                    order = b"F"
                if (PyBuffer_IsContiguous(&zv, order) and PyBuffer_IsContiguous(&ov, order)
                        and (dy is None or PyBuffer_IsContiguous(&dv, order))
                        and not _act_clash(<char*> zv.buf, <char*> ov.buf, zv.len)
                        and not (dy is not None and _act_clash(<char*> dv.buf, <char*> ov.buf, zv.len))):
                    done = True
                    n = zv.len // zv.itemsize
                    if n < _ACT_NOGIL:
                        _act_run(code, alpha, backward, wide, <const char*> zv.buf, dp, <char*> ov.buf, n)
                    elif threads > 1 and n >= 2 * _ACT_GRAIN:
                        _threads.split(
                            lambda start, stop: _act_piece(code, alpha, backward, wide, <size_t> zv.buf, <size_t> dp,
                                                           <size_t> ov.buf, zv.itemsize, start, stop),
                            n, min(threads, n // _ACT_GRAIN), align=64)
                    else:
                        with nogil:
                            _act_run(code, alpha, backward, wide, <const char*> zv.buf, dp, <char*> ov.buf, n)
            finally:
                if dy is not None:
                    PyBuffer_Release(&dv)
        finally:
            PyBuffer_Release(&ov)
    finally:
        PyBuffer_Release(&zv)
    return done


cdef object _act_quick(object activation, object z, object dy, object out, bint backward, object threads):
    """The result for plain arrays, None for everything else."""
    cdef int code, kind
    cdef double alpha
    cdef Py_ssize_t n
    cdef const char* dp = NULL
    cdef cnp.ndarray za, da, oa
    if not cnp.PyArray_CheckExact(z):
        return None
    za = <cnp.ndarray> z
    kind = cnp.PyArray_TYPE(za)
    n = cnp.PyArray_SIZE(za)
    if ((kind != cnp.NPY_FLOAT32 and kind != cnp.NPY_FLOAT64) or not _act_plain(za) or cnp.PyArray_NDIM(za) == 0
            or not (threads is None or threads is 1) or (n >= 2 * _ACT_GRAIN and _threads._default != 1)):
        return None
    if type(activation) is str:
        pair = _codes.get(activation)
        if pair is None:
            return None
        code, alpha = <int> pair[0], <double> pair[1]
    elif type(activation) is _ActivationType and activation.code is not None:
        code, alpha = activation.code, activation.alpha
    else:
        return None
    if dy is not None:
        if not cnp.PyArray_CheckExact(dy):
            return None
        da = <cnp.ndarray> dy
        if not (cnp.PyArray_TYPE(da) == kind and _act_plain(da) and cnp.PyArray_SAMESHAPE(da, za)):
            return None
        dp = cnp.PyArray_BYTES(da)
    if out is None:
        out = cnp.PyArray_EMPTY(cnp.PyArray_NDIM(za), cnp.PyArray_DIMS(za), kind, 0)
        oa = <cnp.ndarray> out
    else:
        if not cnp.PyArray_CheckExact(out):
            return None
        oa = <cnp.ndarray> out
        if (cnp.PyArray_TYPE(oa) != kind or not _act_plain(oa) or not cnp.PyArray_ISWRITEABLE(oa)
                or not cnp.PyArray_SAMESHAPE(oa, za)
                or _act_clash(cnp.PyArray_BYTES(za), cnp.PyArray_BYTES(oa), cnp.PyArray_NBYTES(za))
                or (dp != NULL and _act_clash(<char*> dp, cnp.PyArray_BYTES(oa), cnp.PyArray_NBYTES(za)))):
            return None
    if n < _ACT_NOGIL:
        _act_run(code, alpha, backward, kind == cnp.NPY_FLOAT64, cnp.PyArray_BYTES(za), dp, cnp.PyArray_BYTES(oa), n)
    else:
        with nogil:
            _act_run(code, alpha, backward, kind == cnp.NPY_FLOAT64, cnp.PyArray_BYTES(za), dp,
                     cnp.PyArray_BYTES(oa), n)
    return out


cdef inline bint _act_plain(cnp.ndarray a) noexcept:
    """C-contiguous, aligned, of this machine's byte order."""
    return cnp.PyArray_IS_C_CONTIGUOUS(a) and cnp.PyArray_ISBEHAVED_RO(a)


cdef inline bint _act_clash(char* a, char* b, Py_ssize_t size) noexcept:
    """Whether two stretches of memory overlap without being the same."""
    return a != b and a < b + size and b < a + size


cdef object _act_call(object act, object z, object dy, object out, bint backward, object threads):
    """Check, compute and return; z (and dy) any strides, float16 and bfloat16 through float32."""
    cdef int workers = _threads.resolve(threads)
    cdef bint fresh = out is None
    given = z
    if type(z) is not _ndarray or (z.dtype is not _F32 and z.dtype is not _F64):
        z = _float_array("z", z)                                    # widens float16 and bfloat16
    dtype = z.dtype
    if isinstance(given, _ndarray) and given.dtype.isnative and given.dtype not in _FLOATS:
        dtype = given.dtype
    if dy is not None:
        if isinstance(dy, _ndarray) and dy.dtype != dtype:
            raise _DTypeError(f"dy has dtype {dy.dtype}, but z has {dtype}; cast with dy.astype(z.dtype).")
        if type(dy) is not _ndarray or (dy.dtype is not _F32 and dy.dtype is not _F64):
            dy = _float_array("dy", dy)
            if dy.dtype != z.dtype:
                raise _DTypeError(f"dy is of dtype {dy.dtype}, but z of {z.dtype}; pass arrays of one dtype.")
        if dy.shape != z.shape:
            raise _ShapeError(f"dy has shape {dy.shape}, but z has {z.shape}; one gradient an element is needed.")
    if fresh:
        if dtype == z.dtype and _act_flat_order(z):
            out = _empty(z.shape, dtype, "C" if z.flags.c_contiguous else "F")
        else:
            out = _empty(z.shape, dtype)
    else:
        _out_array("out", out, z.shape, dtype)
    if dtype != z.dtype or not _act_flat(act, z, dy, out, backward, workers):
        _act_strided(act, z, dy, out, backward, workers)
    return out[()] if fresh and out.ndim == 0 else out


cdef inline bint _act_flat_order(object z):
    flags = z.flags
    return flags.c_contiguous or flags.f_contiguous


cdef int _act_strided(object act, object z, object dy, object out, bint backward, int workers) except -1:
    """The general case: contiguous copies of what is not contiguous, the result copied out where it must be."""
    cz = np.ascontiguousarray(z)
    cdy = None if dy is None else np.ascontiguousarray(dy)
    direct = (out.dtype == z.dtype and out.flags.c_contiguous and not np.may_share_memory(out, z)
              and (dy is None or not np.may_share_memory(out, dy)))
    target = out if direct else _empty(cz.shape, z.dtype)
    cz = cz.reshape(target.shape)
    _act_flat(act, cz, None if dy is None else cdy.reshape(target.shape), target, backward, workers)
    if not direct:
        out[...] = target.reshape(out.shape)
    return 0


def activation_forward(activation, z, *, out=None, threads=None):
    """``y := phi(z)``, elementwise.

    Parameters
    ----------
    activation : a name of :data:`initcore.activations.names`, an alias, or an Activation with a kernel.
    z : array of any shape, float32 or float64 (float16 and bfloat16 are computed in float32 and rounded once).
        C- and F-contiguous arrays are read as they lie; any other strides cost one contiguous copy.
    out : array of z's shape and dtype that receives y; may be z itself. Memory that overlaps z
        otherwise, or is not contiguous, costs one temporary array.
    threads : number of threads; None is :func:`initcore.get_num_threads`. The bits do not depend on it.

    Returns
    -------
    y : ``out``, or a new array of z's shape and dtype (a scalar where z is one).

    Raises
    ------
    UnknownNameError, ArgumentError, DTypeError, ShapeError : ``out`` is untouched then.

    The same input gives the same bits at every position; odd functions are exactly odd; NaN gives NaN.
    tanh and sigmoid are within 2 ULP, the others within 4 ULP (docs/explanation/accuracy.md).
    PyTorch: ``torch.nn.functional``; JAX: ``jax.nn``; Keras: ``keras.activations``.

    >>> import numpy as np
    >>> activation_forward("relu", np.array([-1.0, 0.5]))
    array([0. , 0.5])
    """
    done = _act_quick(activation, z, None, out, False, threads)
    return done if done is not None else _act_call(_act_compiled(activation), z, None, out, False, threads)


def activation_backward(activation, z, dy, *, out=None, threads=None):
    """``dz := dy * phi'(z)``, elementwise.

    Parameters
    ----------
    activation, z, out, threads : as in :func:`activation_forward`; ``out`` may be z or dy itself.
    dy : array of z's shape and dtype; None stands for ones, so that the slope itself is returned.

    Returns
    -------
    dz : ``out``, or a new array of z's shape and dtype.

    Slopes come from z, by forms that stay accurate where ``1 - y*y`` or ``y*(1 - y)`` are already 0.
    At a kink the slope is the one from the left (relu: 0), for elu and selu the one of the curved branch.

    >>> import numpy as np
    >>> activation_backward("tanh", np.array([0.0, 20.0]), np.array([1.0, 1.0]))
    array([1.0000000e+00, 1.6993417e-17])
    """
    done = _act_quick(activation, z, dy, out, True, threads)
    return done if done is not None else _act_call(_act_compiled(activation), z, dy, out, True, threads)
