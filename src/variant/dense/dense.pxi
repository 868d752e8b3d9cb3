# A layer, forward and backward, of products; what the table has of both. Points C and D of product.pxi.

cdef int dense_forward_until(const real* x, Py_ssize_t x_row, Py_ssize_t x_col, const real* w, Py_ssize_t w_row,
                             Py_ssize_t w_col, const real* b, int code, double alpha, real* z, Py_ssize_t z_row,
                             real* y, Py_ssize_t y_row, Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out,
                             const StopCheck* stop) noexcept nogil:
    """z := x w + b, y := phi(z)."""
    cdef Finish finish
    finish.active = 1
    finish.code = code
    finish.alpha = alpha
    finish.b = b
    finish.y = y
    finish.y_row = y_row
    if z == NULL:
        z = y
        z_row = y_row
    return product(x, x_row, x_col, w, w_row, w_col, NULL, <real*> NULL, z, z_row, False, &finish, batch, fan_in,
                   fan_out, stop)


cdef int take_slopes(Slope* slope, real* dz, Py_ssize_t dz_row, Py_ssize_t rows, Py_ssize_t cols,
                     const StopCheck* stop) noexcept nogil:
    """dz := dy phi'(z), from then on what `slope` stands for."""
    cdef Py_ssize_t i, since = 0
    if rows * cols <= RUN_SIZE and dz_row == cols and slope.dy_row == cols \
            and (slope.z_row if slope.z != NULL else slope.y_row) == cols:
        slope_row(slope, 0, 0, rows * cols, dz)         # one run of elements
        rows, dz_row = 0, cols
    for i in range(rows):
        slope_row(slope, i, 0, cols, dz + i * dz_row)
        if stopped(stop, &since, 0, 0, cols):
            return STOPPED
    slope.code = ACT_IDENTITY
    slope.dy = dz
    slope.dy_row = dz_row
    return 0


cdef inline vecd widened(const real* a) noexcept nogil:
    """LANES_F64 adjacent elements as float64."""
    if real is float:
        return vecd_load_f32(a)
    else:
        return vecd_load(a)


cdef void column_sums(const real* a, Py_ssize_t a_row, Py_ssize_t rows, Py_ssize_t n, real* sums) noexcept nogil:
    """sums[:n] := the sums of a's columns in float64, in ascending row; what `product` makes of a dz it packs."""
    cdef vecd zero = vecd_set(0), c0, c1, c2, c3
    cdef double[4 * LANES_F64] total
    cdef Py_ssize_t i, j, q, width = 4 * LANES_F64
    cdef const real* row
    for j from 0 <= j < n by width:
        c0, c1, c2, c3 = zero, zero, zero, zero
        if n - j >= width:
            row = a + j
            for i in range(rows):
                c0 = c0 + widened(row)
                c1 = c1 + widened(row + LANES_F64)
                c2 = c2 + widened(row + 2 * LANES_F64)
                c3 = c3 + widened(row + 3 * LANES_F64)
                row += a_row
        vecd_store(total, c0)
        vecd_store(total + LANES_F64, c1)
        vecd_store(total + 2 * LANES_F64, c2)
        vecd_store(total + 3 * LANES_F64, c3)
        if n - j < width:
            for i in range(rows):
                for q in range(n - j):
                    total[q] += a[i * a_row + j + q]
        for q in range(smaller(width, n - j)):
            sums[j + q] = <real> total[q]


