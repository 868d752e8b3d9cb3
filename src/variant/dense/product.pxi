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
