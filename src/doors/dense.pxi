# Products and dense layers as Python sees them.
#
# Design
# A. The quick path takes what `take...` takes and keeps the GIL for small calls.
# B. Whatever it refuses goes to the checked path (dense_checked.pxi), which raises or makes plain arrays.


cdef bint all_apart(const Matrix* outs, const Matrix* x, const Matrix* w, const Matrix* z, const Matrix* y,
                    const Matrix* dy, Py_ssize_t size) noexcept:
    """Whether three outputs overlap neither each other nor an input."""
    cdef int i
    for i in range(3):
        if not (apart(&outs[i], x, size) and apart(&outs[i], w, size) and apart(&outs[i], z, size)
                and apart(&outs[i], y, size) and apart(&outs[i], dy, size)):
            return False
    return apart(&outs[0], &outs[1], size) and apart(&outs[0], &outs[2], size) and apart(&outs[1], &outs[2], size)


cdef int run_matmul(int kind, const Matrix* a, const Matrix* b, const Matrix* c,
                    const StopCheck* stop) noexcept nogil:
    if kind == cnp.NPY_FLOAT32:
        return table.matmul_until_f32(<float*> a.data, a.row, a.col, <float*> b.data, b.row, b.col, <float*> c.data,
                                      c.row, a.rows, a.cols, b.cols, stop)
    return table.matmul_until_f64(<double*> a.data, a.row, a.col, <double*> b.data, b.row, b.col, <double*> c.data,
                                  c.row, a.rows, a.cols, b.cols, stop)


cdef int run_forward(int kind, const Matrix* x, const Matrix* w, const char* b, int code, double alpha,
                     const Matrix* z, const Matrix* y, const StopCheck* stop) noexcept nogil:
    if kind == cnp.NPY_FLOAT32:
        return table.dense_forward_until_f32(
            <float*> x.data, x.row, x.col, <float*> w.data, w.row, w.col, <float*> b, code, alpha, <float*> z.data,
            z.row, <float*> y.data, y.row, x.rows, x.cols, w.cols, stop)
    return table.dense_forward_until_f64(
        <double*> x.data, x.row, x.col, <double*> w.data, w.row, w.col, <double*> b, code, alpha, <double*> z.data,
        z.row, <double*> y.data, y.row, x.rows, x.cols, w.cols, stop)


cdef int run_backward(int kind, const Matrix* x, const Matrix* w, int code, double alpha, const Matrix* z,
                      const Matrix* y, const Matrix* dy, const Matrix* dx, const Matrix* dw,
                      char* db, const StopCheck* stop) noexcept nogil:
    if kind == cnp.NPY_FLOAT32:
        return table.dense_backward_until_f32(
            <float*> x.data, x.row, x.col, <float*> w.data, w.row, w.col, code, alpha, <float*> z.data, z.row,
            <float*> y.data, y.row, <float*> dy.data, dy.row, <float*> dx.data, dx.row, <float*> dw.data, dw.row,
            <float*> db, x.rows, x.cols, w.cols, stop)
    return table.dense_backward_until_f64(
        <double*> x.data, x.row, x.col, <double*> w.data, w.row, w.col, code, alpha, <double*> z.data, z.row,
        <double*> y.data, y.row, <double*> dy.data, dy.row, <double*> dx.data, dx.row, <double*> dw.data, dw.row,
        <double*> db, x.rows, x.cols, w.cols, stop)


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
    cdef StopCheck stop
    cdef int kind = kind_of(a), flag = 0, status
    cdef Py_ssize_t size = 4 if kind == cnp.NPY_FLOAT32 else 8
    cdef double work
    if kind >= 0 and take(a, kind, &am) and take(b, kind, &bm) and am.cols == bm.rows:
        work = <double> am.rows * am.cols * bm.cols
        if one_thread(threads, work):
            if out is None:
                out = new_matrix(am.rows, bm.cols, kind, &cm)
            elif not (take_out(out, kind, am.rows, bm.cols, &cm) and apart(&cm, &am, size) and apart(&cm, &bm, size)):
                return matmul_checked(a, b, out, threads)
            if work < KEEP_GIL:
                status = run_matmul(kind, &am, &bm, &cm, NULL)
            else:
                stop = stop_check(&flag)
                with nogil:
                    status = run_matmul(kind, &am, &bm, &cm, &stop)
            done(status)
            return out
    return matmul_checked(a, b, out, threads)


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
    cdef StopCheck stop
    cdef int kind = kind_of(x), flag = 0, status, code
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
                    status = run_forward(kind, &xm, &wm, bias, code, alpha, &zm, &ym, NULL)
                else:
                    stop = stop_check(&flag)
                    with nogil:
                        status = run_forward(kind, &xm, &wm, bias, code, alpha, &zm, &ym, &stop)
                done(status)
                return out
    return forward_checked(x, w, b, activation, out, z_out, threads)


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
    cdef StopCheck stop
    cdef int kind = kind_of(x), flag = 0, status, code
    cdef double work, alpha
    cdef bint plain, with_dx = yes_or_no("need_dx", need_dx)
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
        work = (2.0 if with_dx else 1.0) * xm.rows * (xm.cols + 8) * wm.cols
        if plain and one_thread(threads, work):
            if out is None:
                no_matrix(&outs[0])
                dx = new_matrix(xm.rows, xm.cols, kind, &outs[0]) if with_dx else None
                dw = new_matrix(wm.rows, wm.cols, kind, &outs[1])
                db = new_vector(wm.cols, kind, &outs[2])
            elif type(out) is tuple and len(<tuple> out) == 3:
                dx, dw, db = <tuple> out
                plain = with_dx and take_out(dx, kind, xm.rows, xm.cols, &outs[0]) \
                    and take_out(dw, kind, wm.rows, wm.cols, &outs[1]) \
                    and take_out_vector(db, kind, wm.cols, &outs[2]) \
                    and all_apart(outs, &xm, &wm, &zm, &ym, &gm, 4 if kind == cnp.NPY_FLOAT32 else 8)
            else:
                plain = False
            if plain:
                if work < KEEP_GIL:
                    status = run_backward(kind, &xm, &wm, code, alpha, &zm, &ym, &gm, &outs[0], &outs[1], outs[2].data,
                                          NULL)
                else:
                    stop = stop_check(&flag)
                    with nogil:
                        status = run_backward(kind, &xm, &wm, code, alpha, &zm, &ym, &gm, &outs[0], &outs[1],
                                              outs[2].data, &stop)
                done(status)
                if status == 0:
                    return dx, dw, db           # else y does not tell the slope
    return backward_checked(x, w, b, activation, dy, z, y, out, threads, with_dx)
