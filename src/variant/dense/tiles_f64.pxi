# The product's innermost loops, float64: tiles_f32.pxi with the names changed.

cdef inline void pair_f64(const double* a, vecd b0, vecd b1, vecd* c0, vecd* c1) noexcept nogil:
    """One row's step: c0, c1 += a[0] b0, a[0] b1."""
    cdef vecd x = vecd_set(a[0])
    c0[0] = vecd_muladd(x, b0, c0[0])
    c1[0] = vecd_muladd(x, b1, c1[0])


cdef inline void put_f64(double* c, vecd c0, vecd c1, bint add) noexcept nogil:
    """One row's end: c[:2 vectors] := (c +) c0, c1."""
    vecd_store(c, vecd_load(c) + c0 if add else c0)
    vecd_store(c + LANES_F64, vecd_load(c + LANES_F64) + c1 if add else c1)


cdef void tiles_f64(Py_ssize_t k, const double* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                    const double* b, Py_ssize_t b_row, Py_ssize_t b_panel, const double* edge, Py_ssize_t k_edge,
                    double* c, Py_ssize_t c_row, Py_ssize_t n, bint add) noexcept nogil:
    """c[:rows, :n] := (c +) sum_{p < k} a[:, p] b[p, :], rows <= TILE_ROWS, tile after tile.

    b is read two whole vectors a step, b_row apart, the tiles b_panel apart; where the last one is narrower, its last
    k_edge steps come from `edge` (2 vectors apart). Rows beyond `rows` repeat the last one and are not stored.
    """
    cdef Py_ssize_t last = rows - 1
    cdef Py_ssize_t r1 = a_row * (last if last < 1 else 1), r2 = a_row * (last if last < 2 else 2)
    cdef Py_ssize_t r3 = a_row * (last if last < 3 else 3), r4 = a_row * (last if last < 4 else 4)
    cdef Py_ssize_t r5 = a_row * (last if last < 5 else 5), r6 = a_row * (last if last < 6 else 6)
    cdef Py_ssize_t r7 = a_row * last
    cdef vecd c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51, c60, c61, c70, c71
    cdef vecd b0, b1, zero = vecd_set(0)
    cdef Py_ssize_t p, i, j, whole, tail, cols, row, to_row
    cdef const double* ap
    cdef const double* bp
    cdef double* to
    cdef double[TILE_ROWS * 2 * LANES_F64] apart
    cdef bint sum_up
    while n > 0:
        cols = 2 * LANES_F64
        tail = 0
        if n < cols:
            cols = n
            tail = k_edge
        if add:
            for p in range(rows):
                fetch_ahead(c + p * c_row)
        c00, c01, c10, c11, c20, c21, c30, c31 = zero, zero, zero, zero, zero, zero, zero, zero
        c40, c41, c50, c51, c60, c61, c70, c71 = zero, zero, zero, zero, zero, zero, zero, zero
        ap, bp, whole, row = a, b, k - tail, b_row
        while True:
            for p in range(whole):
                b0 = vecd_load(bp)
                b1 = vecd_load(bp + LANES_F64)
                fetch_ahead(bp + TILE_AHEAD * row)
                pair_f64(ap, b0, b1, &c00, &c01)
                pair_f64(ap + r1, b0, b1, &c10, &c11)
                pair_f64(ap + r2, b0, b1, &c20, &c21)
                pair_f64(ap + r3, b0, b1, &c30, &c31)
                pair_f64(ap + r4, b0, b1, &c40, &c41)
                pair_f64(ap + r5, b0, b1, &c50, &c51)
                if TILE_ROWS == 8:
                    pair_f64(ap + r6, b0, b1, &c60, &c61)
                    pair_f64(ap + r7, b0, b1, &c70, &c71)
                ap += a_col
                bp += row
            if tail == 0:
                break
            bp, whole, row, tail = edge, tail, 2 * LANES_F64, 0
        to, to_row, sum_up = c, c_row, add
        if rows < TILE_ROWS or cols < 2 * LANES_F64:
            to, to_row, sum_up = apart, 2 * LANES_F64, False
        put_f64(to, c00, c01, sum_up)
        put_f64(to + to_row, c10, c11, sum_up)
        put_f64(to + 2 * to_row, c20, c21, sum_up)
        put_f64(to + 3 * to_row, c30, c31, sum_up)
        put_f64(to + 4 * to_row, c40, c41, sum_up)
        put_f64(to + 5 * to_row, c50, c51, sum_up)
        if TILE_ROWS == 8:
            put_f64(to + 6 * to_row, c60, c61, sum_up)
            put_f64(to + 7 * to_row, c70, c71, sum_up)
        if to == apart:
            for i in range(rows):
                for j in range(cols):
                    c[i * c_row + j] = c[i * c_row + j] + to[i * to_row + j] if add else to[i * to_row + j]
        b += b_panel
        c += cols
        n -= cols


cdef inline void put_part_f64(double* c, vecd x, Py_ssize_t n, bint add) noexcept nogil:
    """A narrow row's end, for VECTOR_PARTS."""
    vecd_store_part(c, vecd_load_part(c, n) + x if add else x, n)


