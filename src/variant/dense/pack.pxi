# Packing: the operands of a product laid out as its tiles read them, and dz made on the way.
#
# Design
# A. A panel of b is tile after tile, each k rows of one tile's width, zeros beyond the last column; rows of a lie
#    TILE_ROWS side by side. Sources are read along whatever is adjacent in memory.
# B. The functions named as one of the tiles choose its float32 or float64 twin.

ctypedef fused real:
    float
    double

# Where dz comes from: dy and (z or y), at rows x columns.
cdef struct Slope:
    int code
    double alpha
    const void* z
    const void* y
    const void* dy
    Py_ssize_t z_row
    Py_ssize_t y_row
    Py_ssize_t dy_row


cdef inline Py_ssize_t smaller(Py_ssize_t a, Py_ssize_t b) noexcept nogil:
    return a if a < b else b


cdef inline Py_ssize_t tile_width(const real* which) noexcept nogil:
    """Columns of a tile."""
    if real is float:
        return 2 * LANES_F32
    else:
        return 2 * LANES_F64


cdef inline void tiles(Py_ssize_t k, const real* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                       const real* b, Py_ssize_t b_row, Py_ssize_t b_panel, const real* edge, Py_ssize_t k_edge,
                       real* c, Py_ssize_t c_row, Py_ssize_t n, bint add) noexcept nogil:
    if real is float:
        tiles_f32(k, a, a_row, a_col, rows, b, b_row, b_panel, edge, k_edge, c, c_row, n, add)
    else:
        tiles_f64(k, a, a_row, a_col, rows, b, b_row, b_panel, edge, k_edge, c, c_row, n, add)


cdef inline void slim(Py_ssize_t k, const real* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                      const real* b, Py_ssize_t b_row, const real* b_tail, Py_ssize_t k_tail,
                      real* c, Py_ssize_t c_row, Py_ssize_t cols, bint add) noexcept nogil:
    if real is float:
        slim_f32(k, a, a_row, a_col, rows, b, b_row, b_tail, k_tail, c, c_row, cols, add)
    else:
        slim_f64(k, a, a_row, a_col, rows, b, b_row, b_tail, k_tail, c, c_row, cols, add)


cdef inline void strip(Py_ssize_t k, const real* a, Py_ssize_t a_col, const real* b, const real* b_next,
                       Py_ssize_t b_row, real* c, bint add) noexcept nogil:
    if real is float:
        strip_f32(k, a, a_col, b, b_next, b_row, c, add)
    else:
        strip_f64(k, a, a_col, b, b_next, b_row, c, add)


cdef inline void stream(Py_ssize_t k, const real* a, Py_ssize_t a_col, const real* b, Py_ssize_t b_row, real* c,
                        Py_ssize_t n) noexcept nogil:
    if real is float:
        stream_f32(k, a, a_col, b, b_row, c, n)
    else:
        stream_f64(k, a, a_col, b, b_row, c, n)


cdef inline void transpose_block(const real* src, Py_ssize_t src_row, real* dst, Py_ssize_t dst_row) noexcept nogil:
    if real is float:
        transpose_f32(src, src_row, dst, dst_row)
    else:
        transpose_f64(src, src_row, dst, dst_row)


cdef inline void* aligned(void* p) noexcept nogil:
    """The next multiple of 64 bytes."""
    return <void*> (((<size_t> p) + 63) & ~(<size_t> 63))


cdef const real* slope_row(const Slope* s, Py_ssize_t i, Py_ssize_t j, Py_ssize_t n, real* buffer) noexcept nogil:
    """dz[i, j:j+n]: in `buffer`, or dy itself where phi' = 1."""
    cdef const real* dy = <const real*> s.dy + i * s.dy_row + j
    if s.code == ACT_IDENTITY:
        return dy
    if real is float:
        if s.z != NULL:
            activation_backward_f32(s.code, s.alpha, <const float*> s.z + i * s.z_row + j, dy, buffer, n)
        else:
            activation_backward_from_y_f32(s.code, s.alpha, <const float*> s.y + i * s.y_row + j, dy, buffer, n)
    else:
        if s.z != NULL:
            activation_backward_f64(s.code, s.alpha, <const double*> s.z + i * s.z_row + j, dy, buffer, n)
        else:
            activation_backward_from_y_f64(s.code, s.alpha, <const double*> s.y + i * s.y_row + j, dy, buffer, n)
    return buffer


