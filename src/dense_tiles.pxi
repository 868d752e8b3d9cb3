# The product's innermost loops: everything that is written once per element type.
#
# Design
# A. Every output element is a chain of multiply-adds over k, started from 0, in ascending k. Neither the
#    tile an element falls into nor its lane enters the chain, so tiles may be mixed freely (G1, G2, G3).
# B. A tile is 6 rows x 2 vectors: twelve accumulators, two vectors of b and one broadcast fill the sixteen
#    registers of AVX2, and 6 broadcasts + 2 loads feed 12 multiply-adds.
# C. The float64 half is the float32 half with the names changed.

cdef void tile_f32(Py_ssize_t k, const float* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                   const float* b, Py_ssize_t b_row, const float* b_tail, Py_ssize_t k_tail,
                   float* c, Py_ssize_t c_row, Py_ssize_t cols, bint add) noexcept nogil:
    """c[:rows, :cols] := (c +) sum_{p < k + k_tail} a[:, p] b[p, :], rows <= 6, cols <= 2 vectors.

    b is read two whole vectors a step, b_row apart; its last k_tail steps come from b_tail (2 vectors apart).
    Rows beyond `rows` repeat the last one and are not stored.
    """
    cdef Py_ssize_t last = rows - 1
    cdef Py_ssize_t r1 = a_row * (last if last < 1 else 1), r2 = a_row * (last if last < 2 else 2)
    cdef Py_ssize_t r3 = a_row * (last if last < 3 else 3), r4 = a_row * (last if last < 4 else 4)
    cdef Py_ssize_t r5 = a_row * (last if last < 5 else 5)
    cdef vecf zero = vecf_set(0)
    cdef vecf c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero
    cdef vecf c30 = zero, c31 = zero, c40 = zero, c41 = zero, c50 = zero, c51 = zero
    cdef vecf b0, b1, x
    cdef Py_ssize_t p, i, j
    cdef float[6 * 2 * LANES_F32] edge
    while True:
        for p in range(k):
            b0 = vecf_load(b)
            b1 = vecf_load(b + LANES_F32)
            x = vecf_set(a[0])
            c00 = vecf_muladd(x, b0, c00)
            c01 = vecf_muladd(x, b1, c01)
            x = vecf_set(a[r1])
            c10 = vecf_muladd(x, b0, c10)
            c11 = vecf_muladd(x, b1, c11)
            x = vecf_set(a[r2])
            c20 = vecf_muladd(x, b0, c20)
            c21 = vecf_muladd(x, b1, c21)
            x = vecf_set(a[r3])
            c30 = vecf_muladd(x, b0, c30)
            c31 = vecf_muladd(x, b1, c31)
            x = vecf_set(a[r4])
            c40 = vecf_muladd(x, b0, c40)
            c41 = vecf_muladd(x, b1, c41)
            x = vecf_set(a[r5])
            c50 = vecf_muladd(x, b0, c50)
            c51 = vecf_muladd(x, b1, c51)
            a += a_col
            b += b_row
        if k_tail == 0:
            break
        k = k_tail
        k_tail = 0
        b = b_tail
        b_row = 2 * LANES_F32
    if rows == 6 and cols == 2 * LANES_F32:
        if add:
            vecf_store(c, vecf_load(c) + c00)
            vecf_store(c + LANES_F32, vecf_load(c + LANES_F32) + c01)
            vecf_store(c + c_row, vecf_load(c + c_row) + c10)
            vecf_store(c + c_row + LANES_F32, vecf_load(c + c_row + LANES_F32) + c11)
            vecf_store(c + 2 * c_row, vecf_load(c + 2 * c_row) + c20)
            vecf_store(c + 2 * c_row + LANES_F32, vecf_load(c + 2 * c_row + LANES_F32) + c21)
            vecf_store(c + 3 * c_row, vecf_load(c + 3 * c_row) + c30)
            vecf_store(c + 3 * c_row + LANES_F32, vecf_load(c + 3 * c_row + LANES_F32) + c31)
            vecf_store(c + 4 * c_row, vecf_load(c + 4 * c_row) + c40)
            vecf_store(c + 4 * c_row + LANES_F32, vecf_load(c + 4 * c_row + LANES_F32) + c41)
            vecf_store(c + 5 * c_row, vecf_load(c + 5 * c_row) + c50)
            vecf_store(c + 5 * c_row + LANES_F32, vecf_load(c + 5 * c_row + LANES_F32) + c51)
        else:
            vecf_store(c, c00)
            vecf_store(c + LANES_F32, c01)
            vecf_store(c + c_row, c10)
            vecf_store(c + c_row + LANES_F32, c11)
            vecf_store(c + 2 * c_row, c20)
            vecf_store(c + 2 * c_row + LANES_F32, c21)
            vecf_store(c + 3 * c_row, c30)
            vecf_store(c + 3 * c_row + LANES_F32, c31)
            vecf_store(c + 4 * c_row, c40)
            vecf_store(c + 4 * c_row + LANES_F32, c41)
            vecf_store(c + 5 * c_row, c50)
            vecf_store(c + 5 * c_row + LANES_F32, c51)
        return
    vecf_store(edge, c00)
    vecf_store(edge + LANES_F32, c01)
    vecf_store(edge + 2 * LANES_F32, c10)
    vecf_store(edge + 2 * LANES_F32 + LANES_F32, c11)
    vecf_store(edge + 2 * 2 * LANES_F32, c20)
    vecf_store(edge + 2 * 2 * LANES_F32 + LANES_F32, c21)
    vecf_store(edge + 3 * 2 * LANES_F32, c30)
    vecf_store(edge + 3 * 2 * LANES_F32 + LANES_F32, c31)
    vecf_store(edge + 4 * 2 * LANES_F32, c40)
    vecf_store(edge + 4 * 2 * LANES_F32 + LANES_F32, c41)
    vecf_store(edge + 5 * 2 * LANES_F32, c50)
    vecf_store(edge + 5 * 2 * LANES_F32 + LANES_F32, c51)
    for i in range(rows):
        if add:
            for j in range(cols):
                c[i * c_row + j] += edge[i * 2 * LANES_F32 + j]
        else:
            for j in range(cols):
                c[i * c_row + j] = edge[i * 2 * LANES_F32 + j]


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