cdef void slim_f64(Py_ssize_t k, const double* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                   const double* b, Py_ssize_t b_row, const double* b_tail, Py_ssize_t k_tail,
                   double* c, Py_ssize_t c_row, Py_ssize_t cols, bint add) noexcept nogil:
    """tiles_f64 for cols <= 1 vector: half the multiply-adds; b_tail's steps are 2 vectors apart here too."""
    cdef Py_ssize_t last = rows - 1
    cdef Py_ssize_t r1 = a_row * (last if last < 1 else 1), r2 = a_row * (last if last < 2 else 2)
    cdef Py_ssize_t r3 = a_row * (last if last < 3 else 3), r4 = a_row * (last if last < 4 else 4)
    cdef Py_ssize_t r5 = a_row * (last if last < 5 else 5), r6 = a_row * (last if last < 6 else 6)
    cdef Py_ssize_t r7 = a_row * last
    cdef vecd zero = vecd_set(0)
    cdef vecd c0 = zero, c1 = zero, c2 = zero, c3 = zero, c4 = zero, c5 = zero, c6 = zero, c7 = zero, x
    cdef Py_ssize_t p, i, j
    cdef double[TILE_ROWS * LANES_F64] edge
    while True:
        for p in range(k):
            x = vecd_load(b)
            c0 = vecd_muladd(vecd_set(a[0]), x, c0)
            c1 = vecd_muladd(vecd_set(a[r1]), x, c1)
            c2 = vecd_muladd(vecd_set(a[r2]), x, c2)
            c3 = vecd_muladd(vecd_set(a[r3]), x, c3)
            c4 = vecd_muladd(vecd_set(a[r4]), x, c4)
            c5 = vecd_muladd(vecd_set(a[r5]), x, c5)
            if TILE_ROWS == 8:
                c6 = vecd_muladd(vecd_set(a[r6]), x, c6)
                c7 = vecd_muladd(vecd_set(a[r7]), x, c7)
            a += a_col
            b += b_row
        if k_tail == 0:
            break
        k = k_tail
        k_tail = 0
        b = b_tail
        b_row = 2 * LANES_F64
    if VECTOR_PARTS:
        put_part_f64(c, c0, cols, add)
        if rows > 1:
            put_part_f64(c + c_row, c1, cols, add)
        if rows > 2:
            put_part_f64(c + 2 * c_row, c2, cols, add)
        if rows > 3:
            put_part_f64(c + 3 * c_row, c3, cols, add)
        if rows > 4:
            put_part_f64(c + 4 * c_row, c4, cols, add)
        if rows > 5:
            put_part_f64(c + 5 * c_row, c5, cols, add)
        if rows > 6:
            put_part_f64(c + 6 * c_row, c6, cols, add)
        if rows > 7:
            put_part_f64(c + 7 * c_row, c7, cols, add)
        return
    vecd_store(edge, c0)
    vecd_store(edge + LANES_F64, c1)
    vecd_store(edge + 2 * LANES_F64, c2)
    vecd_store(edge + 3 * LANES_F64, c3)
    vecd_store(edge + 4 * LANES_F64, c4)
    vecd_store(edge + 5 * LANES_F64, c5)
    if TILE_ROWS == 8:
        vecd_store(edge + 6 * LANES_F64, c6)
        vecd_store(edge + 7 * LANES_F64, c7)
    for i in range(rows):
        for j in range(cols):
            c[i * c_row + j] = c[i * c_row + j] + edge[i * LANES_F64 + j] if add else edge[i * LANES_F64 + j]


cdef void strip_f64(Py_ssize_t k, const double* a, Py_ssize_t a_col, const double* b, const double* b_next,
                    Py_ssize_t b_row, double* c, bint add) noexcept nogil:
    """c[:4 vectors] := (c +) sum_p a[p] b[p, :]; the third and fourth vector stand at b_next."""
    cdef vecd zero = vecd_set(0)
    cdef vecd c0 = zero, c1 = zero, c2 = zero, c3 = zero, x
    cdef Py_ssize_t p
    for p in range(k):
        x = vecd_set(a[0])
        c0 = vecd_muladd(x, vecd_load(b), c0)
        c1 = vecd_muladd(x, vecd_load(b + LANES_F64), c1)
        c2 = vecd_muladd(x, vecd_load(b_next), c2)
        c3 = vecd_muladd(x, vecd_load(b_next + LANES_F64), c3)
        a += a_col
        b += b_row
        b_next += b_row
    if add:
        c0 = vecd_load(c) + c0
        c1 = vecd_load(c + LANES_F64) + c1
        c2 = vecd_load(c + 2 * LANES_F64) + c2
        c3 = vecd_load(c + 3 * LANES_F64) + c3
    vecd_store(c, c0)
    vecd_store(c + LANES_F64, c1)
    vecd_store(c + 2 * LANES_F64, c2)
    vecd_store(c + 3 * LANES_F64, c3)


cdef void stream_f64(Py_ssize_t k, const double* a, Py_ssize_t a_col, const double* b, Py_ssize_t b_row,
                     double* c, Py_ssize_t n) noexcept nogil:
    """c[:n] := c + sum_p a[p] b[p, :], the chain in c continued; n a multiple of the vector.

    b is read four rows at a time: eight rows at once are three times slower where rows are a page apart.
    """
    cdef vecd x0, x1, x2, x3, y
    cdef Py_ssize_t j
    while k >= 4:
        x0 = vecd_set(a[0])
        x1 = vecd_set(a[a_col])
        x2 = vecd_set(a[2 * a_col])
        x3 = vecd_set(a[3 * a_col])
        for j from 0 <= j < n by LANES_F64:
            y = vecd_muladd(x0, vecd_load(b + j), vecd_load(c + j))
            y = vecd_muladd(x1, vecd_load(b + b_row + j), y)
            y = vecd_muladd(x2, vecd_load(b + 2 * b_row + j), y)
            vecd_store(c + j, vecd_muladd(x3, vecd_load(b + 3 * b_row + j), y))
        a += 4 * a_col
        b += 4 * b_row
        k -= 4
    while k > 0:
        x0 = vecd_set(a[0])
        for j from 0 <= j < n by LANES_F64:
            vecd_store(c + j, vecd_muladd(x0, vecd_load(b + j), vecd_load(c + j)))
        a += a_col
        b += b_row
        k -= 1
