# Products and dense layers as Python sees them.
#
# Design
# A. The fast path reads exact, aligned, native float32/float64 ndarrays through NumPy's C structs: no views are
#    made, nothing is checked twice, and small calls keep the GIL. It refuses rather than raises.
# B. Whatever it refuses goes to the checked path (dense_checked.pxi), which raises or makes plain arrays.

cimport numpy as cnp
from libc.string cimport memset

import numpy as np

from libc.math cimport NAN

from initcore import _checks, _threads
from initcore.activations import _table as _activations
from initcore.errors import (ArgumentError as _ArgumentError, ArgumentTypeError as _ArgumentTypeError,
                             DTypeError as _DTypeError, ShapeError as _ShapeError)

cnp.import_array()

# Multiply-adds below which the GIL is kept, and from which threads are worth their start (measured).
cdef enum:
    KEEP_GIL = 65536
    WORTH_THREADS = 10000000

cdef type _ActivationType = _activations.Activation
cdef dict _codes = {name: (f.code, f.alpha) for name, f in _activations._CACHE.items()}


# A plain matrix: strides in elements.
cdef struct Matrix:
    char* data
    Py_ssize_t rows
    Py_ssize_t cols
    Py_ssize_t row
    Py_ssize_t col


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
    """The same, to be written: C-contiguous and writeable."""
    return (take_rows(a, kind, rows, cols, m) and cnp.PyArray_ISWRITEABLE(<cnp.ndarray> a)
            and (rows <= 1 or m.row >= cols))


cdef inline char* take_vector(object a, int kind, Py_ssize_t n) noexcept:
    """The elements of a plain contiguous vector of that type and size, or NULL."""
    if not cnp.PyArray_CheckExact(a):
        return NULL
    cdef cnp.ndarray x = <cnp.ndarray> a
    if cnp.PyArray_TYPE(x) != kind or cnp.PyArray_NDIM(x) != 1 or not cnp.PyArray_ISBEHAVED_RO(x) \
            or not cnp.PyArray_IS_C_CONTIGUOUS(x) or cnp.PyArray_DIMS(x)[0] != n:
        return NULL
    return cnp.PyArray_BYTES(x)


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


cdef inline void no_matrix(Matrix* m) noexcept:
    memset(m, 0, sizeof(Matrix))


cdef inline Matrix vector_as_matrix(char* data, Py_ssize_t n) noexcept:
    cdef Matrix m
    m.data = data
    m.rows = 1
    m.cols = n
    m.row = n
    m.col = 1
    return m


cdef inline object new_matrix(Py_ssize_t rows, Py_ssize_t cols, int kind, Matrix* m):
    cdef cnp.npy_intp[2] dims
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


cdef inline bint take_out_vector(object a, int kind, Py_ssize_t n, Matrix* m) noexcept:
    """A plain contiguous writeable vector, as one row."""
    cdef char* data = take_vector(a, kind, n)
    m[0] = vector_as_matrix(data, n)
    return data != NULL and cnp.PyArray_ISWRITEABLE(<cnp.ndarray> a)


cdef bint all_apart(const Matrix* outs, const Matrix* x, const Matrix* w, const Matrix* z, const Matrix* y,
                    const Matrix* dy, Py_ssize_t size) noexcept:
    """Whether three outputs overlap neither each other nor an input."""
    cdef int i
    for i in range(3):
        if not (apart(&outs[i], x, size) and apart(&outs[i], w, size) and apart(&outs[i], z, size)
                and apart(&outs[i], y, size) and apart(&outs[i], dy, size)):
            return False
    return apart(&outs[0], &outs[1], size) and apart(&outs[0], &outs[2], size) and apart(&outs[1], &outs[2], size)


cdef inline int kind_of(object a) noexcept:
    """NPY_FLOAT32, NPY_FLOAT64 or -1."""
    if not cnp.PyArray_CheckExact(a):
        return -1
    cdef int kind = cnp.PyArray_TYPE(<cnp.ndarray> a)
    return kind if kind == cnp.NPY_FLOAT32 or kind == cnp.NPY_FLOAT64 else -1