cdef void pack_columns(const real* b, Py_ssize_t b_row, Py_ssize_t b_col, Py_ssize_t k, Py_ssize_t n,
                       real* panel) noexcept nogil:
    """panel[p, j] := b[p, j] for one tile's width of columns, zeros beyond n."""
    cdef Py_ssize_t width = tile_width(b), block = 32 // sizeof(real)
    cdef Py_ssize_t p, j, whole_k = 0, whole_n = 0
    if b_row == 1:
        whole_k = k // block * block
        whole_n = n // block * block
        for j from 0 <= j < whole_n by block:
            for p from 0 <= p < whole_k by block:
                transpose_block(b + j * b_col + p, b_col, panel + p * width + j, width)
    for p in range(k):
        for j in range(whole_n if p < whole_k else 0, n):
            panel[p * width + j] = b[p * b_row + j * b_col]
        for j in range(n, width):
            panel[p * width + j] = 0


cdef void pack_panel(const real* b, Py_ssize_t b_row, Py_ssize_t b_col, Py_ssize_t k, Py_ssize_t n,
                     real* panels) noexcept nogil:
    """Tile after tile of b[:k, :n], each k x width; b is read along its rows where they are adjacent elements."""
    cdef Py_ssize_t width = tile_width(b), whole = n // width * width if b_col == 1 else 0
    cdef Py_ssize_t p, j
    for p in range(k if whole > 0 else 0):
        for j from 0 <= j < whole by width:
            memcpy(panels + j * k + p * width, b + p * b_row + j, (2 * LANES_F32 if real is float else 2 * LANES_F64)
                   * sizeof(real))
    for j from whole <= j < n by width:
        pack_columns(b + j * b_col, b_row, b_col, k, smaller(width, n - j), panels + j * k)


cdef void pack_slopes(const Slope* s, Py_ssize_t p0, Py_ssize_t k, Py_ssize_t j0, Py_ssize_t n, real* row,
                      real* panels, double* sums) noexcept nogil:
    """Panels of dz[p0:p0+k, j0:j0+n], tile after tile; sums[:n] += its column sums, in ascending row."""
    cdef Py_ssize_t width = tile_width(panels)
    cdef Py_ssize_t p, j, q, count
    cdef const real* dz
    for p in range(k):
        dz = slope_row(s, p0 + p, j0, n, row)
        if sums != NULL:
            for j in range(n):
                sums[j] += dz[j]
        for j from 0 <= j < n by width:
            count = smaller(width, n - j)
            if count == width:
                memcpy(panels + j * k + p * width, dz + j, (2 * LANES_F32 if real is float else 2 * LANES_F64)
                       * sizeof(real))
            else:
                for q in range(count):
                    panels[j * k + p * width + q] = dz[j + q]
                for q in range(count, width):
                    panels[j * k + p * width + q] = 0


cdef void pack_rows(const real* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t m, Py_ssize_t k,
                    real* panels) noexcept nogil:
    """TILE_ROWS = t rows of a side by side: panels[(i // t) t k + t p + i % t] := a[i, p]; rows beyond m repeat the
    last."""
    cdef Py_ssize_t i, p, r, whole = m // TILE_ROWS * TILE_ROWS
    if a_row == 1:              # adjacent elements: a few columns at a time, so that a's lines are used up
        for p in range(k):
            for i from 0 <= i < whole by TILE_ROWS:
                memcpy(panels + i * k + TILE_ROWS * p, a + p * a_col + i, TILE_ROWS * sizeof(real))
    else:
        for i from 0 <= i < whole by TILE_ROWS:
            for p in range(k):
                for r in range(TILE_ROWS):
                    panels[i * k + TILE_ROWS * p + r] = a[(i + r) * a_row + p * a_col]
    if whole < m:
        for p in range(k):
            for r in range(TILE_ROWS):
                panels[whole * k + TILE_ROWS * p + r] = a[smaller(whole + r, m - 1) * a_row + p * a_col]


cdef void turn(const real* a, Py_ssize_t a_row, Py_ssize_t m, Py_ssize_t n, real* out,
               Py_ssize_t out_row) noexcept nogil:
    """out[j, i] := a[i, j] for a of m x n."""
    cdef Py_ssize_t block = 32 // sizeof(real), i, j, whole_m = m // block * block, whole_n = n // block * block
    for j from 0 <= j < whole_n by block:
        for i from 0 <= i < whole_m by block:
            transpose_block(a + i * a_row + j, a_row, out + j * out_row + i, out_row)
    for j in range(n):
        for i in range(whole_m if j < whole_n else 0, m):
            out[j * out_row + i] = a[i * a_row + j]
