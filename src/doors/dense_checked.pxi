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


# Design of the grid
# A. A product is cut along rows and columns of its result, never along k (G3), into a few times as many pieces as
#    threads: whoever is free takes the next, so a slow core delays the rest by one piece at most.
# B. Every cut costs packing: b is packed again for each cut of the rows, a read (or packed) again for each panel's
#    width of columns. The grid is the one whose slowest thread is estimated to end first (`best_grid`).
# C. All threads together have GRID_BYTES of workspace: where a piece needs more than its share, fewer threads run.

cdef enum:
    GRID_ROWS = 24              # rows of a piece are a multiple of the tile's on every instruction set (6, 8),
    GRID_COLS = 64              # columns of its width
    GRID_BYTES = 8000000        # workspace of a call, all threads together
    GRID_MOST = 4               # pieces a thread, at most
    GRID_K = 384                # of product.pxi: terms packed at once,
    GRID_PACK = 96              # rows of a packed at once where one panel has all columns,
    GRID_PANEL = 32             # vectors in a panel's row
    COST_READ = 8               # reading, packing, making a slope once more takes as long as so many multiply-adds
    COST_PACK = 24
    COST_SLOPE = 64
    DX = 0                      # what a piece is of
    DW = 1
    DZ = 2
    WHOLE = 3                   # all of them in one call

# Bytes of a vector of the instruction set in use.
cdef int _VECTOR_BYTES = {"x86_v4": 64, "x86_v3": 32}.get(isa, 16)


cdef struct Grid:
    Py_ssize_t rows             # of a piece
    Py_ssize_t cols
    int threads


cdef inline Py_ssize_t cut(Py_ssize_t n, Py_ssize_t parts, Py_ssize_t align) noexcept nogil:
    """The size of a piece where n is cut in so many, or fewer."""
    cdef Py_ssize_t size = (n + parts - 1) // parts
    return (size + align - 1) // align * align


