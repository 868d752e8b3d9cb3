# Rows of the product past a panel: tiles side by side, and what happens to rows that are done. Limits: product.pxi.

# What happens to a finished row of x w: + b, then phi into y. active = 0: nothing.
cdef struct Finish:
    int active
    int code
    double alpha
    const void* b
    void* y
    Py_ssize_t y_row


cdef void finish_rows(const Finish* f, Py_ssize_t i, Py_ssize_t rows, Py_ssize_t j, Py_ssize_t n,
                      real* c, Py_ssize_t c_row) noexcept nogil:
    """c[i:i+rows, j:j+n] += b; y := phi(c)."""
    cdef Py_ssize_t r, q
    cdef real* z
    cdef real* y
    cdef const real* b = <const real*> f.b
    if rows > 1 and c_row == n and f.y_row == n:        # one run of elements
        for r in range(i, i + rows if b != NULL else i):
            z = c + r * n + j
            for q in range(n):
                z[q] = z[q] + b[j + q]
        z = c + i * n + j
        y = <real*> f.y + i * n + j
        if f.code != ACT_IDENTITY or y != z:
            if real is float:
                activation_forward_f32(f.code, f.alpha, z, y, rows * n)
            else:
                activation_forward_f64(f.code, f.alpha, z, y, rows * n)
        return
    for r in range(i, i + rows):
        z = c + r * c_row + j
        y = <real*> f.y + r * f.y_row + j
        if b != NULL:
            for q in range(n):
                z[q] = z[q] + b[j + q]
        if f.code != ACT_IDENTITY or y != z:
            if real is float:
                activation_forward_f32(f.code, f.alpha, z, y, n)
            else:
                activation_forward_f64(f.code, f.alpha, z, y, n)


cdef void sweep(Py_ssize_t k, const real* a, Py_ssize_t a_row, Py_ssize_t a_col, Py_ssize_t rows,
                const real* b, Py_ssize_t b_row, Py_ssize_t b_panel, Py_ssize_t n, Py_ssize_t k_edge,
                const real* edge, real* c, Py_ssize_t c_row, bint add) noexcept nogil:
    """c[:rows, :n] := (c +) a b for rows <= TILE_ROWS; the tiles of b stand b_panel apart.

    Where b lies unpacked, its last tile may be narrower than a tile: then the last k_edge steps, whose whole
    vectors would end beyond b, are read from `edge`.
    """
    cdef Py_ssize_t width = tile_width(a)
    cdef Py_ssize_t j = 0, r
    if rows <= 2:
        while j + 2 * width <= n:
            for r in range(rows):
                strip(k, a + r * a_row, a_col, b, b + b_panel, b_row, c + r * c_row + j, add)
            b += 2 * b_panel
            j += 2 * width
    if n - j > 0 and (n - j) % width <= width // 2 and n % width > 0:
        r = n // width * width
        if j < r:
            tiles(k, a, a_row, a_col, rows, b, b_row, b_panel, edge, 0, c + j, c_row, r - j, add)
            b += (r - j) // width * b_panel
        slim(k - k_edge, a, a_row, a_col, rows, b, b_row, edge, k_edge, c + r, c_row, n - r, add)
    elif j < n:
        tiles(k, a, a_row, a_col, rows, b, b_row, b_panel, edge, k_edge, c + j, c_row, n - j, add)


cdef Py_ssize_t edge_steps(Py_ssize_t k, Py_ssize_t n, Py_ssize_t b_row, Py_ssize_t width) noexcept nogil:
    """How many of the last steps p < k cannot be read as whole vectors in a narrow tile of width n % width."""
    cdef Py_ssize_t over = width - n % width        # elements beyond the row's end
    if over == width:
        return 0
    if over >= width // 2:
        over -= width // 2                          # slim
    return smaller(k, (over + b_row - 1) // b_row)


cdef inline bint stopped(const StopCheck* stop, Py_ssize_t* work, Py_ssize_t m, Py_ssize_t k,
                         Py_ssize_t n) noexcept nogil:
    """Count m k n multiply-adds, and what goes with them, and ask when there are enough."""
    work[0] += (m + 16) * (k + 16) * (n + 16)
    if work[0] < STOP_WORK:
        return False
    work[0] = 0
    return stop != NULL and stop.asked(stop.context) != 0


cdef int product_streamed(const real* a, Py_ssize_t a_row, Py_ssize_t a_col, const real* b, Py_ssize_t b_row,
                          real* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, bint add,
                          const StopCheck* stop) noexcept nogil:
    """c := (c +) a b for few rows and whole tiles of columns, every row of b read once and in order."""
    cdef real[ROOM_SIZE] room
    cdef real* spare = room
    cdef real* to
    cdef Py_ssize_t j, p, q, r, i, nc, kc, step, work = 0
    cdef bint apart
    for j from 0 <= j < n by STREAM_N:
        nc = smaller(STREAM_N, n - j)
        for p from 0 <= p < k by BLOCK_K:
            kc = smaller(BLOCK_K, k - p)
            apart = add or p > 0
            for r in range(m):
                memset(spare + r * STREAM_N if apart else c + r * c_row + j, 0, nc * sizeof(real))
            for q from 0 <= q < kc by 4:
                step = smaller(4, kc - q)
                for r in range(m):
                    to = spare + r * STREAM_N if apart else c + r * c_row + j
                    stream(step, a + r * a_row + (p + q) * a_col, a_col, b + (p + q) * b_row + j, b_row, to, nc)
            if apart:
                for r in range(m):
                    to = c + r * c_row + j
                    for i in range(nc):
                        to[i] = to[i] + spare[r * STREAM_N + i]
            if stopped(stop, &work, m, kc, nc):
                return STOPPED
    return 0
