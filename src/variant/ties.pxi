# Signature passes of the partition refinement (initcore/symmetry/_partition.py). Twins: initcore/reference/ties.py and
# field.py.
#
# Design
# A. A matrix is n sources by m units with any strides. One pass reads every weight once, in the order it lies in
#    memory: along lines of at most TIES_LINE weights, across the units ("axpy": one coefficient a line, one
#    accumulator a weight) or along the sources ("dot": the other way round), whichever has the smaller stride.
# B. A line is widened to float64 in a buffer (exact), so each operation is written once. Memory: the buffer.
# C. Exact arithmetic is modulo two primes of 62 bits that the caller drew at random (initcore/reference/field.py): a
#    table holds the powers of two, products are reduced by Montgomery's method.
# D. The projection is a filter with an error bound, so its order of summation is free and may differ by variant;
#    field sums and multiset hashes are integers, the same on every machine.

cdef enum:
    TIES_LINE = 1024
    TIES_ROWS = 4
    TIES_EXPONENTS = 2048

ctypedef fused ties_real:
    float
    double

cdef extern from *:
    """
    typedef struct { unsigned long long high, low; } ties_wide;
    #if defined(__SIZEOF_INT128__)
    static inline ties_wide ties_product(unsigned long long a, unsigned long long b) {
        unsigned __int128 t = (unsigned __int128)a * b;
        ties_wide r = {(unsigned long long)(t >> 64), (unsigned long long)t};
        return r;
    }
    #else
    static inline ties_wide ties_product(unsigned long long a, unsigned long long b) {
        unsigned long long a1 = a >> 32, a0 = a & 0xFFFFFFFFULL, b1 = b >> 32, b0 = b & 0xFFFFFFFFULL;
        unsigned long long low = a0 * b0, left = a1 * b0, right = a0 * b1;
        unsigned long long middle = (low >> 32) + (left & 0xFFFFFFFFULL) + (right & 0xFFFFFFFFULL);
        ties_wide r = {a1 * b1 + (left >> 32) + (right >> 32) + (middle >> 32),
                       (low & 0xFFFFFFFFULL) | (middle << 32)};
        return r;
    }
    #endif
    """
    ctypedef struct ties_wide:
        u64 high
        u64 low
    ties_wide ties_product(u64 a, u64 b) nogil          # a b in two words

cdef inline Py_ssize_t ties_abs(Py_ssize_t x) noexcept nogil:
    return -x if x < 0 else x

cdef inline u64 ties_reduced(ties_wide x, u64 p, u64 inverse) noexcept nogil:
    """x / 2^64 mod p up to one p, for x.high < p and inverse = 1/p mod 2^64 (Montgomery 1985)."""
    return x.high - ties_product(x.low * inverse, p).high + p

cdef inline u64 ties_mix(u64 x) noexcept nogil:
    """splitmix64's output function."""
    x = (x ^ (x >> 30)) * <u64> 0xBF58476D1CE4E5B9
    x = (x ^ (x >> 27)) * <u64> 0x94D049BB133111EB
    return x ^ (x >> 31)

cdef inline u64 ties_bits(double x) noexcept nogil:
    """Bit pattern of a float, -0.0 as 0.0."""
    cdef u64 b
    x = x + 0.0
    memcpy(&b, &x, 8)
    return b

cdef inline u64 ties_image(double x, u64 p, u64 inverse, const u64* powers) noexcept nogil:
    """2^64 x in F_p up to one p, x a finite float m 2^(e - 1075): m times powers[e] = 2^(e - 1075 + 128)."""
    cdef u64 b = ties_bits(x), e = (b >> 52) & 0x7FF, m = b & <u64> 0xFFFFFFFFFFFFF, t
    if e != 0:
        m |= <u64> 1 << 52
    t = ties_reduced(ties_product(m, powers[e]), p, inverse)
    return 2 * p - t if b >> 63 else t

