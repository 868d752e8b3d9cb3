# The product's innermost loops: everything that is written once per element type.
#
# Design
# A. Every output element is a chain of multiply-adds over k, started from 0, in ascending k. Neither the
#    tile an element falls into nor its lane enters the chain, so tiles may be mixed freely (G1, G2, G3).
# B. A tile is TILE_ROWS rows x 2 vectors: with 6 rows twelve accumulators, two vectors of b and one broadcast fill
#    the sixteen registers of AVX2, and 6 broadcasts + 2 loads feed 12 multiply-adds. AVX-512 takes 8 rows (12
#    gain nothing). b comes from the second-level cache, fetched TILE_AHEAD steps early: 9% on either.
# C. A last tile of one vector or less is made of one vector (slim): a layer of ten units costs no more than sixteen.
# D. The float64 half is the float32 half with the names changed.

cdef inline void pair_f32(const float* a, vecf b0, vecf b1, vecf* c0, vecf* c1) noexcept nogil:
    """One row's step: c0, c1 += a[0] b0, a[0] b1."""
    cdef vecf x = vecf_set(a[0])
    c0[0] = vecf_muladd(x, b0, c0[0])
    c1[0] = vecf_muladd(x, b1, c1[0])


cdef inline void put_f32(float* c, vecf c0, vecf c1, bint add) noexcept nogil:
    """One row's end: c[:2 vectors] := (c +) c0, c1."""
    vecf_store(c, vecf_load(c) + c0 if add else c0)
    vecf_store(c + LANES_F32, vecf_load(c + LANES_F32) + c1 if add else c1)


cdef void tile_f32(Py_ssize_t k, const float* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                   const float* b, Py_ssize_t b_row, const float* b_tail, Py_ssize_t k_tail,
                   float* c, Py_ssize_t c_row, Py_ssize_t cols, bint add) noexcept nogil:
    """c[:rows, :cols] := (c +) sum_{p < k + k_tail} a[:, p] b[p, :], rows <= TILE_ROWS, cols <= 2 vectors.

    b is read two whole vectors a step, b_row apart; its last k_tail steps come from b_tail (2 vectors apart).
    Rows beyond `rows` repeat the last one and are not stored.
    """
    cdef Py_ssize_t last = rows - 1
    cdef Py_ssize_t r1 = a_row * (last if last < 1 else 1), r2 = a_row * (last if last < 2 else 2)
    cdef Py_ssize_t r3 = a_row * (last if last < 3 else 3), r4 = a_row * (last if last < 4 else 4)
    cdef Py_ssize_t r5 = a_row * (last if last < 5 else 5), r6 = a_row * (last if last < 6 else 6)
    cdef Py_ssize_t r7 = a_row * last
    cdef vecf zero = vecf_set(0)
    cdef vecf c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
    cdef vecf c40 = zero, c41 = zero, c50 = zero, c51 = zero, c60 = zero, c61 = zero, c70 = zero, c71 = zero
    cdef vecf b0, b1
    cdef Py_ssize_t p, i, j, to_row = c_row
    cdef float* to = c
    cdef float[TILE_ROWS * 2 * LANES_F32] edge
    if add:
        for p in range(rows):
            fetch_ahead(c + p * c_row)
    while True:
        for p in range(k):
            b0 = vecf_load(b)
            b1 = vecf_load(b + LANES_F32)
            fetch_ahead(b + TILE_AHEAD * b_row)
            pair_f32(a, b0, b1, &c00, &c01)
            pair_f32(a + r1, b0, b1, &c10, &c11)
            pair_f32(a + r2, b0, b1, &c20, &c21)
            pair_f32(a + r3, b0, b1, &c30, &c31)
            pair_f32(a + r4, b0, b1, &c40, &c41)
            pair_f32(a + r5, b0, b1, &c50, &c51)
            if TILE_ROWS == 8:
                pair_f32(a + r6, b0, b1, &c60, &c61)
                pair_f32(a + r7, b0, b1, &c70, &c71)
            a += a_col
            b += b_row
        if k_tail == 0:
            break
        k = k_tail
        k_tail = 0
        b = b_tail
        b_row = 2 * LANES_F32
    cdef bint whole = rows == TILE_ROWS and cols == 2 * LANES_F32
    if not whole:
        to = edge
        to_row = 2 * LANES_F32
    cdef bint sum_up = add and whole
    put_f32(to, c00, c01, sum_up)
    put_f32(to + to_row, c10, c11, sum_up)
    put_f32(to + 2 * to_row, c20, c21, sum_up)
    put_f32(to + 3 * to_row, c30, c31, sum_up)
    put_f32(to + 4 * to_row, c40, c41, sum_up)
    put_f32(to + 5 * to_row, c50, c51, sum_up)
    if TILE_ROWS == 8:
        put_f32(to + 6 * to_row, c60, c61, sum_up)
        put_f32(to + 7 * to_row, c70, c71, sum_up)
    if whole:
        return
    for i in range(rows):
        for j in range(cols):
            c[i * c_row + j] = c[i * c_row + j] + edge[i * 2 * LANES_F32 + j] if add else edge[i * 2 * LANES_F32 + j]


