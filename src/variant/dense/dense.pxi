# Products and dense layers: own packed micro-kernel, bias, activation and slope fused.
#
# Design
# A. c[i, j] = sum of blocks of BLOCK_K products, each block one chain of multiply-adds from 0 in ascending k,
#    blocks added in ascending order. Only k decides the order, never m, n, strides, packing, tile or thread:
#    equal columns give equal bits (G1), a row does not know its batch (G2), any split agrees (G3).
# B. `product` packs a panel of b, BLOCK_K rows of PANEL_VECTORS vectors (it stays in the second-level cache), and
#    streams a past it, TILE_ROWS at a time; a is read where it lies unless its k stride is not 1. Then it is packed:
#    PACK_M rows at a time where one panel holds all columns, else ONCE_BYTES of it for ONCE_N columns of b. For few
#    rows, b is read in place.
#
#                  J: ONCE_N columns of b and c              K  one step of p: BLOCK_K terms of every sum
#                  +------+------+- j: one panel, in L2      M  ONCE_BYTES of a, packed where it lies transposed
#            b     |######|      |                           i  TILE_ROWS rows of a past the panel: sweep
#             K    |######|      |                           the tile of c, TILE_ROWS x 2 vectors, in registers
#                  +------+------+
#          K
#      +------+    +------+------+        for J, M, K:  pack a[M, K]        (transposed a and n beyond a panel)
#    M |      |    |      |      |            for j in J:  pack b[K, j]
#      | ==== | i  |   [] |      |                for ic in M by PACK_M:  pack a[ic, K]  (transposed a, one panel)
#      |      |    |      |      |                    for i:  c[i, j] := (c +) a[i, K] b[K, j]
#      +------+    +------+------+        Without packing of a, J is one panel and M all rows.
#         a               c
# C. dz = dy phi'(z) is made where it is packed: as the panel of b for dw = x' dz, and as rows of a for dx = dz w',
#    once for each panel of w'. Where dw is wanted and has room for it, dz for dx is made once, in dw, which is
#    filled afterwards; no other batch x fan_out array exists beyond SMALL_BYTES.
# D. Workspaces are on the stack or bounded (7.3 MB where a transposed a is packed once, else about 1 MB) and freed
#    before return.
# E. A long call asks `stop`, where it has one, after every STOP_WORK multiply-adds or what takes as long, some twenty
#    times a second; told to, it frees what it has and returns STOPPED. Whatever is written by then stays.
# Sources: Goto and van de Geijn 2008 (panel packing), Van Zee and van de Geijn 2015 (micro-kernel).

cdef enum:
    BLOCK_K = 384
    PACK_M = 96                 # rows of a packed at once; a multiple of TILE_ROWS
    PACK_GAP = 16               # elements between packed rows of dz: not all in one set of the cache
    PANEL_VECTORS = 32          # vectors in a row of b's packed panel: 256 float32 of AVX2, 512 of AVX-512
    ONCE_BYTES = 6291456        # of a transposed a packed for all panels: 4096 rows of float32
    ONCE_N = 16384              # columns of b they are used for
    RUN_SIZE = 65536            # elements of dz made at one go where they follow one another
    SMALL_BYTES = 65536         # dz up to this size is computed once, not while packing
    ROOM_SIZE = 4096            # elements of workspace on the stack
    EDGE_SIZE = 1024            # at least w (w - 1) for a tile of w columns
    STREAM_ROWS = 4             # for at most so many rows a large b is read row after row
    STREAM_N = 1024             # columns at a time: STREAM_ROWS STREAM_N <= ROOM_SIZE
    DIRECT_BYTES = 32768        # b is not packed while all of it fits the first-level cache,
    DIRECT_ROWS = 64            # nor, for at most so many rows (where the cache's sets are used evenly),
    DIRECT_FEW = 262144         # while it fits the second
    DIRECT_ALIAS = 4096         # bytes between rows that fall into the same sets
    TURN_LEAST = 8              # rows of dz from which dx is made as the transposed of w dz',
    TURN_MOST = 64              # up to which,
    TURN_WASTE = 8              # columns of its tiles that may stay unused,
    TURN_SIZE = 16384           # and elements made at a time
    STOP_WORK = LANES_F32 << 25
    STOPPED = -3


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


