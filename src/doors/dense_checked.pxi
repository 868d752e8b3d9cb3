# Products and dense layers, the checked path: every argument is looked at, plain arrays are made where needed,
# work is split over threads, and typed memoryviews carry the pieces to the kernels.

ctypedef fused floating:
    float
    double


cdef inline const floating* first(const floating[:, :] a) noexcept nogil:
    """The address of a[0, 0], or NULL where there is none."""
    return &a[0, 0] if a.shape[0] > 0 and a.shape[1] > 0 else NULL


def _matmul_views(const floating[:, :] a not None, const floating[:, :] b not None, floating[:, :] c not None):
    """c := a b; the rows of c hold adjacent elements."""
    cdef Py_ssize_t s = sizeof(floating)
    cdef int status
    with nogil:
        if floating is float:
            status = table.matmul_f32(first(a), a.strides[0] // s, a.strides[1] // s, first(b), b.strides[0] // s,
                                      b.strides[1] // s, <float*> first(c), c.strides[0] // s, a.shape[0],
                                      a.shape[1], b.shape[1])
        else:
            status = table.matmul_f64(first(a), a.strides[0] // s, a.strides[1] // s, first(b), b.strides[0] // s,
                                      b.strides[1] // s, <double*> first(c), c.strides[0] // s, a.shape[0],
                                      a.shape[1], b.shape[1])
    if status != 0:
        raise MemoryError