cdef inline bint one_thread(object threads, double work) except -1:
    """Whether the call runs in the caller's thread; speaks up about a bad `threads`."""
    if threads is not None and not (type(threads) is int and threads >= 1):
        _threads.resolve(threads)
    return work < WORTH_THREADS or _threads.resolve(threads) == 1


cdef inline tuple activation_code(object activation):
    """(code, alpha) of an activation that has a kernel."""
    cdef object known
    if type(activation) is str:
        known = _codes.get(activation)
        if known is not None:
            return <tuple> known
    f = activation if type(activation) is _ActivationType else _activations.get(activation)
    if f.code is None:
        raise _ArgumentTypeError(f"activation={f.name!r} is a callable without a compiled kernel; apply it to the "
                                 "result of activation='identity', or use initcore.Dense, which does.")
    return f.code, f.alpha


cdef int run_matmul(int kind, const Matrix* a, const Matrix* b, const Matrix* c) noexcept nogil:
    if kind == cnp.NPY_FLOAT32:
        return table.matmul_f32(<float*> a.data, a.row, a.col, <float*> b.data, b.row, b.col, <float*> c.data, c.row,
                                a.rows, a.cols, b.cols)
    return table.matmul_f64(<double*> a.data, a.row, a.col, <double*> b.data, b.row, b.col, <double*> c.data, c.row,
                            a.rows, a.cols, b.cols)


cdef int run_forward(int kind, const Matrix* x, const Matrix* w, const char* b, int code, double alpha,
                     const Matrix* z, const Matrix* y) noexcept nogil:
    if kind == cnp.NPY_FLOAT32:
        return table.dense_forward_f32(<float*> x.data, x.row, x.col, <float*> w.data, w.row, w.col, <float*> b, code,
                                       alpha, <float*> z.data, z.row, <float*> y.data, y.row, x.rows, x.cols, w.cols)
    return table.dense_forward_f64(<double*> x.data, x.row, x.col, <double*> w.data, w.row, w.col, <double*> b, code,
                                   alpha, <double*> z.data, z.row, <double*> y.data, y.row, x.rows, x.cols, w.cols)


cdef int run_backward(int kind, const Matrix* x, const Matrix* w, int code, double alpha, const Matrix* z,
                      const Matrix* y, const Matrix* dy, const Matrix* dx, const Matrix* dw,
                      char* db) noexcept nogil:
    if kind == cnp.NPY_FLOAT32:
        return table.dense_backward_f32(<float*> x.data, x.row, x.col, <float*> w.data, w.row, w.col, code, alpha,
                                        <float*> z.data, z.row, <float*> y.data, y.row, <float*> dy.data, dy.row,
                                        <float*> dx.data, dx.row, <float*> dw.data, dw.row, <float*> db,
                                        x.rows, x.cols, w.cols)
    return table.dense_backward_f64(<double*> x.data, x.row, x.col, <double*> w.data, w.row, w.col, code, alpha,
                                    <double*> z.data, z.row, <double*> y.data, y.row, <double*> dy.data, dy.row,
                                    <double*> dx.data, dx.row, <double*> dw.data, dw.row, <double*> db,
                                    x.rows, x.cols, w.cols)


def matmul(a, b, *, out=None, threads=None):
    """``c[i, j] := sum_k a[i, k] b[k, j]``, summed in one fixed order.

    Parameters
    ----------
    a : ``(m, k)`` float32 or float64. b : ``(k, n)`` of the same dtype. Any strides; a copy is made only of
        misaligned arrays. Lists count as float64, float16 and bfloat16 are widened to float32.
    out : ``(m, n)`` array for the result. It may overlap ``a`` or ``b`` (the product is then made apart and
        copied, as NumPy does), and is untouched when an argument is bad.
    threads : threads to use, default :func:`initcore.get_num_threads`. It never changes a bit of the result.

    Returns
    -------
    ``(m, n)`` array, ``out`` if given. Equal columns of ``b`` give bitwise equal columns, and row i depends on row
    i of ``a`` alone: what OpenBLAS behind ``np.matmul`` or ``torch.matmul`` does not promise.

    Raises
    ------
    ShapeError, DTypeError, ArgumentTypeError, ArgumentError.

    >>> import numpy as np
    >>> matmul(np.eye(2), np.array([[1., 2.], [3., 4.]]))
    array([[1., 2.],
           [3., 4.]])
    """
    cdef Matrix am, bm, cm
    cdef int kind = kind_of(a), status
    cdef Py_ssize_t size = 4 if kind == cnp.NPY_FLOAT32 else 8
    cdef double work
    if kind >= 0 and take(a, kind, &am) and take(b, kind, &bm) and am.cols == bm.rows:
        work = <double> am.rows * am.cols * bm.cols
        if one_thread(threads, work):
            if out is None:
                out = new_matrix(am.rows, bm.cols, kind, &cm)
            elif not (take_out(out, kind, am.rows, bm.cols, &cm) and apart(&cm, &am, size) and apart(&cm, &bm, size)):
                return _matmul_checked(a, b, out, threads)
            if work < KEEP_GIL:
                status = run_matmul(kind, &am, &bm, &cm)
            else:
                with nogil:
                    status = run_matmul(kind, &am, &bm, &cm)
            if status != 0:
                raise MemoryError
            return out
    return _matmul_checked(a, b, out, threads)