cdef inline bint turned(Py_ssize_t batch, Py_ssize_t fan_out, Py_ssize_t width) noexcept nogil:
    """Whether dx' = w dz' is cheaper than dx = dz w': w is not packed, which costs as much as eight rows of dz, while
    its tiles are as wide as half a tile of that many rows at least."""
    return TURN_LEAST < batch <= TURN_MOST and 2 * batch <= fan_out and (-batch & (width // 2 - 1)) < TURN_WASTE


cdef int product_turned(const real* dz, Py_ssize_t dz_row, const real* w, Py_ssize_t w_row, real* dx,
                        Py_ssize_t dx_row, Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out,
                        const StopCheck* stop) noexcept nogil:
    """dx := dz w' as the transposed of w dz', some columns at a time: the same chains, so the same bits."""
    cdef real[ROOM_SIZE] room
    cdef Py_ssize_t j, n, step = TURN_SIZE // batch
    cdef void* work = NULL
    cdef real* part = room
    cdef int status = 0
    step = smaller(step, fan_in)
    if step * batch > ROOM_SIZE:
        work = malloc(step * batch * sizeof(real))
        if work == NULL:
            return -1
        part = <real*> work
    for j from 0 <= j < fan_in by step:
        n = smaller(step, fan_in - j)
        status = product(w + j * w_row, w_row, 1, dz, 1, dz_row, NULL, <real*> NULL, part, batch, False, NULL, n,
                         fan_out, batch, stop)
        if status != 0:
            break
        turn(part, batch, n, batch, dx + j, dx_row)
    free(work)
    return status


cdef int dense_backward_until(const real* x, Py_ssize_t x_row, Py_ssize_t x_col, const real* w, Py_ssize_t w_row,
                              Py_ssize_t w_col, int code, double alpha, const real* z, Py_ssize_t z_row,
                              const real* y, Py_ssize_t y_row, const real* dy, Py_ssize_t dy_row,
                              real* dx, Py_ssize_t dx_row, real* dw, Py_ssize_t dw_row, real* db,
                              Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out,
                              const StopCheck* stop) noexcept nogil:
    """dz := dy phi'(z); dx := dz w', dw := x' dz, db := column sums of dz."""
    cdef Slope slope, at_once
    cdef real[ROOM_SIZE] room
    cdef void* work = NULL
    cdef real* dz = room
    cdef int status = 0
    cdef size_t size = batch * fan_out * sizeof(real)
    slope.code = code if size > 0 else <int> ACT_IDENTITY
    slope.alpha = alpha
    slope.z = z
    slope.y = y
    slope.dy = dy
    slope.z_row = z_row
    slope.y_row = y_row
    slope.dy_row = dy_row
    if z == NULL and slope.code != ACT_IDENTITY:
        if real is float:
            status = activation_backward_from_y_f32(code, alpha, y, dy, dz, 0)
        else:
            status = activation_backward_from_y_f64(code, alpha, y, dy, dz, 0)
        if status != 0:
            return status
    if slope.code != ACT_IDENTITY and size <= SMALL_BYTES:
        if size > sizeof(room):
            work = malloc(size)
            if work == NULL:
                return -1
            dz = <real*> work
        status = take_slopes(&slope, dz, fan_out, batch, fan_out, stop)
    if dx != NULL and status == 0:
        at_once = slope
        if slope.code != ACT_IDENTITY and dw != NULL and batch <= fan_in:
            status = take_slopes(&at_once, dw, dw_row, batch, fan_out, stop)
        if status == 0 and at_once.code == ACT_IDENTITY and w_col == 1 and turned(batch, fan_out, tile_width(w)):
            status = product_turned(<const real*> at_once.dy, at_once.dy_row, w, w_row, dx, dx_row, batch, fan_in,
                                    fan_out, stop)
        elif status == 0:
            status = product(<const real*> at_once.dy if at_once.code == ACT_IDENTITY else NULL, at_once.dy_row, 1,
                             w, w_col, w_row, &at_once, <real*> NULL, dx, dx_row, False, NULL, batch, fan_out, fan_in,
                             stop)
    if dw != NULL and status == 0 and slope.code == ACT_IDENTITY and size <= SMALL_BYTES:
        if db != NULL:
            column_sums(<const real*> slope.dy, slope.dy_row, batch, fan_out, db)
        status = product(x, x_col, x_row, <const real*> slope.dy, slope.dy_row, 1, NULL, <real*> NULL, dw, dw_row,
                         False, NULL, fan_in, batch, fan_out, stop)
    elif dw != NULL and status == 0:
        status = product(x, x_col, x_row, <const real*> NULL, 0, 0, &slope, db, dw, dw_row, False, NULL, fan_in, batch,
                         fan_out, stop)
    free(work)
    return status


# --- as the table has them: without `stop`, and with --------------------------------------------------------------

cdef int matmul(const real* a, Py_ssize_t a_row, Py_ssize_t a_col, const real* b, Py_ssize_t b_row, Py_ssize_t b_col,
                real* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n) noexcept nogil:
    return product(a, a_row, a_col, b, b_row, b_col, NULL, <real*> NULL, c, c_row, False, NULL, m, k, n, NULL)


cdef int matmul_until(const real* a, Py_ssize_t a_row, Py_ssize_t a_col, const real* b, Py_ssize_t b_row,
                      Py_ssize_t b_col, real* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
                      const StopCheck* stop) noexcept nogil:
    return product(a, a_row, a_col, b, b_row, b_col, NULL, <real*> NULL, c, c_row, False, NULL, m, k, n, stop)


cdef int matmul_add(const real* a, Py_ssize_t a_row, Py_ssize_t a_col, const real* b, Py_ssize_t b_row,
                    Py_ssize_t b_col, real* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
                    const StopCheck* stop) noexcept nogil:
    return product(a, a_row, a_col, b, b_row, b_col, NULL, <real*> NULL, c, c_row, True, NULL, m, k, n, stop)


cdef int dense_forward(const real* x, Py_ssize_t x_row, Py_ssize_t x_col, const real* w, Py_ssize_t w_row,
                       Py_ssize_t w_col, const real* b, int code, double alpha, real* z, Py_ssize_t z_row,
                       real* y, Py_ssize_t y_row, Py_ssize_t batch, Py_ssize_t fan_in,
                       Py_ssize_t fan_out) noexcept nogil:
    return dense_forward_until(x, x_row, x_col, w, w_row, w_col, b, code, alpha, z, z_row, y, y_row, batch, fan_in,
                               fan_out, NULL)


cdef int dense_backward(const real* x, Py_ssize_t x_row, Py_ssize_t x_col, const real* w, Py_ssize_t w_row,
                        Py_ssize_t w_col, int code, double alpha, const real* z, Py_ssize_t z_row,
                        const real* y, Py_ssize_t y_row, const real* dy, Py_ssize_t dy_row,
                        real* dx, Py_ssize_t dx_row, real* dw, Py_ssize_t dw_row, real* db,
                        Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out) noexcept nogil:
    return dense_backward_until(x, x_row, x_col, w, w_row, w_col, code, alpha, z, z_row, y, y_row, dy, dy_row, dx,
                                dx_row, dw, dw_row, db, batch, fan_in, fan_out, NULL)


cdef void fill_dense(KernelTable* t) noexcept:
    t.matmul_f32 = matmul[float]
    t.matmul_f64 = matmul[double]
    t.dense_forward_f32 = dense_forward[float]
    t.dense_forward_f64 = dense_forward[double]
    t.dense_backward_f32 = dense_backward[float]
    t.dense_backward_f64 = dense_backward[double]
    t.matmul_until_f32 = matmul_until[float]
    t.matmul_until_f64 = matmul_until[double]
    t.matmul_add_f32 = matmul_add[float]
    t.matmul_add_f64 = matmul_add[double]
    t.dense_forward_until_f32 = dense_forward_until[float]
    t.dense_forward_until_f64 = dense_forward_until[double]
    t.dense_backward_until_f32 = dense_backward_until[float]
    t.dense_backward_until_f64 = dense_backward_until[double]
