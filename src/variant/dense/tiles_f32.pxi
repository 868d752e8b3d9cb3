# The product's innermost loops: float32.
#
# Design
# A. Every output element is a chain of multiply-adds over k, started from 0, in ascending k. Neither the
#    tile an element falls into nor its lane enters the chain, so tiles may be mixed freely (G1, G2, G3).
# B. A tile is TILE_ROWS rows x 2 vectors: with 6 rows twelve accumulators, two vectors of b and one broadcast fill
#    the sixteen registers of AVX2, and 6 broadcasts + 2 loads feed 12 multiply-adds. AVX-512 takes 8 rows (12
#    gain nothing). b comes from the second-level cache, fetched TILE_AHEAD steps early: 9% on either.
# C. A last tile of one vector or less is made of one vector (slim): a layer of ten units costs no more than sixteen.
# D. tiles_f64.pxi is this file with the names changed.

cdef inline void pair_f32(const float* a, vecf b0, vecf b1, vecf* c0, vecf* c1) noexcept nogil:
    """One row's step: c0, c1 += a[0] b0, a[0] b1."""
    cdef vecf x = vecf_set(a[0])
    c0[0] = vecf_muladd(x, b0, c0[0])
    c1[0] = vecf_muladd(x, b1, c1[0])


cdef inline void put_f32(float* c, vecf c0, vecf c1, bint add) noexcept nogil:
    """One row's end: c[:2 vectors] := (c +) c0, c1."""
    vecf_store(c, vecf_load(c) + c0 if add else c0)
    vecf_store(c + LANES_F32, vecf_load(c + LANES_F32) + c1 if add else c1)


cdef void tiles_f32(Py_ssize_t k, const float* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                    const float* b, Py_ssize_t b_row, Py_ssize_t b_panel, const float* edge, Py_ssize_t k_edge,
                    float* c, Py_ssize_t c_row, Py_ssize_t n, bint add) noexcept nogil:
    """c[:rows, :n] := (c +) sum_{p < k} a[:, p] b[p, :], rows <= TILE_ROWS, tile after tile.

    b is read two whole vectors a step, b_row apart, the tiles b_panel apart; where the last one is narrower, its last
    k_edge steps come from `edge` (2 vectors apart). Rows beyond `rows` repeat the last one and are not stored.
    """
    cdef Py_ssize_t last = rows - 1
    cdef Py_ssize_t r1 = a_row * (last if last < 1 else 1), r2 = a_row * (last if last < 2 else 2)
    cdef Py_ssize_t r3 = a_row * (last if last < 3 else 3), r4 = a_row * (last if last < 4 else 4)
    cdef Py_ssize_t r5 = a_row * (last if last < 5 else 5), r6 = a_row * (last if last < 6 else 6)
    cdef Py_ssize_t r7 = a_row * last
    cdef vecf c00, c01, c10, c11, c20, c21, c30, c31, c40, c41, c50, c51, c60, c61, c70, c71
    cdef vecf b0, b1, zero = vecf_set(0)
    cdef Py_ssize_t p, i, j, whole, tail, cols, row, to_row
    cdef const float* ap
    cdef const float* bp
    cdef float* to
    cdef float[TILE_ROWS * 2 * LANES_F32] apart
    cdef bint sum_up
    while n > 0:
        cols = 2 * LANES_F32
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
                b0 = vecf_load(bp)
                b1 = vecf_load(bp + LANES_F32)
                fetch_ahead(bp + TILE_AHEAD * row)
                pair_f32(ap, b0, b1, &c00, &c01)
                pair_f32(ap + r1, b0, b1, &c10, &c11)
                pair_f32(ap + r2, b0, b1, &c20, &c21)
                pair_f32(ap + r3, b0, b1, &c30, &c31)
                pair_f32(ap + r4, b0, b1, &c40, &c41)
                pair_f32(ap + r5, b0, b1, &c50, &c51)
                if TILE_ROWS == 8:
                    pair_f32(ap + r6, b0, b1, &c60, &c61)
                    pair_f32(ap + r7, b0, b1, &c70, &c71)
                ap += a_col
                bp += row
            if tail == 0:
                break
            bp, whole, row, tail = edge, tail, 2 * LANES_F32, 0
        to, to_row, sum_up = c, c_row, add
        if rows < TILE_ROWS or cols < 2 * LANES_F32:
            to, to_row, sum_up = apart, 2 * LANES_F32, False
        put_f32(to, c00, c01, sum_up)
        put_f32(to + to_row, c10, c11, sum_up)
        put_f32(to + 2 * to_row, c20, c21, sum_up)
        put_f32(to + 3 * to_row, c30, c31, sum_up)
        put_f32(to + 4 * to_row, c40, c41, sum_up)
        put_f32(to + 5 * to_row, c50, c51, sum_up)
        if TILE_ROWS == 8:
            put_f32(to + 6 * to_row, c60, c61, sum_up)
            put_f32(to + 7 * to_row, c70, c71, sum_up)
        if to == apart:
            for i in range(rows):
                for j in range(cols):
                    c[i * c_row + j] = c[i * c_row + j] + to[i * to_row + j] if add else to[i * to_row + j]
        b += b_panel
        c += cols
        n -= cols


cdef inline void put_part_f32(float* c, vecf x, Py_ssize_t n, bint add) noexcept nogil:
    """A narrow row's end, for VECTOR_PARTS."""
    vecf_store_part(c, vecf_load_part(c, n) + x if add else x, n)


cdef void slim_f32(Py_ssize_t k, const float* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                   const float* b, Py_ssize_t b_row, const float* b_tail, Py_ssize_t k_tail,
                   float* c, Py_ssize_t c_row, Py_ssize_t cols, bint add) noexcept nogil:
    """tiles_f32 for cols <= 1 vector: half the multiply-adds; b_tail's steps are 2 vectors apart here too."""
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
    if VECTOR_PARTS:
        put_part_f32(c, c0, cols, add)
        if rows > 1:
            put_part_f32(c + c_row, c1, cols, add)
        if rows > 2:
            put_part_f32(c + 2 * c_row, c2, cols, add)
        if rows > 3:
            put_part_f32(c + 3 * c_row, c3, cols, add)
        if rows > 4:
            put_part_f32(c + 4 * c_row, c4, cols, add)
        if rows > 5:
            put_part_f32(c + 5 * c_row, c5, cols, add)
        if rows > 6:
            put_part_f32(c + 6 * c_row, c6, cols, add)
        if rows > 7:
            put_part_f32(c + 7 * c_row, c7, cols, add)
        return
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