def dense_forward(x, w, b, activation, *, out=None, z_out=None, threads=None):
    """A dense layer, fused: ``y := phi(x w + b)``.

    Parameters
    ----------
    x : ``(batch, fan_in)``. w : ``(fan_in, fan_out)`` (PyTorch keeps the transpose: pass ``weight.T``, no copy is
        made). b : ``(fan_out,)`` or None. One dtype, float32 or float64; float16 and bfloat16 are widened to
        float32. Any strides; misaligned arrays and a strided ``b`` are copied.
    activation : name or :class:`initcore.activations.Activation` that has a kernel.
    out : ``(batch, fan_out)`` array for ``y``; z_out : the same for ``z = x w + b``. They may overlap the inputs
        (the result is then copied), not each other.
    threads : threads to use, default :func:`initcore.get_num_threads`; never changes a bit.

    Returns
    -------
    ``y``, ``(batch, fan_out)``. Units with equal columns of ``w`` and equal ``b`` get bitwise equal columns; a row
    does not depend on the batch around it.

    Raises
    ------
    ShapeError, DTypeError, ArgumentTypeError, UnknownNameError, ArgumentError.

    >>> import numpy as np
    >>> dense_forward(np.ones((1, 2)), np.ones((2, 2)), np.array([0., -3.]), "relu")
    array([[2., 0.]])

    Keras calls it ``Dense``, PyTorch ``nn.Linear`` and an activation, JAX ``flax.linen.Dense``.
    """
    cdef Matrix xm, wm, bm, zm, ym
    cdef int kind = kind_of(x), status, code
    cdef Py_ssize_t size = 4 if kind == cnp.NPY_FLOAT32 else 8
    cdef double work, alpha
    cdef char* bias = NULL
    cdef bint plain
    if kind >= 0 and take(x, kind, &xm) and take(w, kind, &wm) and xm.cols == wm.rows:
        if b is not None:
            bias = take_vector(b, kind, wm.cols)
        work = <double> xm.rows * (xm.cols + 8) * wm.cols
        if (b is None or bias != NULL) and one_thread(threads, work):
            code, alpha = activation_code(activation)
            no_matrix(&zm)
            bm = vector_as_matrix(bias, wm.cols if bias != NULL else 0)
            plain = True
            if z_out is not None:
                plain = (take_out(z_out, kind, xm.rows, wm.cols, &zm) and apart(&zm, &xm, size)
                         and apart(&zm, &wm, size) and apart(&zm, &bm, size))
            if plain and out is not None:
                plain = (take_out(out, kind, xm.rows, wm.cols, &ym) and apart(&ym, &xm, size)
                         and apart(&ym, &wm, size) and apart(&ym, &bm, size)
                         and (zm.data == NULL or apart(&ym, &zm, size)))
            if plain:
                if out is None:
                    out = new_matrix(xm.rows, wm.cols, kind, &ym)
                if work < KEEP_GIL:
                    status = run_forward(kind, &xm, &wm, bias, code, alpha, &zm, &ym)
                else:
                    with nogil:
                        status = run_forward(kind, &xm, &wm, bias, code, alpha, &zm, &ym)
                if status != 0:
                    raise MemoryError
                return out
    return _forward_checked(x, w, b, activation, out, z_out, threads)


