# Losses as Python sees them: arguments checked, one compiled pass.

from libc.math cimport NAN

LOSSES = ("mse", "softmax_cross_entropy", "binary_cross_entropy")


cdef double run_part(int which, int kind, const char* pred, const char* target, const Py_ssize_t* labels, char* grad,
                     Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t of, double total) noexcept nogil:
    """The total with that of these rows; their grad is filled. Either target or labels is NULL."""
    if kind == cnp.NPY_FLOAT32:
        if which == 0:
            return table.mse_part_f32(<float*> pred, <float*> target, <float*> grad, rows, cols, of, total)
        if which == 1:
            return table.softmax_cross_entropy_part_f32(<float*> pred, labels, <float*> target, <float*> grad, rows,
                                                        cols, of, total)
        return table.binary_cross_entropy_part_f32(<float*> pred, <float*> target, <float*> grad, rows, cols, of,
                                                   total)
    if which == 0:
        return table.mse_part_f64(<double*> pred, <double*> target, <double*> grad, rows, cols, of, total)
    if which == 1:
        return table.softmax_cross_entropy_part_f64(<double*> pred, labels, <double*> target, <double*> grad, rows,
                                                    cols, of, total)
    return table.binary_cross_entropy_part_f64(<double*> pred, <double*> target, <double*> grad, rows, cols, of,
                                               total)