cdef inline void ties_sum(u64* high, u64* low, u64 r, u64 c, u64 p) noexcept nogil:
    """(high, low) += r c, high < p kept so by subtracting 2^64 p: for r < p, c <= 2 p, p between 2^61 and 2^62."""
    cdef ties_wide t = ties_product(r, c)
    cdef u64 s = low[0] + t.low, h = high[0] + t.high + (s < t.low)
    low[0] = s
    high[0] = h - p if h >= p else h

cdef inline const double* ties_line(const ties_real* w, Py_ssize_t stride, Py_ssize_t count,
                                    double* buffer) noexcept nogil:
    """A line of weights as float64: in place where it already is, else widened into the buffer."""
    cdef Py_ssize_t j
    if ties_real is double:
        if stride == 1:
            return w
    if stride == 1:
        for j in range(count):
            buffer[j] = w[j]
    else:
        for j in range(count):
            buffer[j] = w[j * stride]
    return buffer


# --- projection: f[k, j] = sum_i v[k, i] w[i, j], a[j] = sum_i max_k |v[k, i]| |w[i, j]| --------------------

cdef void ties_project_axpy(const double* x, Py_ssize_t count, double v0, double v1, double size,
                            double* f0, double* f1, double* a) noexcept nogil:
    cdef Py_ssize_t j
    for j in range(count):
        f0[j] += v0 * x[j]
        f1[j] += v1 * x[j]
        a[j] += size * (x[j] if x[j] >= 0 else -x[j])

cdef void ties_project_dot(const double* x, Py_ssize_t count, const double* v0, const double* v1,
                           double* f0, double* f1, double* a) noexcept nogil:
    cdef vecd s0 = vecd_set(0), s1 = vecd_set(0), s2 = vecd_set(0), y, p, q, zero = vecd_set(0)
    cdef double r0 = 0, r1 = 0, r2 = 0, u
    cdef double[8] lane0
    cdef double[8] lane1
    cdef double[8] lane2
    cdef Py_ssize_t j = 0
    while j + LANES_F64 <= count:
        y = vecd_load(x + j)
        p = y * vecd_load(v0 + j)
        q = y * vecd_load(v1 + j)
        s0 = s0 + p
        s1 = s1 + q
        p = vecd_select(vecd_lt(p, zero), -p, p)
        q = vecd_select(vecd_lt(q, zero), -q, q)
        s2 = s2 + vecd_select(vecd_lt(p, q), q, p)
        j += LANES_F64
    vecd_store(lane0, s0)
    vecd_store(lane1, s1)
    vecd_store(lane2, s2)
    while j < count:
        r0 += v0[j] * x[j]
        r1 += v1[j] * x[j]
        u = max(c_fabs(v0[j] * x[j]), c_fabs(v1[j] * x[j]))
        r2 += u
        j += 1
    for j in range(LANES_F64):
        r0 += lane0[j]
        r1 += lane1[j]
        r2 += lane2[j]
    f0[0] += r0
    f1[0] += r1
    a[0] += r2

cdef void ties_project(const ties_real* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                       const double* v, double* f, double* a) noexcept nogil:
    """f[0:2] and a, zeroed by the caller, from two rows of v; non-finite weights make them non-finite."""
    cdef double[TIES_LINE] buffer
    cdef Py_ssize_t i, j, count
    cdef const double* x
    j = 0
    if ties_abs(row) < ties_abs(col):
        while j < n:
            count = min(TIES_LINE, n - j)
            for i in range(m):
                x = ties_line(w + j * row + i * col, row, count, buffer)
                ties_project_dot(x, count, v + j, v + n + j, f + i, f + m + i, a + i)
            j += TIES_LINE
        return
    while j < m:
        count = min(TIES_LINE, m - j)
        for i in range(n):
            x = ties_line(w + i * row + j * col, col, count, buffer)
            ties_project_axpy(x, count, v[i], v[n + i], max(c_fabs(v[i]), c_fabs(v[n + i])), f + j, f + m + j, a + j)
        j += TIES_LINE


# --- exact sums: e[h, j] = sum_i r[h, i] w[i, j] in F_p, p = p[h mod 2] --------------------------------------

