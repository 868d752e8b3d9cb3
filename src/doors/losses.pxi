# Losses as Python sees them: arguments checked, one compiled pass.

from initcore.errors import unknown_name as _unknown_name

LOSSES = ("mse", "softmax_cross_entropy", "binary_cross_entropy")


def _loss_views(name, const floating[:, ::1] p not None, const floating[:, ::1] t, const Py_ssize_t[::1] labels,
                floating[:, ::1] grad not None):
    """The value; grad is filled. Either t or labels is None."""
    cdef Py_ssize_t rows = p.shape[0], cols = p.shape[1]
    cdef int which = LOSSES.index(name)
    cdef double value = NAN
    cdef const floating* target = NULL
    cdef const Py_ssize_t* classes = NULL
    if rows == 0 or cols == 0:
        return value
    if t is not None:
        target = &t[0, 0]
    if labels is not None:
        classes = &labels[0]
    with nogil:
        if floating is float:
            if which == 0:
                value = table.mse_f32(&p[0, 0], target, &grad[0, 0], rows, cols)
            elif which == 1:
                value = table.softmax_cross_entropy_f32(&p[0, 0], classes, target, &grad[0, 0], rows, cols)
            else:
                value = table.binary_cross_entropy_f32(&p[0, 0], target, &grad[0, 0], rows, cols)
        else:
            if which == 0:
                value = table.mse_f64(&p[0, 0], target, &grad[0, 0], rows, cols)
            elif which == 1:
                value = table.softmax_cross_entropy_f64(&p[0, 0], classes, target, &grad[0, 0], rows, cols)
            else:
                value = table.binary_cross_entropy_f64(&p[0, 0], target, &grad[0, 0], rows, cols)
    return value


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
    cdef const Py_ssize_t* labels
    if kind < 0 or not take(prediction, kind, &p) or p.rows * p.cols == 0 or p.col != 1 or p.row != p.cols \
            or p.rows * p.cols > KEEP_GIL or not are_labels(target, p.rows, p.cols):
        return None
    labels = <const Py_ssize_t*> cnp.PyArray_BYTES(<cnp.ndarray> target)
    grad = new_matrix(p.rows, p.cols, kind, &g)
    if kind == cnp.NPY_FLOAT32:
        value = table.softmax_cross_entropy_f32(<float*> p.data, labels, NULL, <float*> g.data, p.rows, p.cols)
    else:
        value = table.softmax_cross_entropy_f64(<double*> p.data, labels, NULL, <double*> g.data, p.rows, p.cols)
    return value, grad


def _labels(target, rows, cols):
    """Class indices, checked."""
    if target.shape == (rows, 1) and cols != 1:
        raise _ShapeError(f"target has shape {target.shape}, but class indices have shape ({rows},); "
                          "pass target.ravel().")
    if target.shape != (rows,):
        raise _ShapeError(f"target has shape {target.shape}, but {rows} row(s) of logits need class indices of shape "
                          f"({rows},) or probabilities of shape ({rows}, {cols}).")
    labels = np.ascontiguousarray(target, dtype=np.intp)
    bad = (labels < 0) | (labels >= cols)
    if bad.any():
        i = int(np.argmax(bad))
        raise _ArgumentError(f"target[{i}] = {target[i]} is not a class index; {cols} logits allow 0 .. {cols - 1}.")
    return labels


def _float_target(target, p):
    """Targets of the prediction's shape and dtype; integers, bools and lists are converted."""
    a = np.asarray(target)
    convert = a.dtype.kind in "biu" or (a.dtype.kind == "f" and not hasattr(target, "dtype"))
    t = _checks.float_array("target", a.astype(p.dtype) if convert else a)
    if t.dtype != p.dtype:
        raise _DTypeError(f"target has dtype {t.dtype}, prediction {p.dtype}; cast with target.astype(np.{p.dtype}).")
    if t.shape != p.shape:
        raise _ShapeError(f"target has shape {t.shape}, but prediction has shape {p.shape}.")
    return np.ascontiguousarray(t)


def loss(name, prediction, target):
    """A loss and its gradient, in one pass: ``(value, d value / d prediction)``.

    Parameters
    ----------
    name : "mse" (mean over elements of ``(p - t)^2``), "softmax_cross_entropy" (mean over rows of
        ``-sum_j t_j log softmax(p)_j``) or "binary_cross_entropy" (mean over elements of
        ``softplus(p) - t p``). The cross entropies take logits and are finite for logits of any size.
    prediction : ``(rows, columns)`` float32 or float64 (mse and binary cross entropy: any shape).
        Copied only if not C-contiguous.
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
    if not isinstance(name, str) or name not in LOSSES:
        raise _unknown_name("loss", name, LOSSES)
    quick = quick_cross_entropy(prediction, target) if name == "softmax_cross_entropy" else None
    if quick is not None:
        return quick
    p = np.ascontiguousarray(_checks.float_array("prediction", prediction))
    labels = t = None
    if name == "softmax_cross_entropy":
        if p.ndim != 2:
            raise _ShapeError(f"prediction must be (rows, classes) logits, got shape {p.shape}.")
        target = np.asarray(target)
        if target.ndim == 1 and target.dtype.kind == "f":
            raise _DTypeError(f"target holds {target.dtype} in one dimension; class indices are integers: "
                              "pass target.astype(np.intp).")
        if target.dtype.kind in "iu" and (target.ndim != 2 or target.shape[1] == 1 < p.shape[1]):
            labels = _labels(target, *p.shape)
        else:
            t = _float_target(target, p)
    else:
        t = _float_target(target, p)
        if name == "binary_cross_entropy" and t.size and not (t.min() >= 0 and t.max() <= 1):
            raise _ArgumentError(f"target must lie in [0, 1] for binary_cross_entropy, got {t.min()} .. {t.max()}; "
                                 "map labels -1 and 1 with (t + 1) / 2.")
    grad = np.empty(p.shape, p.dtype)
    flat = p.shape if p.ndim == 2 else (1, p.size)
    value = _loss_views(name, p.reshape(flat), None if t is None else t.reshape(flat), labels, grad.reshape(flat))
    return value, grad