cdef void slim_f32(Py_ssize_t k, const float* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                   const float* b, Py_ssize_t b_row, const float* b_tail, Py_ssize_t k_tail,
                   float* c, Py_ssize_t c_row, Py_ssize_t cols, bint add) noexcept nogil:
    """tile_f32 for cols <= 1 vector: half the multiply-adds; b_tail's steps are 2 vectors apart here too."""
    cdef Py_ssize_t last = rows - 1
    cdef Py_ssize_t r1 = a_row * (last if last < 1 else 1), r2 = a_row * (last if last < 2 else 2)
    cdef Py_ssize_t r3 = a_row * (last if last < 3 else 3), r4 = a_row * (last if last < 4 else 4)
    cdef Py_ssize_t r5 = a_row * (last if last < 5 else 5), r6 = a_row * (last if last < 6 else 6)
    cdef Py_ssize_t r7 = a_row * last
    cdef vecf zero = vecf_set(0)
    cdef vecf c0 = zero, c1 = zero, c2 = zero, c3 = zero, c4 = zero, c5 = zero, c6 = zero, c7 = zero, x
    cdef Py_ssize_t p, i, j
    cdef float[TILE_ROWS * LANES_F32] edge
    while True:
        for p in range(k):
            x = vecf_load(b)
            c0 = vecf_muladd(vecf_set(a[0]), x, c0)
            c1 = vecf_muladd(vecf_set(a[r1]), x, c1)
            c2 = vecf_muladd(vecf_set(a[r2]), x, c2)
            c3 = vecf_muladd(vecf_set(a[r3]), x, c3)
            c4 = vecf_muladd(vecf_set(a[r4]), x, c4)
            c5 = vecf_muladd(vecf_set(a[r5]), x, c5)
            if TILE_ROWS == 8:
                c6 = vecf_muladd(vecf_set(a[r6]), x, c6)
                c7 = vecf_muladd(vecf_set(a[r7]), x, c7)
            a += a_col
            b += b_row
        if k_tail == 0:
            break
        k = k_tail
        k_tail = 0
        b = b_tail
        b_row = 2 * LANES_F32
    vecf_store(edge, c0)
    vecf_store(edge + LANES_F32, c1)
    vecf_store(edge + 2 * LANES_F32, c2)
    vecf_store(edge + 3 * LANES_F32, c3)
    vecf_store(edge + 4 * LANES_F32, c4)
    vecf_store(edge + 5 * LANES_F32, c5)
    if TILE_ROWS == 8:
        vecf_store(edge + 6 * LANES_F32, c6)
        vecf_store(edge + 7 * LANES_F32, c7)
    for i in range(rows):
        for j in range(cols):
            c[i * c_row + j] = c[i * c_row + j] + edge[i * LANES_F32 + j] if add else edge[i * LANES_F32 + j]