cdef void ties_fields(const ties_real* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                      const u64* r, Py_ssize_t k, const u64* p, const u64* inverse, const u64* powers,
                      u64* e) noexcept nogil:
    """k even, at most TIES_ROWS; r[h] < p[h mod 2]; p between 2^61 and 2^62, inverse 1/p mod 2^64, two rows of powers.

    A line's images are worked out once for each prime; sums stay in two words until the end.
    """
    cdef double[TIES_LINE] buffer
    cdef u64[2 * TIES_LINE] image
    cdef u64[TIES_ROWS * TIES_LINE] high
    cdef u64[TIES_ROWS * TIES_LINE] low
    cdef Py_ssize_t h, i, j = 0, t, g, count
    cdef bint dot = ties_abs(row) < ties_abs(col)
    cdef const double* x
    cdef ties_wide s
    cdef u64 c
    if dot:                                                        # units in turn, lines along the sources
        for i in range(m):
            for h in range(k):
                high[h] = low[h] = 0
            j = 0
            while j < n:
                count = min(TIES_LINE, n - j)
                x = ties_line(w + j * row + i * col, row, count, buffer)
                for h in range(k):
                    g = h & 1
                    for t in range(count):
                        ties_sum(high + h, low + h, r[h * n + j + t],
                                 ties_image(x[t], p[g], inverse[g], powers + g * TIES_EXPONENTS), p[g])
                j += TIES_LINE
            for h in range(k):
                s.high = high[h]
                s.low = low[h]
                c = ties_reduced(s, p[h & 1], inverse[h & 1])
                e[h * m + i] = c - p[h & 1] if c >= p[h & 1] else c
        return
    while j < m:                                                   # sources in turn, lines across the units
        count = min(TIES_LINE, m - j)
        for t in range(k * count):
            high[t] = low[t] = 0
        for i in range(n):
            c = 0
            for h in range(k):
                c |= r[h * n + i]
            if c == 0:
                continue
            x = ties_line(w + i * row + j * col, col, count, buffer)
            for g in range(2):
                for t in range(count):
                    image[g * TIES_LINE + t] = ties_image(x[t], p[g], inverse[g], powers + g * TIES_EXPONENTS)
            for h in range(k):
                for t in range(count):
                    ties_sum(high + h * count + t, low + h * count + t, r[h * n + i],
                             image[(h & 1) * TIES_LINE + t], p[h & 1])
        for h in range(k):
            for t in range(count):
                s.high = high[h * count + t]
                s.low = low[h * count + t]
                c = ties_reduced(s, p[h & 1], inverse[h & 1])
                e[h * m + j + t] = c - p[h & 1] if c >= p[h & 1] else c
        j += TIES_LINE


# --- multisets: plus[k, j] = sum_i mix(colour[k, i] + bits(sign_i w[i, j])) mod 2^64, minus of -sign_i -------

cdef void ties_multisets(const ties_real* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                         const u64* colour, Py_ssize_t k, const double* sign, u64* plus, u64* minus) noexcept nogil:
    """Sources of sign 0 do not count. plus and minus zeroed by the caller; minus may be NULL."""
    cdef double[TIES_LINE] buffer
    cdef Py_ssize_t h, i, j = 0, t, count
    cdef const double* x
    cdef u64 p, q, c
    if ties_abs(row) < ties_abs(col):
        while j < n:
            count = min(TIES_LINE, n - j)
            for i in range(m):
                x = ties_line(w + j * row + i * col, row, count, buffer)
                for h in range(k):
                    p = q = 0
                    for t in range(count):
                        if sign[j + t] != 0:
                            p += ties_mix(colour[h * n + j + t] + ties_bits(sign[j + t] * x[t]))
                            if minus != NULL:
                                q += ties_mix(colour[h * n + j + t] + ties_bits(-sign[j + t] * x[t]))
                    plus[h * m + i] += p
                    if minus != NULL:
                        minus[h * m + i] += q
            j += TIES_LINE
        return
    while j < m:
        count = min(TIES_LINE, m - j)
        for i in range(n):
            if sign[i] == 0:
                continue
            x = ties_line(w + i * row + j * col, col, count, buffer)
            for h in range(k):
                c = colour[h * n + i]
                for t in range(count):
                    plus[h * m + j + t] += ties_mix(c + ties_bits(sign[i] * x[t]))
                if minus != NULL:
                    for t in range(count):
                        minus[h * m + j + t] += ties_mix(c + ties_bits(-sign[i] * x[t]))
        j += TIES_LINE