cdef double run_loss(int which, int kind, const Matrix* p, const char* target, const Py_ssize_t* labels,
                     char* grad) except? -1:
    """The value; grad is filled, as many rows at a time as signals can wait for. Without the GIL, but for few."""
    cdef Py_ssize_t rows = p.rows, cols = p.cols, first, count, step, of = rows, size = 4
    cdef double total = 0
    cdef const char* pred = p.data
    if which != 1:                      # means over elements, whose rows mean nothing
        rows, cols = rows * cols, 1
        of = rows
    if kind == cnp.NPY_FLOAT64:
        size = 8
    if rows * cols <= KEEP_GIL:
        total = run_part(which, kind, pred, target, labels, grad, rows, cols, of, 0)
        return total / of
    step = max(1, LONG_PIECE // cols)
    for first in range(0, rows, step):
        PyErr_CheckSignals()
        count = min(step, rows - first)
        with nogil:
            total = run_part(which, kind, pred + first * cols * size,
                             target + first * cols * size if target != NULL else NULL,
                             labels + first if labels != NULL else NULL, grad + first * cols * size, count, cols, of,
                             total)
    return total / of


cdef inline bint are_labels(object a, Py_ssize_t rows, Py_ssize_t cols) noexcept:
    """Whether `a` is a plain vector of that many class indices below `cols`."""
    cdef Py_ssize_t i
    cdef const Py_ssize_t* labels = <const Py_ssize_t*> take_vector(a, cnp.NPY_INTP, rows)
    if labels == NULL:
        return False
    for i in range(rows):
        if labels[i] < 0 or labels[i] >= cols:
            return False
    return True


cdef object quick_cross_entropy(object prediction, object target):
    """(value, grad) of plain arrays of logits and class indices; None where they are anything else."""
    cdef Matrix p, g
    cdef int kind = kind_of(prediction)
    cdef double value
    if kind < 0 or not take(prediction, kind, &p) or p.rows * p.cols == 0 or p.col != 1 or p.row != p.cols \
            or p.rows * p.cols > KEEP_GIL or not are_labels(target, p.rows, p.cols):
        return None
    grad = new_matrix(p.rows, p.cols, kind, &g)
    value = run_loss(1, kind, &p, NULL, <const Py_ssize_t*> cnp.PyArray_BYTES(<cnp.ndarray> target), g.data)
    return value, grad


cdef object class_indices(object target, Py_ssize_t rows, Py_ssize_t cols):
    """Class indices, checked in a vector of our own, which nobody else can change meanwhile."""
    if target.shape == (rows, 1) and cols != 1:
        raise _ShapeError(f"target has shape {target.shape}, but class indices have shape ({rows},); "
                          "pass target.ravel().")
    if target.shape != (rows,):
        raise _ShapeError(f"target has shape {target.shape}, but {rows} row(s) of logits need class indices of shape "
                          f"({rows},) or probabilities of shape ({rows}, {cols}).")
    labels = np.array(target, dtype=np.intp, order="C", subok=False)
    bad = (labels < 0) | (labels >= cols)
    if bad.any():
        i = int(np.argmax(bad))
        raise _ArgumentError(f"target[{i}] = {target[i]} is not a class index; {cols} logits allow 0 .. {cols - 1}.")
    return labels


cdef object float_target(object target, object p):
    """Targets of the prediction's shape and dtype; integers, bools and lists are converted."""
    a = _checks.array("target", target)
    convert = a.dtype.kind in "biu" or (a.dtype.kind == "f" and not hasattr(target, "dtype"))
    t = plain("target", a.astype(p.dtype) if convert else a if a.dtype.kind == "f" else target, None, p.dtype)
    if t.shape != p.shape:
        raise misshapen("target", t.shape, "prediction", p.shape, p.shape)
    return contiguous(t)


def loss(name, prediction, target):
    """A loss and its gradient, in one pass: ``(value, d value / d prediction)``.

    Parameters
    ----------
    name : "mse" (mean over elements of ``(p - t)^2``), "softmax_cross_entropy" (mean over rows of
        ``-sum_j t_j log softmax(p)_j``) or "binary_cross_entropy" (mean over elements of
        ``softplus(p) - t p``). The cross entropies take logits and are finite for logits of any size.
    prediction : ``(rows, columns)`` float32 or float64 (mse and binary cross entropy: any shape, also none).
        Copied only if misaligned or not C-contiguous.
    target : of the prediction's shape and dtype (integers and bools are converted); for softmax cross entropy
        also class indices, ``(rows,)`` integers. Binary targets lie in [0, 1].

    A softmax row with a logit of NaN or +infinity is NaN, value and gradient; a logit of -infinity is a masked class.

    Returns
    -------
    ``(float, array like prediction)``; the value is summed in float64 in index order, NaN where there is no element.

    Raises
    ------
    UnknownNameError, ShapeError, DTypeError, ArgumentError.

    >>> import numpy as np
    >>> value, grad = loss("mse", np.array([[1., 3.]]), np.array([[0., 0.]]))
    >>> value, grad
    (5.0, array([[1., 3.]]))

    PyTorch: ``mse_loss``, ``cross_entropy``, ``binary_cross_entropy_with_logits``; optax:
    ``softmax_cross_entropy``, ``sigmoid_binary_cross_entropy``.
    """
    cdef Matrix m
    cdef const char* aim = NULL
    cdef const Py_ssize_t* classes = NULL
    cdef char* to
    cdef int which, kind
    cdef double value = NAN
    if not isinstance(name, str) or name not in LOSSES:
        raise _unknown_name("loss", name, LOSSES)
    quick = quick_cross_entropy(prediction, target) if name == "softmax_cross_entropy" else None
    if quick is not None:
        return quick
    which = LOSSES.index(name)
    p = contiguous(plain("prediction", prediction))
    labels = t = None
    if which == 1:
        if p.ndim != 2:
            raise _ShapeError(f"prediction must be (rows, classes) logits, got shape {p.shape}.")
        target = _checks.array("target", target)
        if target.ndim == 1 and target.dtype.kind == "f":
            raise _DTypeError(f"target holds {target.dtype} in one dimension; class indices are integers: "
                              "pass target.astype(np.intp).")
        if target.dtype.kind in "iu" and (target.ndim != 2 or target.shape[1] == 1 < p.shape[1]):
            labels = class_indices(target, p.shape[0], p.shape[1])
        else:
            t = float_target(target, p)
    else:
        t = float_target(target, p)
        if which == 2 and t.size and not (t.min() >= 0 and t.max() <= 1):
            raise _ArgumentError(f"target must lie in [0, 1] for binary_cross_entropy, got {t.min()} .. {t.max()}; "
                                 "map labels -1 and 1 with (t + 1) / 2.")
    grad = np.empty(p.shape, p.dtype)
    if p.size == 0:
        return value, grad
    kind = kind_of(p)
    no_matrix(&m)
    m.data = cnp.PyArray_BYTES(<cnp.ndarray?> p)
    m.rows, m.cols = p.shape if p.ndim == 2 else (1, p.size)
    to = cnp.PyArray_BYTES(<cnp.ndarray?> grad)
    if t is not None:
        aim = cnp.PyArray_BYTES(<cnp.ndarray?> t)
    if labels is not None:
        classes = <const Py_ssize_t*> cnp.PyArray_BYTES(<cnp.ndarray?> labels)
    value = run_loss(which, kind, &m, aim, classes, to)
    return value, grad