cdef void strip_f32(Py_ssize_t k, const float* a, Py_ssize_t a_col, const float* b, const float* b_next,
                    Py_ssize_t b_row, float* c, bint add) noexcept nogil:
    """c[:4 vectors] := (c +) sum_p a[p] b[p, :]; the third and fourth vector stand at b_next."""
    cdef vecf zero = vecf_set(0)
    cdef vecf c0 = zero, c1 = zero, c2 = zero, c3 = zero, x
    cdef Py_ssize_t p
    for p in range(k):
        x = vecf_set(a[0])
        c0 = vecf_muladd(x, vecf_load(b), c0)
        c1 = vecf_muladd(x, vecf_load(b + LANES_F32), c1)
        c2 = vecf_muladd(x, vecf_load(b_next), c2)
        c3 = vecf_muladd(x, vecf_load(b_next + LANES_F32), c3)
        a += a_col
        b += b_row
        b_next += b_row
    if add:
        c0 = vecf_load(c) + c0
        c1 = vecf_load(c + LANES_F32) + c1
        c2 = vecf_load(c + 2 * LANES_F32) + c2
        c3 = vecf_load(c + 3 * LANES_F32) + c3
    vecf_store(c, c0)
    vecf_store(c + LANES_F32, c1)
    vecf_store(c + 2 * LANES_F32, c2)
    vecf_store(c + 3 * LANES_F32, c3)


cdef void stream_f32(Py_ssize_t k, const float* a, Py_ssize_t a_col, const float* b, Py_ssize_t b_row,
                     float* c, Py_ssize_t n) noexcept nogil:
    """c[:n] := c + sum_p a[p] b[p, :], the chain in c continued; n a multiple of the vector.

    b is read four rows at a time: eight rows at once are three times slower where rows are a page apart.
    """
    cdef vecf x0, x1, x2, x3, y
    cdef Py_ssize_t j
    while k >= 4:
        x0 = vecf_set(a[0])
        x1 = vecf_set(a[a_col])
        x2 = vecf_set(a[2 * a_col])
        x3 = vecf_set(a[3 * a_col])
        for j from 0 <= j < n by LANES_F32:
            y = vecf_muladd(x0, vecf_load(b + j), vecf_load(c + j))
            y = vecf_muladd(x1, vecf_load(b + b_row + j), y)
            y = vecf_muladd(x2, vecf_load(b + 2 * b_row + j), y)
            vecf_store(c + j, vecf_muladd(x3, vecf_load(b + 3 * b_row + j), y))
        a += 4 * a_col
        b += 4 * b_row
        k -= 4
    while k > 0:
        x0 = vecf_set(a[0])
        for j from 0 <= j < n by LANES_F32:
            vecf_store(c + j, vecf_muladd(x0, vecf_load(b + j), vecf_load(c + j)))
        a += a_col
        b += b_row
        k -= 1


cdef inline void pair_f64(const double* a, vecd b0, vecd b1, vecd* c0, vecd* c1) noexcept nogil:
    """One row's step: c0, c1 += a[0] b0, a[0] b1."""
    cdef vecd x = vecd_set(a[0])
    c0[0] = vecd_muladd(x, b0, c0[0])
    c1[0] = vecd_muladd(x, b1, c1[0])


cdef inline void put_f64(double* c, vecd c0, vecd c1, bint add) noexcept nogil:
    """One row's end: c[:2 vectors] := (c +) c0, c1."""
    vecd_store(c, vecd_load(c) + c0 if add else c0)
    vecd_store(c + LANES_F64, vecd_load(c + LANES_F64) + c1 if add else c1)