cdef int product(const real* a, Py_ssize_t a_row, Py_ssize_t a_col,
                 const real* b, Py_ssize_t b_row, Py_ssize_t b_col, const Slope* slope, real* sums,
                 real* c, Py_ssize_t c_row, bint add, const Finish* finish,
                 Py_ssize_t m, Py_ssize_t k, Py_ssize_t n, const StopCheck* stop) noexcept nogil:
    """c := (c +) a b; finished rows go through `finish`. What is NULL of a and b is dz of `slope`; sums := the column
    sums of b, where that is it."""
    cdef Py_ssize_t width = tile_width(a)
    cdef Py_ssize_t panel_n = PANEL_VECTORS // 2 * tile_width(a)
    cdef Py_ssize_t bytes = n * k * sizeof(real)
    cdef bint in_place = b != NULL and b_col == 1 and b_row > 0
    cdef bint even = m <= 2 * TILE_ROWS or b_row * <Py_ssize_t> sizeof(real) % DIRECT_ALIAS != 0
    cdef bint direct = in_place and bytes <= (DIRECT_FEW if m <= DIRECT_ROWS and even else DIRECT_BYTES)
    cdef bint slope_a = a == NULL, slope_b = b == NULL
    cdef bint tiny_a = m <= TILE_ROWS or m * k * <Py_ssize_t> sizeof(real) <= DIRECT_BYTES
    cdef bint pack_a = not slope_a and a_col != 1 and not tiny_a
    cdef bint once = pack_a and not direct and n > panel_n
    cdef Py_ssize_t all_n = ONCE_N if once else panel_n     # columns and rows of the outer loops, J and M
    cdef Py_ssize_t all_m = ONCE_BYTES // (BLOCK_K * <Py_ssize_t> sizeof(real)) if once else m
    cdef real[EDGE_SIZE] edge
    cdef real[ROOM_SIZE] room
    cdef double* totals = NULL
    cdef void* work = NULL
    cdef real* panels = NULL
    cdef real* row = NULL
    cdef real* block = NULL
    cdef size_t most_k = smaller(k, BLOCK_K)
    cdef size_t most_n = (smaller(n, panel_n) + width - 1) // width * width
    cdef size_t need = 0
    cdef Py_ssize_t i, j, p, q, ic, mc, nc, kc, at_n, to_n, at_m, to_m, k_edge, at_row, at_col
    cdef Py_ssize_t unsafe = 0, since = 0
    cdef int status
    cdef const real* at
    cdef const real* bt
    cdef const real* from_a = a
    cdef const real* packed
    if n <= 0 or (m <= 0 and sums == NULL):
        return 0
    if in_place and not slope_a and m <= STREAM_ROWS and n >= 4 * width \
            and (bytes > DIRECT_FEW or (m <= 2 and bytes > DIRECT_BYTES)):
        q = n // width * width
        status = product_streamed(a, a_row, a_col, b, b_row, c, c_row, m, k, q, add, stop)
        if q < n and status == 0:
            status = product(a, a_row, a_col, b + q, b_row, b_col, NULL, <real*> NULL, c + q, c_row, add, NULL, m, k,
                             n - q, stop)
        if status != 0:
            return status
        if finish != NULL:
            finish_rows(finish, 0, m, 0, n, c, c_row)
        return 0
    if direct:
        if m <= TILE_ROWS:
            panel_n = n
            all_n = n
        unsafe = edge_steps(k, n, b_row, width)
    else:
        if m <= 2 and not slope_a and not slope_b:
            panel_n = 2 * width             # used once or twice: keep it in the first-level cache
            all_n = panel_n
            most_n = smaller(most_n, panel_n)
        need = most_k * most_n * sizeof(real)
    if slope_b:
        need += most_n * sizeof(real) + smaller(n, all_n) * sizeof(double)
    if slope_a:
        need += smaller(m, PACK_M) * (most_k + PACK_GAP) * sizeof(real)
    elif pack_a:
        need += most_k * (smaller(m, all_m if once else PACK_M) + TILE_ROWS - 1) * sizeof(real)
    if need > 0:
        if need + 256 > sizeof(room):
            work = malloc(need + 256)
            if work == NULL:
                return -1
        panels = <real*> aligned(work if work != NULL else room)
        block = panels
        if not direct:
            block = panels + most_k * most_n
        if slope_b:
            totals = <double*> aligned(block)
            row = <real*> (totals + smaller(n, all_n))
            block = row + most_n
    for at_n from 0 <= at_n < n by all_n:
        to_n = smaller(n, at_n + all_n)
        if totals != NULL:
            memset(totals, 0, (to_n - at_n) * sizeof(double))
        if k == 0:
            for i in range(0 if add else m):
                memset(c + i * c_row + at_n, 0, (to_n - at_n) * sizeof(real))
            if finish != NULL:
                finish_rows(finish, 0, m, at_n, to_n - at_n, c, c_row)
        at_m = 0
        while True:                         # once where m is 0 too: for the sums
            to_m = smaller(m, at_m + all_m)
            for p from 0 <= p < k by BLOCK_K:
                kc = smaller(BLOCK_K, k - p)
                if once:
                    pack_rows(a + at_m * a_row + p * a_col, a_row, a_col, to_m - at_m, kc, block)
                for j from at_n <= j < to_n by panel_n:
                    nc = smaller(panel_n, to_n - j)
                    k_edge = 0
                    if direct:
                        bt = b + p * b_row + j
                        if j + nc == n and p + kc > k - unsafe:
                            k_edge = smaller(kc, p + kc - (k - unsafe))
                            pack_columns(bt + (kc - k_edge) * b_row + nc // width * width, b_row, b_col, k_edge,
                                         nc % width, edge)
                    elif slope_b:
                        pack_slopes(slope, p, kc, j, nc, row, panels,
                                    totals + (j - at_n) if sums != NULL and at_m == 0 else NULL)
                        bt = panels
                    else:
                        pack_panel(b + p * b_row + j * b_col, b_row, b_col, kc, nc, panels)
                        bt = panels
                    for ic from at_m <= ic < to_m by PACK_M:
                        mc = smaller(PACK_M, to_m - ic)
                        packed = block
                        if slope_a:
                            for i in range(mc):
                                slope_row(slope, ic + i, p, kc, block + i * (kc + PACK_GAP))
                        else:
                            from_a = a + ic * a_row + p * a_col
                            if once:
                                packed = block + (ic - at_m) * kc
                            elif pack_a:
                                pack_rows(from_a, a_row, a_col, mc, kc, block)
                        for i from 0 <= i < mc by TILE_ROWS:
                            if slope_a:
                                at = block + i * (kc + PACK_GAP)
                                at_row = kc + PACK_GAP
                                at_col = 1
                            elif pack_a:
                                at = packed + i * kc
                                at_row = 1
                                at_col = TILE_ROWS
                            else:
                                at = from_a + i * a_row
                                at_row = a_row
                                at_col = a_col
                            sweep(kc, at, at_row, at_col, smaller(TILE_ROWS, mc - i), bt, b_row if direct else width,
                                  width if direct else width * kc, nc, k_edge, edge, c + (ic + i) * c_row + j, c_row,
                                  add or p > 0)
                            if finish != NULL and p + kc == k:
                                finish_rows(finish, ic + i, smaller(TILE_ROWS, mc - i), j, nc, c, c_row)
                        if stopped(stop, &since, mc, kc, nc):
                            free(work)
                            return STOPPED
            at_m += all_m
            if at_m >= m:
                break
        if sums != NULL:
            for q in range(to_n - at_n):
                sums[at_n + q] = <real> totals[q]
    free(work)
    return 0


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
