# Products and dense layers, the checked path: every argument is looked at, plain arrays are made where needed, and
# work is split over threads.

cdef inline Matrix block(const Matrix* m, int kind, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t col,
                         Py_ssize_t cols) noexcept nogil:
    """m[row : row + rows, col : col + cols]; of no matrix none."""
    cdef Matrix part = m[0]
    if part.data != NULL:
        part.data += (row * m.row + col * m.col) * (4 if kind == cnp.NPY_FLOAT32 else 8)
        part.rows = rows
        part.cols = cols
    return part


cdef int measured(object a, int kind, Matrix* m) except -1:
    """Read an array that `plain` or `target` has made so, of one or two axes; None is no matrix."""
    if a is None:
        no_matrix(m)
    elif a.ndim == 1:
        m[0] = vector_as_matrix(take_vector(a, kind, a.shape[0]), a.shape[0])
    elif not take(a, kind, m):
        raise SystemError("initcore: an array was read in two ways.")
    return 0


cdef tuple pieces_of(Py_ssize_t rows, Py_ssize_t cols, int count):
    """Pieces (row, rows, column, columns) of a result, along its longer side."""
    if cols >= rows:
        return tuple([(0, rows, s, e - s) for s, e in _threads.chunks(cols, count, 64)])
    return tuple([(s, e - s, 0, cols) for s, e in _threads.chunks(rows, count, 6)])


@cython.internal
@cython.auto_pickle(False)
@cython.final
cdef class Layer(Task):
    """A product (code < 0) or a layer's forward pass: y[piece] := phi(x w + b)."""
    cdef Matrix x, w, b, z, y
    cdef int kind, code
    cdef double alpha

    def __call__(self, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t col, Py_ssize_t cols):
        if row < 0 or rows < 0 or row > self.y.rows - rows or col < 0 or cols < 0 or col > self.y.cols - cols:
            raise IndexError
        cdef Matrix x = block(&self.x, self.kind, row, rows, 0, self.x.cols)
        cdef Matrix w = block(&self.w, self.kind, 0, self.w.rows, col, cols)
        cdef Matrix b = block(&self.b, self.kind, 0, 1, col, cols)
        cdef Matrix z = block(&self.z, self.kind, row, rows, col, cols)
        cdef Matrix y = block(&self.y, self.kind, row, rows, col, cols)
        cdef StopCheck stop = stop_check(&self.flag)
        cdef int status
        with nogil:
            if self.code < 0:
                status = run_matmul(self.kind, &x, &w, &y, &stop)
            else:
                status = run_forward(self.kind, &x, &w, b.data, self.code, self.alpha, &z, &y, &stop)
        done(status)


@cython.internal
@cython.auto_pickle(False)
@cython.final
cdef class Gradients(Task):
    """A layer's backward pass: some rows of dx, some columns of dw and db."""
    cdef Matrix x, w, z, y, dy, dx, dw, db
    cdef int kind, code
    cdef double alpha

    def __call__(self, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t col, Py_ssize_t cols):
        cdef Matrix none, x, w, z, y, dy, to
        cdef StopCheck stop = stop_check(&self.flag)
        cdef int status = 0
        if row < 0 or rows < 0 or row > self.dy.rows - rows or col < 0 or cols < 0 or col > self.dy.cols - cols:
            raise IndexError
        no_matrix(&none)
        if self.dx.data != NULL and rows > 0:
            x = block(&self.x, self.kind, row, rows, 0, self.x.cols)
            z = block(&self.z, self.kind, row, rows, 0, self.z.cols)
            y = block(&self.y, self.kind, row, rows, 0, self.y.cols)
            dy = block(&self.dy, self.kind, row, rows, 0, self.dy.cols)
            to = block(&self.dx, self.kind, row, rows, 0, self.dx.cols)
            with nogil:
                status = run_backward(self.kind, &x, &self.w, self.code, self.alpha, &z, &y, &dy, &to, &none, NULL,
                                      &stop)
            done(status)
        if status == 0 and cols > 0:
            w = block(&self.w, self.kind, 0, self.w.rows, col, cols)
            z = block(&self.z, self.kind, 0, self.z.rows, col, cols)
            y = block(&self.y, self.kind, 0, self.y.rows, col, cols)
            dy = block(&self.dy, self.kind, 0, self.dy.rows, col, cols)
            to = block(&self.dw, self.kind, 0, self.dw.rows, col, cols)
            db = block(&self.db, self.kind, 0, 1, col, cols)
            with nogil:
                status = run_backward(self.kind, &self.x, &w, self.code, self.alpha, &z, &y, &dy, &none, &to,
                                      db.data, &stop)
            done(status)