cdef void tile_f64(Py_ssize_t k, const double* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                   const double* b, Py_ssize_t b_row, const double* b_tail, Py_ssize_t k_tail,
                   double* c, Py_ssize_t c_row, Py_ssize_t cols, bint add) noexcept nogil:
    """c[:rows, :cols] := (c +) sum_{p < k + k_tail} a[:, p] b[p, :], rows <= 6, cols <= 2 vectors.

    b is read two whole vectors a step, b_row apart; its last k_tail steps come from b_tail (2 vectors apart).
    Rows beyond `rows` repeat the last one and are not stored.
    """
    cdef Py_ssize_t last = rows - 1
    cdef Py_ssize_t r1 = a_row * (last if last < 1 else 1), r2 = a_row * (last if last < 2 else 2)
    cdef Py_ssize_t r3 = a_row * (last if last < 3 else 3), r4 = a_row * (last if last < 4 else 4)
    cdef Py_ssize_t r5 = a_row * (last if last < 5 else 5)
    cdef vecd zero = vecd_set(0)
    cdef vecd c00 = zero, c01 = zero, c10 = zero, c11 = zero, c20 = zero, c21 = zero
    cdef vecd c30 = zero, c31 = zero, c40 = zero, c41 = zero, c50 = zero, c51 = zero
    cdef vecd b0, b1, x
    cdef Py_ssize_t p, i, j
    cdef double[6 * 2 * LANES_F64] edge
    while True:
        for p in range(k):
            b0 = vecd_load(b)
            b1 = vecd_load(b + LANES_F64)
            x = vecd_set(a[0])
            c00 = vecd_muladd(x, b0, c00)
            c01 = vecd_muladd(x, b1, c01)
            x = vecd_set(a[r1])
            c10 = vecd_muladd(x, b0, c10)
            c11 = vecd_muladd(x, b1, c11)
            x = vecd_set(a[r2])
            c20 = vecd_muladd(x, b0, c20)
            c21 = vecd_muladd(x, b1, c21)
            x = vecd_set(a[r3])
            c30 = vecd_muladd(x, b0, c30)
            c31 = vecd_muladd(x, b1, c31)
            x = vecd_set(a[r4])
            c40 = vecd_muladd(x, b0, c40)
            c41 = vecd_muladd(x, b1, c41)
            x = vecd_set(a[r5])
            c50 = vecd_muladd(x, b0, c50)
            c51 = vecd_muladd(x, b1, c51)
            a += a_col
            b += b_row
        if k_tail == 0:
            break
        k = k_tail
        k_tail = 0
        b = b_tail
        b_row = 2 * LANES_F64
    if rows == 6 and cols == 2 * LANES_F64:
        if add:
            vecd_store(c, vecd_load(c) + c00)
            vecd_store(c + LANES_F64, vecd_load(c + LANES_F64) + c01)
            vecd_store(c + c_row, vecd_load(c + c_row) + c10)
            vecd_store(c + c_row + LANES_F64, vecd_load(c + c_row + LANES_F64) + c11)
            vecd_store(c + 2 * c_row, vecd_load(c + 2 * c_row) + c20)
            vecd_store(c + 2 * c_row + LANES_F64, vecd_load(c + 2 * c_row + LANES_F64) + c21)
            vecd_store(c + 3 * c_row, vecd_load(c + 3 * c_row) + c30)
            vecd_store(c + 3 * c_row + LANES_F64, vecd_load(c + 3 * c_row + LANES_F64) + c31)
            vecd_store(c + 4 * c_row, vecd_load(c + 4 * c_row) + c40)
            vecd_store(c + 4 * c_row + LANES_F64, vecd_load(c + 4 * c_row + LANES_F64) + c41)
            vecd_store(c + 5 * c_row, vecd_load(c + 5 * c_row) + c50)
            vecd_store(c + 5 * c_row + LANES_F64, vecd_load(c + 5 * c_row + LANES_F64) + c51)
        else:
            vecd_store(c, c00)
            vecd_store(c + LANES_F64, c01)
            vecd_store(c + c_row, c10)
            vecd_store(c + c_row + LANES_F64, c11)
            vecd_store(c + 2 * c_row, c20)
            vecd_store(c + 2 * c_row + LANES_F64, c21)
            vecd_store(c + 3 * c_row, c30)
            vecd_store(c + 3 * c_row + LANES_F64, c31)
            vecd_store(c + 4 * c_row, c40)
            vecd_store(c + 4 * c_row + LANES_F64, c41)
            vecd_store(c + 5 * c_row, c50)
            vecd_store(c + 5 * c_row + LANES_F64, c51)
        return
    vecd_store(edge, c00)
    vecd_store(edge + LANES_F64, c01)
    vecd_store(edge + 2 * LANES_F64, c10)
    vecd_store(edge + 2 * LANES_F64 + LANES_F64, c11)
    vecd_store(edge + 2 * 2 * LANES_F64, c20)
    vecd_store(edge + 2 * 2 * LANES_F64 + LANES_F64, c21)
    vecd_store(edge + 3 * 2 * LANES_F64, c30)
    vecd_store(edge + 3 * 2 * LANES_F64 + LANES_F64, c31)
    vecd_store(edge + 4 * 2 * LANES_F64, c40)
    vecd_store(edge + 4 * 2 * LANES_F64 + LANES_F64, c41)
    vecd_store(edge + 5 * 2 * LANES_F64, c50)
    vecd_store(edge + 5 * 2 * LANES_F64 + LANES_F64, c51)
    for i in range(rows):
        if add:
            for j in range(cols):
                c[i * c_row + j] += edge[i * 2 * LANES_F64 + j]
        else:
            for j in range(cols):
                c[i * c_row + j] = edge[i * 2 * LANES_F64 + j]


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