cdef void tile_f64(Py_ssize_t k, const double* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                   const double* b, Py_ssize_t b_row, const double* b_tail, Py_ssize_t k_tail,
                   double* c, Py_ssize_t c_row, Py_ssize_t cols, bint add) noexcept nogil:
    """c[:rows, :cols] := (c +) sum_{p < k + k_tail} a[:, p] b[p, :], rows <= TILE_ROWS, cols <= 2 vectors.

    b is read two whole vectors a step, b_row apart; its last k_tail steps come from b_tail (2 vectors apart).
    Rows beyond `rows` repeat the last one and are not stored.
    """
    cdef Py_ssize_t last = rows - 1
    cdef Py_ssize_t r1 = a_row * (last if last < 1 else 1), r2 = a_row * (last if last < 2 else 2)
    cdef Py_ssize_t r3 = a_row * (last if last < 3 else 3), r4 = a_row * (last if last < 4 else 4)
    cdef Py_ssize_t r5 = a_row * (last if last < 5 else 5), r6 = a_row * (last if last < 6 else 6)
    cdef Py_ssize_t r7 = a_row * last
    cdef vecd zero = vecd_set(0)
    cdef vecd c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero, c30 = zero, c31 = zero
    cdef vecd c40 = zero, c41 = zero, c50 = zero, c51 = zero, c60 = zero, c61 = zero, c70 = zero, c71 = zero
    cdef vecd b0, b1
    cdef Py_ssize_t p, i, j, to_row = c_row
    cdef double* to = c
    cdef double[TILE_ROWS * 2 * LANES_F64] edge
    if add:
        for p in range(rows):
            fetch_ahead(c + p * c_row)
    while True:
        for p in range(k):
            b0 = vecd_load(b)
            b1 = vecd_load(b + LANES_F64)
            fetch_ahead(b + TILE_AHEAD * b_row)
            pair_f64(a, b0, b1, &c00, &c01)
            pair_f64(a + r1, b0, b1, &c10, &c11)
            pair_f64(a + r2, b0, b1, &c20, &c21)
            pair_f64(a + r3, b0, b1, &c30, &c31)
            pair_f64(a + r4, b0, b1, &c40, &c41)
            pair_f64(a + r5, b0, b1, &c50, &c51)
            if TILE_ROWS == 8:
                pair_f64(a + r6, b0, b1, &c60, &c61)
                pair_f64(a + r7, b0, b1, &c70, &c71)
            a += a_col
            b += b_row
        if k_tail == 0:
            break
        k = k_tail
        k_tail = 0
        b = b_tail
        b_row = 2 * LANES_F64
    cdef bint whole = rows == TILE_ROWS and cols == 2 * LANES_F64
    if not whole:
        to = edge
        to_row = 2 * LANES_F64
    cdef bint sum_up = add and whole
    put_f64(to, c00, c01, sum_up)
    put_f64(to + to_row, c10, c11, sum_up)
    put_f64(to + 2 * to_row, c20, c21, sum_up)
    put_f64(to + 3 * to_row, c30, c31, sum_up)
    put_f64(to + 4 * to_row, c40, c41, sum_up)
    put_f64(to + 5 * to_row, c50, c51, sum_up)
    if TILE_ROWS == 8:
        put_f64(to + 6 * to_row, c60, c61, sum_up)
        put_f64(to + 7 * to_row, c70, c71, sum_up)
    if whole:
        return
    for i in range(rows):
        for j in range(cols):
            c[i * c_row + j] = c[i * c_row + j] + edge[i * 2 * LANES_F64 + j] if add else edge[i * 2 * LANES_F64 + j]


cdef void slim_f64(Py_ssize_t k, const double* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                   const double* b, Py_ssize_t b_row, const double* b_tail, Py_ssize_t k_tail,
                   double* c, Py_ssize_t c_row, Py_ssize_t cols, bint add) noexcept nogil:
    """tile_f64 for cols <= 1 vector: half the multiply-adds; b_tail's steps are 2 vectors apart here too."""
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