cdef int chained(str left, tuple left_shape, str right, tuple right_shape) except -1:
    """Raise unless the inner dimensions agree."""
    if left_shape[1] != right_shape[0]:
        hint = (f"; did you mean {right}.T (PyTorch keeps weights as (fan_out, fan_in))?"
                if left_shape[1] == right_shape[1] else ".")
        raise _ShapeError(f"{left} has shape {left_shape} and {right} has shape {right_shape}: {left}.shape[1] = "
                          f"{left_shape[1]} must equal {right}.shape[0] = {right_shape[0]}{hint}")
    return 0


cdef object matmul_checked(object a, object b, object out, object threads):
    cdef Layer task = Layer.__new__(Layer)
    cdef int count
    a = plain("a", a, 2, None)
    b = plain("b", b, 2, a.dtype)
    chained("a", a.shape, "b", b.shape)
    m, n = a.shape[0], b.shape[1]
    count = _threads.resolve(threads)
    # c' = b' a' has the bits of c = a b: a transposed out needs no copy.
    if isinstance(out, np.ndarray) and out.ndim == 2 and out.T.flags.c_contiguous and not out.flags.c_contiguous:
        matmul_checked(b.T, a.T, _checks.out_array("out", out, (m, n), a.dtype).T, count)
        return out
    c, out = target("out", out, (m, n), a.dtype, (a, b))
    task.kind = kind_of(a)
    task.code = -1
    task.held = (a, b, c)
    measured(a, task.kind, &task.x)
    measured(b, task.kind, &task.w)
    measured(c, task.kind, &task.y)
    _threads.run(task, pieces_of(m, n, count if <double> m * n * a.shape[1] >= WORTH_THREADS else 1), count, task.stop)
    hand_over([(c, out)])
    return out


cdef tuple layer_arrays(object x, object w, object b):
    """x, w and b (or None) checked and plain."""
    x = plain("x", x, 2, None)
    w = plain("w", w, 2, x.dtype)
    chained("x", x.shape, "w", w.shape)
    if b is not None:
        b = plain("b", b, 1, x.dtype)
        if b.shape[0] != w.shape[1]:
            raise misshapen("b", b.shape, "w", w.shape, (w.shape[1],))
        b = contiguous(b)
    return x, w, b


cdef object forward_checked(object x, object w, object b, object activation, object out, object z_out,
                            object threads):
    cdef Layer task = Layer.__new__(Layer)
    cdef int count
    task.code, task.alpha = activation_code(activation)
    x, w, b = layer_arrays(x, w, b)
    shape = (x.shape[0], w.shape[1])
    count = _threads.resolve(threads)
    if z_out is not None:
        _checks.out_array("z_out", z_out, shape, x.dtype)
    y, out = target("out", out, shape, x.dtype, (x, w, b))
    z = None
    if z_out is not None:
        if overlap(out, z_out):
            raise _ArgumentError("out and z_out share memory; pass separate arrays.")
        z, z_out = target("z_out", z_out, shape, x.dtype, (x, w, b))
    task.kind = kind_of(x)
    task.held = (x, w, b, z, y)
    measured(x, task.kind, &task.x)
    measured(w, task.kind, &task.w)
    measured(b, task.kind, &task.b)
    measured(z, task.kind, &task.z)
    measured(y, task.kind, &task.y)
    worth = <double> shape[0] * shape[1] * (x.shape[1] + 8) >= WORTH_THREADS
    _threads.run(task, pieces_of(shape[0], shape[1], count if worth else 1), count, task.stop)
    hand_over([(y, out)] + ([] if z is None else [(z, z_out)]))
    return out