# --- one look at everything: 1 all equal, 0 not all equal, -1 some not finite -------------------------------

cdef int ties_look(const ties_real* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    """Are all weights finite, and all equal? 0 x w is 0 for finite w and NaN otherwise."""
    cdef double[TIES_LINE] buffer
    cdef Py_ssize_t i, j, t, count, temporary
    cdef const double* x
    cdef double first
    cdef u64 unequal = 0
    cdef vecd bad = vecd_set(0)
    cdef double rest = 0
    cdef double[8] lane
    if n == 0 or m == 0:
        return 1
    if ties_abs(row) < ties_abs(col):
        temporary = row
        row = col
        col = temporary
        temporary = n
        n = m
        m = temporary
    first = w[0]
    for i in range(n):
        j = 0
        while j < m:
            count = min(TIES_LINE, m - j)
            x = ties_line(w + i * row + j * col, col, count, buffer)
            t = 0
            while t + LANES_F64 <= count:
                bad = bad + vecd_load(x + t) * 0.0
                t += LANES_F64
            while t < count:
                rest += x[t] * 0.0
                t += 1
            if unequal == 0:
                for t in range(count):
                    unequal |= x[t] != first
            j += TIES_LINE
    vecd_store(lane, bad)
    for t in range(LANES_F64):
        rest += lane[t]
    if rest != 0:                    # NaN compares unequal to everything
        return -1
    return 0 if unequal else 1


cdef void ties_project_f32(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                           const double* v, double* f, double* a) noexcept nogil:
    ties_project(w, row, col, n, m, v, f, a)

cdef void ties_project_f64(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                           const double* v, double* f, double* a) noexcept nogil:
    ties_project(w, row, col, n, m, v, f, a)

cdef void ties_fields_f32(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                          const u64* r, Py_ssize_t k, const u64* p, const u64* inverse, const u64* powers,
                          u64* e) noexcept nogil:
    ties_fields(w, row, col, n, m, r, k, p, inverse, powers, e)

cdef void ties_fields_f64(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                          const u64* r, Py_ssize_t k, const u64* p, const u64* inverse, const u64* powers,
                          u64* e) noexcept nogil:
    ties_fields(w, row, col, n, m, r, k, p, inverse, powers, e)

cdef void ties_multisets_f32(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                             const u64* colour, Py_ssize_t k, const double* sign,
                             u64* plus, u64* minus) noexcept nogil:
    ties_multisets(w, row, col, n, m, colour, k, sign, plus, minus)

cdef void ties_multisets_f64(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                             const u64* colour, Py_ssize_t k, const double* sign,
                             u64* plus, u64* minus) noexcept nogil:
    ties_multisets(w, row, col, n, m, colour, k, sign, plus, minus)

cdef int ties_look_f32(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    return ties_look(w, row, col, n, m)

cdef int ties_look_f64(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m) noexcept nogil:
    return ties_look(w, row, col, n, m)


cdef void fill_ties(KernelTable* t) noexcept:
    t.ties_project_f32 = ties_project_f32
    t.ties_project_f64 = ties_project_f64
    t.ties_fields_f32 = ties_fields_f32
    t.ties_fields_f64 = ties_fields_f64
    t.ties_multisets_f32 = ties_multisets_f32
    t.ties_multisets_f64 = ties_multisets_f64
    t.ties_look_f32 = ties_look_f32
    t.ties_look_f64 = ties_look_f64