def _forward_views(const floating[:, :] x not None, const floating[:, :] w not None, const floating[:, :] b, int code,
                   double alpha, floating[:, :] z, floating[:, :] y not None):
    """z := x w + b, y := phi(z); b (one row) and z may be None; rows of z and y hold adjacent elements."""
    cdef Py_ssize_t s = sizeof(floating)
    cdef const floating* bias = NULL
    cdef floating* pre = NULL
    cdef Py_ssize_t z_row = 0
    cdef int status
    if b is not None:
        bias = first(b)
    if z is not None:
        pre = <floating*> first(z)
        z_row = z.strides[0] // s
    with nogil:
        if floating is float:
            status = table.dense_forward_f32(first(x), x.strides[0] // s, x.strides[1] // s, first(w),
                                             w.strides[0] // s, w.strides[1] // s, bias, code, alpha, pre, z_row,
                                             <float*> first(y), y.strides[0] // s, x.shape[0], x.shape[1], w.shape[1])
        else:
            status = table.dense_forward_f64(first(x), x.strides[0] // s, x.strides[1] // s, first(w),
                                             w.strides[0] // s, w.strides[1] // s, bias, code, alpha, pre, z_row,
                                             <double*> first(y), y.strides[0] // s, x.shape[0], x.shape[1], w.shape[1])
    if status != 0:
        raise MemoryError


def _backward_views(const floating[:, :] x not None, const floating[:, :] w not None, int code, double alpha,
                    const floating[:, :] z, const floating[:, :] y, const floating[:, :] dy not None,
                    floating[:, :] dx, floating[:, :] dw, floating[:, :] db):
    """The gradients; dx, or dw and db (one row), may be None. Returns whether y told the slope."""
    cdef Py_ssize_t s = sizeof(floating)
    cdef const floating* pre = NULL
    cdef const floating* post = NULL
    cdef floating* to_x = NULL
    cdef floating* to_w = NULL
    cdef floating* to_b = NULL
    cdef Py_ssize_t z_row = 0, y_row = 0, dx_row = 0, dw_row = 0
    cdef int status
    # A result without elements still needs an address: NULL means "not wanted".
    cdef floating[1] nowhere
    if z is not None:
        pre = first(z)
        z_row = z.strides[0] // s
    if y is not None:
        post = first(y)
        y_row = y.strides[0] // s
    if dx is not None:
        to_x = <floating*> first(dx) if dx.shape[0] > 0 and dx.shape[1] > 0 else nowhere
        dx_row = dx.strides[0] // s
    if dw is not None:
        to_w = <floating*> first(dw) if dw.shape[0] > 0 and dw.shape[1] > 0 else nowhere
        to_b = <floating*> first(db) if db.shape[1] > 0 else nowhere
        dw_row = dw.strides[0] // s
    with nogil:
        if floating is float:
            status = table.dense_backward_f32(first(x), x.strides[0] // s, x.strides[1] // s, first(w),
                                              w.strides[0] // s, w.strides[1] // s, code, alpha, pre, z_row, post,
                                              y_row, first(dy), dy.strides[0] // s, to_x, dx_row, to_w, dw_row, to_b,
                                              dy.shape[0], w.shape[0], dy.shape[1])
        else:
            status = table.dense_backward_f64(first(x), x.strides[0] // s, x.strides[1] // s, first(w),
                                              w.strides[0] // s, w.strides[1] // s, code, alpha, pre, z_row, post,
                                              y_row, first(dy), dy.strides[0] // s, to_x, dx_row, to_w, dw_row, to_b,
                                              dy.shape[0], w.shape[0], dy.shape[1])
    if status == -1:
        raise MemoryError
    return status == 0


def _plain(name, value, ndim, dtype):
    """A float array of that rank (and dtype) whose elements a typed pointer can reach: copied only if misaligned."""
    a = _checks.float_array(name, value, ndim=ndim, dtype=dtype)
    if type(a) is not np.ndarray:
        a = a.view(np.ndarray)
    if not a.flags.aligned or any(s % a.itemsize for s in a.strides):
        a = a.copy()
    return a


def _plain_rows(name, value, shape, dtype):
    """The same, of that shape and with adjacent elements in each row."""
    a = _plain(name, value, len(shape), dtype)
    if a.shape != shape:
        raise _ShapeError(f"{name} has shape {a.shape}, but the layer's output has shape {shape}.")
    return a if a.shape[a.ndim - 1] <= 1 or a.strides[a.ndim - 1] == a.itemsize else np.ascontiguousarray(a)


def _target(name, out, shape, dtype, inputs):
    """(where to compute, what to return): a fresh array where `out` is None, overlaps an input or has no plain rows."""
    if out is None:
        fresh = np.empty(shape, dtype)
        return fresh, fresh
    _checks.out_array(name, out, shape, dtype)
    plain = (out.flags.aligned and out.dtype.isnative and not any(s % out.itemsize for s in out.strides)
             and (out.ndim == 0 or out.shape[out.ndim - 1] <= 1 or out.strides[out.ndim - 1] == out.itemsize)
             and (out.ndim == 1 or out.shape[0] <= 1 or abs(out.strides[0]) >= out.shape[out.ndim - 1] * out.itemsize))
    if plain and not any(a is not None and np.may_share_memory(out, a) for a in inputs):
        return (out if type(out) is np.ndarray else out.view(np.ndarray)), out
    return np.empty(shape, dtype), out


def _hand_over(pairs):
    """Copy what was computed apart into the caller's arrays."""
    for computed, asked in pairs:
        if asked is not computed and not np.may_share_memory(asked, computed):
            asked[...] = computed
    return [asked for _, asked in pairs]


def _chain(left, left_shape, right, right_shape):
    """Raise unless the inner dimensions agree."""
    if left_shape[1] != right_shape[0]:
        hint = (f"; did you mean {right}.T (PyTorch keeps weights as (fan_out, fan_in))?"
                if left_shape[1] == right_shape[1] else ".")
        raise _ShapeError(f"{left} has shape {left_shape} and {right} has shape {right_shape}: {left}.shape[1] = "
                          f"{left_shape[1]} must equal {right}.shape[0] = {right_shape[0]}{hint}")


def _matmul_checked(a, b, out, threads):
    a = _plain("a", a, 2, None)
    b = _plain("b", b, 2, a.dtype)
    _chain("a", a.shape, "b", b.shape)
    m, n = a.shape[0], b.shape[1]
    # c' = b' a' has the bits of c = a b: a transposed out needs no copy.
    if isinstance(out, np.ndarray) and out.ndim == 2 and out.T.flags.c_contiguous and not out.flags.c_contiguous:
        _matmul_checked(b.T, a.T, _checks.out_array("out", out, (m, n), a.dtype).T, threads)
        return out
    count = _threads.resolve(threads) if <double> m * n * a.shape[1] >= WORTH_THREADS else 1
    c, out = _target("out", out, (m, n), a.dtype, (a, b))
    if n >= m:
        pieces = [(a, b[:, s:e], c[:, s:e]) for s, e in _threads.chunks(n, count, 64)]
    else:
        pieces = [(a[s:e], b, c[s:e]) for s, e in _threads.chunks(m, count, 6)]
    _threads.run(_matmul_views, pieces)
    return _hand_over([(c, out)])[0]


def _layer(x, w, b):
    """x, w and b (as one row, or None) checked and plain."""
    x = _plain("x", x, 2, None)
    w = _plain("w", w, 2, x.dtype)
    _chain("x", x.shape, "w", w.shape)
    if b is not None:
        b = _plain("b", b, 1, x.dtype)
        if b.shape[0] != w.shape[1]:
            raise _ShapeError(f"b has shape {b.shape}, but w of shape {w.shape} needs ({w.shape[1]},).")
        b = np.ascontiguousarray(b)[np.newaxis]
    return x, w, b


def _forward_checked(x, w, b, activation, out, z_out, threads):
    code, alpha = activation_code(activation)
    x, w, b = _layer(x, w, b)
    shape = (x.shape[0], w.shape[1])
    count = _threads.resolve(threads) if <double> shape[0] * shape[1] * (x.shape[1] + 8) >= WORTH_THREADS else 1
    if z_out is not None:
        _checks.out_array("z_out", z_out, shape, x.dtype)
    y, out = _target("out", out, shape, x.dtype, (x, w, b))
    z = None
    if z_out is not None:
        if np.may_share_memory(out, z_out):
            raise _ArgumentError("out and z_out share memory; pass two separate arrays.")
        z, z_out = _target("z_out", z_out, shape, x.dtype, (x, w, b))
    if shape[1] >= shape[0]:
        pieces = [(x, w[:, s:e], None if b is None else b[:, s:e], code, alpha, None if z is None else z[:, s:e],
                   y[:, s:e]) for s, e in _threads.chunks(shape[1], count, 64)]
    else:
        pieces = [(x[s:e], w, b, code, alpha, None if z is None else z[s:e], y[s:e])
                  for s, e in _threads.chunks(shape[0], count, 6)]
    _threads.run(_forward_views, pieces)
    return _hand_over([(y, out)] + ([] if z is None else [(z, z_out)]))[0]


def _backward_checked(x, w, b, activation, dy, z, y, out, threads, need_dx):
    code, alpha = activation_code(activation)
    x, w, b = _layer(x, w, b)
    shape, dtype = (x.shape[0], w.shape[1]), x.dtype
    dy = _plain_rows("dy", dy, shape, dtype)
    z = None if z is None else _plain_rows("z", z, shape, dtype)
    y = None if y is None else _plain_rows("y", y, shape, dtype)
    count = _threads.resolve(threads) if 2.0 * shape[0] * shape[1] * (x.shape[1] + 8) >= WORTH_THREADS else 1
    out = (None, None, None) if out is None else out
    if not isinstance(out, (tuple, list)) or len(out) != 3:
        raise _ArgumentTypeError(f"out must be a tuple (dx, dw, db), got {_checks.describe(out)}.")
    inputs = (x, w, b, z, y, dy)
    shapes = (x.shape, w.shape, (shape[1],))
    for name, o, s in zip(("out[0] (dx)", "out[1] (dw)", "out[2] (db)"), out, shapes):
        if o is not None:
            _checks.out_array(name, o, s, dtype)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        if out[i] is not None and out[j] is not None and np.may_share_memory(out[i], out[j]):
            raise _ArgumentError(f"out[{i}] and out[{j}] share memory; pass separate arrays.")
    if code != 0 and z is None and (y is None or not _y_tells(code, alpha, y)):
        z, y = np.empty(shape, dtype), None
        _forward_checked(x, w, None if b is None else b[0], "identity", z, None, threads)
    dx, out_x = _target("out[0]", out[0], shapes[0], dtype, inputs) if need_dx else (None, None)
    dw, out_w = _target("out[1]", out[1], shapes[1], dtype, inputs)
    db, out_b = _target("out[2]", out[2], shapes[2], dtype, inputs)

    def rows(a, s, e):
        return None if a is None else a[s:e]

    def columns(a, s, e):
        return None if a is None else a[:, s:e]

    by_x = _threads.chunks(shape[0], count, 6) if need_dx else []
    by_w = _threads.chunks(shape[1], count, 64)

    def piece(i):
        if i < len(by_x):
            s, e = by_x[i]
            _backward_views(x[s:e], w, code, alpha, rows(z, s, e), rows(y, s, e), dy[s:e], dx[s:e], None, None)
        if i < len(by_w):
            s, e = by_w[i]
            _backward_views(x, w[:, s:e], code, alpha, columns(z, s, e), columns(y, s, e), dy[:, s:e], None,
                            dw[:, s:e], db[np.newaxis, s:e])

    _threads.run(piece, [(i,) for i in range(max(len(by_x), len(by_w)))])
    pairs = [(dw, out_w), (db, out_b)] + ([(dx, out_x)] if need_dx else [])
    _hand_over(pairs)
    return (out_x, out_w, out_b) if need_dx else (None, out_w, out_b)


def _y_tells(code, alpha, y):
    """Whether y = phi(z) determines the slope."""
    if y.dtype == np.float32:
        return table.activation_backward_from_y_f32(code, alpha, NULL, NULL, NULL, 0) == 0
    return table.activation_backward_from_y_f64(code, alpha, NULL, NULL, NULL, 0) == 0