cdef object backward_checked(object x, object w, object b, object activation, object dy, object z, object y,
                             object out, object threads, bint need_dx):
    cdef Gradients task = Gradients.__new__(Gradients)
    cdef int count
    task.code, task.alpha = activation_code(activation)
    x, w, b = layer_arrays(x, w, b)
    shape, dtype = (x.shape[0], w.shape[1]), x.dtype
    dy = plain_rows("dy", dy, shape, dtype, "the layer's output")
    z = None if z is None else plain_rows("z", z, shape, dtype, "the layer's output")
    y = None if y is None else plain_rows("y", y, shape, dtype, "the layer's output")
    count = _threads.resolve(threads)
    out = (None, None, None) if out is None else out
    if not isinstance(out, (tuple, list)) or len(out) != 3:
        raise _ArgumentTypeError(f"out must be a tuple (dx, dw, db), got {_checks.describe(out)}.")
    inputs = (x, w, b, z, y, dy)
    shapes = (x.shape, w.shape, (shape[1],))
    for name, o, s in zip(("out[0] (dx)", "out[1] (dw)", "out[2] (db)"), out, shapes):
        if o is not None:
            _checks.out_array(name, o, s, dtype)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        if out[i] is not None and out[j] is not None and overlap(out[i], out[j]):
            raise _ArgumentError(f"out[{i}] and out[{j}] share memory; pass separate arrays.")
    if task.code != ACT_IDENTITY and z is None and (y is None or not y_tells(task.code, task.alpha, y)):
        z, y = np.empty(shape, dtype), None
        forward_checked(x, w, b, "identity", z, None, count)
    dx, out_x = target("out[0]", out[0], shapes[0], dtype, inputs) if need_dx else (None, None)
    dw, out_w = target("out[1]", out[1], shapes[1], dtype, inputs)
    db, out_b = target("out[2]", out[2], shapes[2], dtype, inputs)
    task.kind = kind_of(x)
    task.held = (x, w, z, y, dy, dx, dw, db)
    measured(x, task.kind, &task.x)
    measured(w, task.kind, &task.w)
    measured(z, task.kind, &task.z)
    measured(y, task.kind, &task.y)
    measured(dy, task.kind, &task.dy)
    measured(dx, task.kind, &task.dx)
    measured(dw, task.kind, &task.dw)
    measured(db, task.kind, &task.db)
    if 2.0 * shape[0] * shape[1] * (x.shape[1] + 8) < WORTH_THREADS:
        count = 1
    by_x = [(s, e - s) for s, e in _threads.chunks(shape[0], count, 6)] if need_dx else []
    by_w = [(s, e - s) for s, e in _threads.chunks(shape[1], count, 64)]
    more = max(len(by_x), len(by_w))
    by_x += [(0, 0)] * (more - len(by_x))
    by_w += [(0, 0)] * (more - len(by_w))
    _threads.run(task, [(*p, *q) for p, q in zip(by_x, by_w)], count, task.stop)
    hand_over([(dw, out_w), (db, out_b)] + ([(dx, out_x)] if need_dx else []))
    return (out_x, out_w, out_b) if need_dx else (None, out_w, out_b)


cdef bint y_tells(int code, double alpha, object y) except -1:
    """Whether y = phi(z) determines the slope."""
    if y.dtype == np.float32:
        return table.activation_backward_from_y_f32(code, alpha, NULL, NULL, NULL, 0) == 0
    return table.activation_backward_from_y_f64(code, alpha, NULL, NULL, NULL, 0) == 0