cdef Grid best_grid(Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, int size, int threads, double again_a,
                    double again_b) noexcept nogil:
    """Pieces of an m x n result over k. Reading an element of a (for each panel) or b (for each cut of the rows) once
    more costs as long as so many multiply-adds."""
    cdef Grid grid, best
    cdef Py_ssize_t i, j, r, c, pieces, room, panel, widest = GRID_PANEL * _VECTOR_BYTES // size
    cdef double work, time, least = -1
    m, k, n = max(m, 1), max(k, 1), max(n, 1)       # nothing is divided by a size that is 0
    best.rows = m
    best.cols = n
    best.threads = 1
    for i in range(1, GRID_MOST * threads + 1):
        r = cut(m, i, GRID_ROWS)
        if i > 1 and (m + r - 1) // r != i:
            continue
        for j in range(1, GRID_MOST * threads // i + 1):
            c = cut(n, j, GRID_COLS)
            if j > 1 and (n + c - 1) // c != j:
                continue
            panel = min(c, widest)
            room = (GRID_K + 32) * size * panel + 8 * c
            if again_a > COST_READ:
                room += (GRID_K + 32) * size * (min(r, GRID_PACK) if panel == c else r)
            pieces = i * j
            grid.rows = r
            grid.cols = c
            grid.threads = max(1, min(threads, min(pieces, GRID_BYTES // room)))
            work = <double> min(r, m) * min(c, n) * k * (1 + again_b / min(r, m) + again_a / min(panel, n))
            time = work * ((pieces + grid.threads - 1) // grid.threads + (0.25 if grid.threads > 1 else 0))
            if grid.threads > 1 and (least < 0 or time < least):
                least = time
                best = grid
    return best


cdef list pieces_of(const Grid* grid, Py_ssize_t m, Py_ssize_t n, int what):
    """(what, row, rows, column, columns) of every piece, column after column; one of no rows where there are none."""
    cdef Py_ssize_t i, j
    pieces = []
    for j from 0 <= j < n by grid.cols:
        for i from 0 <= i < max(m, 1) by max(grid.rows, 1):
            pieces.append((what, i, min(grid.rows, m - i), j, min(grid.cols, n - j)))
    return pieces


@cython.internal
@cython.auto_pickle(False)
@cython.final
cdef class Layer(Task):
    """A product (code < 0) or a layer's forward pass: y[piece] := phi(x w + b)."""
    cdef Matrix x, w, b, z, y
    cdef int kind, code
    cdef double alpha

    def __call__(self, int what, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t col, Py_ssize_t cols):
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

    cdef int run(self, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, int count) except -1:
        """All of y by so many threads."""
        cdef int size = 4 if self.kind == cnp.NPY_FLOAT32 else 8
        cdef Grid grid = best_grid(m, k, n, size, count, COST_READ if self.x.col == 1 else COST_PACK, COST_PACK)
        _threads.run(self, pieces_of(&grid, m, n, 0), grid.threads, self.stop)
        return 0


@cython.internal
@cython.auto_pickle(False)
@cython.final
cdef class Gradients(Task):
    """A layer's backward pass: some rows of dx, some columns of dw and db."""
    cdef Matrix x, w, z, y, dy, dx, dw, db
    cdef int kind, code
    cdef double alpha

    cdef bint kept                      # dz stands in dw

    def __call__(self, int what, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t col, Py_ssize_t cols):
        cdef Matrix none
        cdef const Matrix* to = &self.dx if what == DX else &self.dy if what == DZ else &self.dw
        cdef StopCheck stop = stop_check(&self.flag)
        cdef int status = 0
        if row < 0 or rows < 0 or row > to.rows - rows or col < 0 or cols < 0 or col > to.cols - cols:
            raise IndexError
        no_matrix(&none)
        if what == DZ:
            self.slopes(row, rows, &stop)
            return
        if what == WHOLE:
            with nogil:
                status = run_backward(self.kind, &self.x, &self.w, self.code, self.alpha, &self.z, &self.y, &self.dy,
                                      &self.dx, &self.dw, self.db.data, &stop)
            done(status)
            return
        cdef bint by_rows = what == DX
        cdef Matrix x = block(&self.x, self.kind, row if by_rows else 0, rows if by_rows else self.x.rows,
                              col if by_rows else row, cols if by_rows else rows)
        cdef Matrix w = block(&self.w, self.kind, col if by_rows else row, cols if by_rows else rows,
                              0 if by_rows else col, self.w.cols if by_rows else cols)
        cdef Matrix z = self.beside(&self.z, by_rows, row, rows, col, cols)
        cdef Matrix y = self.beside(&self.y, by_rows, row, rows, col, cols)
        cdef Matrix dy = self.beside(&self.dy, by_rows, row, rows, col, cols)
        cdef Matrix part = block(to, self.kind, row, rows, col, cols)
        cdef Matrix db = block(&self.db, self.kind, 0, 1, col if what == DW else 0, cols)
        cdef int code = self.code
        if by_rows and self.kept:
            code = ACT_IDENTITY
            dy = block(&self.dw, self.kind, row, rows, 0, self.dw.cols)
        with nogil:
            if by_rows:
                status = run_backward(self.kind, &x, &w, code, self.alpha, &z, &y, &dy, &part, &none, NULL, &stop)
            else:
                status = run_backward(self.kind, &x, &w, code, self.alpha, &z, &y, &dy, &none, &part,
                                      db.data if row == 0 else NULL, &stop)
        done(status)

    cdef Matrix beside(self, const Matrix* m, bint by_rows, Py_ssize_t row, Py_ssize_t rows, Py_ssize_t col,
                       Py_ssize_t cols):
        """What of z, y or dy a piece of dx (its rows) or dw (its columns) needs."""
        if by_rows:
            return block(m, self.kind, row, rows, 0, m.cols)
        return block(m, self.kind, 0, m.rows, col, cols)

    cdef int slopes(self, Py_ssize_t row, Py_ssize_t rows, const StopCheck* stop) except -1:
        """dw[row : row + rows] := dy phi'."""
        cdef Py_ssize_t i, size = 4 if self.kind == cnp.NPY_FLOAT32 else 8
        cdef Py_ssize_t n = self.dy.cols
        with nogil:
            for i in range(row, row + rows):
                if self.z.data != NULL:
                    act_run(self.code, self.alpha, True, self.kind, self.z.data + i * self.z.row * size,
                            self.dy.data + i * self.dy.row * size, self.dw.data + i * self.dw.row * size, n)
                elif self.kind == cnp.NPY_FLOAT32:
                    table.activation_backward_from_y_f32(
                        self.code, self.alpha, <float*> self.y.data + i * self.y.row,
                        <float*> self.dy.data + i * self.dy.row, <float*> self.dw.data + i * self.dw.row, n)
                else:
                    table.activation_backward_from_y_f64(
                        self.code, self.alpha, <double*> self.y.data + i * self.y.row,
                        <double*> self.dy.data + i * self.dy.row, <double*> self.dw.data + i * self.dw.row, n)
                if flag_read(&self.flag):
                    break
        if check_signals() != 0:
            flag_raise(&self.flag)
            return -1
        return 0

    cdef int run(self, Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out, bint need_dx, int count) except -1:
        """dx, dw and db by so many threads: dz first, in dw, where it has room and pays; then dx; then dw."""
        cdef int size = 4 if self.kind == cnp.NPY_FLOAT32 else 8
        cdef double slope = 0 if self.code == ACT_IDENTITY else COST_SLOPE
        cdef Grid of_x, of_w = best_grid(fan_in, batch, fan_out, size, count, COST_PACK, COST_PACK + slope)
        if count == 1:
            self(WHOLE, 0, 0, 0, 0)
            return 0
        pieces = pieces_of(&of_w, fan_in, fan_out, DW)
        if need_dx:
            self.kept = slope > 0 and batch <= fan_in
            of_x = best_grid(batch, fan_out, fan_in, size, count,
                             COST_READ + (slope if not self.kept else 0), COST_PACK)
            first = pieces_of(&of_x, batch, fan_in, DX)
            if self.kept:
                rows = (batch + GRID_MOST * count - 1) // (GRID_MOST * count)
                rows = max(1, min(LONG_PIECE // max(1, fan_out), rows))
                _threads.run(self, [(DZ, i, min(rows, batch - i), 0, fan_out) for i in range(0, batch, rows)], count,
                             self.stop)
                _threads.run(self, first, of_x.threads, self.stop)
            else:
                pieces = pieces + first         # the caller takes from the end, the others from the beginning
                of_w.threads = min(of_w.threads, of_x.threads)
        _threads.run(self, pieces, of_w.threads, self.stop)
        return 0


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
    task.run(m, a.shape[1], n, count if <double> m * n * a.shape[1] >= WORTH_THREADS else 1)
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
    task.run(shape[0], x.shape[1], shape[1], count if worth else 1)
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
    task.run(shape[0], x.shape[1], shape[1], need_dx, count)
    hand_over([(dw, out_w), (db, out_b)] + ([(dx, out_x)] if need_dx else []))
    return (out_x, out_w, out_b) if need_dx else (None, out_w, out_b)


cdef bint y_tells(int code, double alpha, object y) except -1:
    """Whether y = phi(z) determines the slope."""
    if y.dtype == np.float32:
        return table.activation_backward_from_y_f32(code, alpha, NULL, NULL, NULL, 0) == 0
    return table.activation_backward_from_y_f64(code, alpha, NULL, NULL, NULL, 0) == 0


cdef bint beside(const Matrix* c, const Matrix* a, Py_ssize_t size) noexcept:
    """Whether two matrices of one array share no column of it: their rows are equally far apart."""
    cdef Py_ssize_t at, row = c.row * size
    if row <= 0 or a.row != c.row or a.col != 1 or c.cols > c.row:
        return False
    at = (a.data - c.data) % row                # C's remainder has the sign of the dividend
    at = at + row if at < 0 else at
    return at >= c.cols * size and at + a.cols * size <= row


cdef int add_checked(object a, object b, object out) except -1:
    """The same for any arrays that fit, or the refusal of what does not."""
    cdef Py_ssize_t k
    a = plain("a", a, 2)
    b = plain("b", b, 2, a.dtype)
    chained("a", a.shape, "b", b.shape)
    _checks.out_array("out", out, (a.shape[0], b.shape[1]), a.dtype)
    total = np.array(out)
    for k in range(0, a.shape[1], GRID_K):
        total += matmul(a[:, k:k + GRID_K], b[k:k + GRID_K], threads=1)
    out[...] = total
    return 0


def _matmul_add(a, b, out):
    """``out := out + a b`` in place, by the caller's thread: rounded as the product by :func:`matmul`, one addition
    for each 384 terms. ``out`` may be columns of the array whose other columns ``a`` or ``b`` are."""
    cdef Matrix am, bm, cm
    cdef StopCheck stop
    cdef int kind = kind_of(a), flag = 0, status
    cdef Py_ssize_t size = 4 if kind == cnp.NPY_FLOAT32 else 8
    no_matrix(&cm)
    if not (kind >= 0 and take(a, kind, &am) and take(b, kind, &bm) and am.cols == bm.rows
            and take_out(out, kind, am.rows, bm.cols, &cm)
            and (apart(&cm, &am, size) or beside(&cm, &am, size))
            and (apart(&cm, &bm, size) or beside(&cm, &bm, size))):
        add_checked(a, b, out)
        return
    stop = stop_check(&flag)
    with nogil:
        if kind == cnp.NPY_FLOAT32:
            status = table.matmul_add_f32(<float*> am.data, am.row, am.col, <float*> bm.data, bm.row, bm.col,
                                          <float*> cm.data, cm.row, am.rows, am.cols, bm.cols, &stop)
        else:
            status = table.matmul_add_f64(<double*> am.data, am.row, am.col, <double*> bm.data, bm.row, bm.col,
                                          <double*> cm.data, cm.row, am.rows, am.cols, bm.cols, &stop)
    done(status)