def dense_backward(x, w, b, activation, dy, *, z=None, y=None, out=None, threads=None, need_dx=True):
    """Gradients of a dense layer, fused: ``dz := dy phi'(z)``; ``dx := dz w'``, ``dw := x' dz``, ``db := sum_rows dz``.

    Parameters
    ----------
    x, w, b, activation : as for :func:`dense_forward`.
    dy : ``(batch, fan_out)``, the loss gradient at the layer's output.
    z, y : ``(batch, fan_out)``, kept from the forward pass; one is enough. From ``z`` the slope is accurate also
        where ``y`` has saturated; ``y`` serves where it determines the slope. With neither (or a ``y`` that does
        not tell, as for gelu) ``z = x w + b`` is made again. Strided ``dy``, ``z``, ``y`` are copied.
    out : tuple ``(dx, dw, db)`` of arrays for the results (``dx`` None where not needed). They may overlap inputs
        (results are then copied), not each other.
    need_dx : False leaves ``dx`` out and returns None for it (a network's first layer).
    threads : threads to use, default :func:`initcore.get_num_threads`; never changes a bit.

    Returns
    -------
    ``(dx, dw, db)``: ``(batch, fan_in)``, ``(fan_in, fan_out)``, ``(fan_out,)``. Sums over the batch are taken in
    ascending row; ``db`` is accumulated in float64.

    Raises
    ------
    ShapeError, DTypeError, ArgumentTypeError, UnknownNameError, ArgumentError.

    >>> import numpy as np
    >>> dx, dw, db = dense_backward(np.ones((1, 2)), np.ones((2, 1)), None, "identity", np.full((1, 1), 3.))
    >>> dx, dw.ravel(), db
    (array([[3., 3.]]), array([3., 3.]), array([3.]))
    """
    cdef Matrix[3] outs
    cdef Matrix xm, wm, zm, ym, gm
    cdef int kind = kind_of(x), status, code
    cdef double work, alpha
    cdef bint plain
    if kind >= 0 and take(x, kind, &xm) and take(w, kind, &wm) and xm.cols == wm.rows \
            and take_rows(dy, kind, xm.rows, wm.cols, &gm) and (b is None or take_vector(b, kind, wm.cols) != NULL):
        code, alpha = activation_code(activation)
        no_matrix(&zm)
        no_matrix(&ym)
        if z is not None:
            plain = y is None and take_rows(z, kind, xm.rows, wm.cols, &zm)
        elif y is not None:
            plain = take_rows(y, kind, xm.rows, wm.cols, &ym)
        else:
            plain = code == 0
        work = (2.0 if need_dx else 1.0) * xm.rows * (xm.cols + 8) * wm.cols
        if plain and one_thread(threads, work):
            if out is None:
                no_matrix(&outs[0])
                dx = new_matrix(xm.rows, xm.cols, kind, &outs[0]) if need_dx else None
                dw = new_matrix(wm.rows, wm.cols, kind, &outs[1])
                db = new_vector(wm.cols, kind, &outs[2])
            elif type(out) is tuple and len(<tuple> out) == 3:
                dx, dw, db = <tuple> out
                plain = need_dx and take_out(dx, kind, xm.rows, xm.cols, &outs[0]) \
                    and take_out(dw, kind, wm.rows, wm.cols, &outs[1]) \
                    and take_out_vector(db, kind, wm.cols, &outs[2]) \
                    and all_apart(outs, &xm, &wm, &zm, &ym, &gm, 4 if kind == cnp.NPY_FLOAT32 else 8)
            else:
                plain = False
            if plain:
                if work < KEEP_GIL:
                    status = run_backward(kind, &xm, &wm, code, alpha, &zm, &ym, &gm, &outs[0], &outs[1], outs[2].data)
                else:
                    with nogil:
                        status = run_backward(kind, &xm, &wm, code, alpha, &zm, &ym, &gm, &outs[0], &outs[1],
                                              outs[2].data)
                if status == -1:
                    raise MemoryError
                if status == 0:
                    return dx, dw, db
    return _backward_checked(x, w, b, activation, dy, z, y, out, threads, need_dx)
