# Statistics of a weight matrix, every weight read once. Twin: initcore/reference/weights.py.
#
# Design
# A. A matrix is n sources by m units with any strides, read in the order it lies in memory: along lines of at most
#    WEIGHTS_LINE weights, across the units (one accumulator a unit) or along the sources of one unit (one accumulator
#    a place in the line, added up at the unit's end), whichever has the smaller stride. A line and its accumulators
#    stay in the first-level cache. Lines that are not adjacent in memory are gathered first.
# B. Sums are float64, about the unit's first weight: a constant column has variance 0 exactly, and a mean large
#    beside the spread costs no digits. Counts are kept in the element type for WEIGHTS_FLUSH lines (exact).
# C. The hash of a unit is a filter for equal columns (0 and -0 are equal): equal columns have equal hashes, and
#    whoever relies on the converse compares the weights. The order of summation is free and may differ by variant.

from libc.math cimport isfinite as c_isfinite

cdef enum:
    WEIGHTS_LINE = 512
    WEIGHTS_FLUSH = 4096
    WEIGHTS_COUNTS = 4          # finite, not 0, denormal, below `small`

ctypedef fused weights_real:
    float
    double


cdef inline u32 weights_mix(u32 h, u32 bits) noexcept nogil:
    h = (h ^ bits) * <u32> 0x9E3779B1
    return h ^ (h >> 15)


cdef inline const weights_real* weights_line(const weights_real* w, Py_ssize_t stride, Py_ssize_t n,
                                             weights_real* buffer) noexcept nogil:
    """The n weights at w, adjacent."""
    cdef Py_ssize_t i
    if stride == 1:
        return w
    for i in range(n):
        buffer[i] = w[i * stride]
    return buffer


cdef void weights_add(const weights_real* t, Py_ssize_t n, const double* shift, double* total, double* square,
                      weights_real* largest, weights_real* counts, u32* hashes, weights_real tiny, weights_real small,
                      weights_real most) noexcept nogil:
    """One line into its accumulators."""
    cdef Py_ssize_t j
    cdef double d
    cdef weights_real x
    cdef weights_real plus[WEIGHTS_LINE]
    cdef u32 half[2 * WEIGHTS_LINE]
    for j in range(n):
        d = <double> t[j] - shift[j]
        total[j] += d
        square[j] += d * d
    for j in range(n):
        x = t[j] if t[j] >= 0 else -t[j]
        plus[j] = t[j] + 0
        largest[j] = x if (x > largest[j]) & (x <= most) else largest[j]
    for j in range(n):
        x = t[j] if t[j] >= 0 else -t[j]
        counts[j] += 1 if x <= most else 0
        counts[WEIGHTS_LINE + j] += 1 if (x > 0) & (x <= most) else 0
        counts[2 * WEIGHTS_LINE + j] += 1 if (x > 0) & (x < tiny) else 0
        counts[3 * WEIGHTS_LINE + j] += 1 if (x > 0) & (x < small) else 0
    memcpy(half, plus, n * sizeof(weights_real))
    if weights_real is float:
        for j in range(n):
            hashes[j] = weights_mix(hashes[j], half[j])
    else:
        for j in range(n):
            hashes[j] = weights_mix(hashes[j], half[2 * j] ^ (half[2 * j + 1] * <u32> 0x85EBCA77))


cdef void weights_flush(weights_real* counts, Py_ssize_t n, double* totals) noexcept nogil:
    """Counts of n accumulators added to totals[1 .. WEIGHTS_COUNTS] and set to 0."""
    cdef Py_ssize_t j, k
    for k in range(WEIGHTS_COUNTS):
        for j in range(n):
            totals[1 + k] += counts[k * WEIGHTS_LINE + j]
            counts[k * WEIGHTS_LINE + j] = 0


cdef void weights_statistics_any(const weights_real* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                                 double tiny, double small, double* mean, double* variance, u32* hashes,
                                 double* totals) noexcept nogil:
    """See KernelTable.weights_statistics_f32."""
    cdef double shift[WEIGHTS_LINE]
    cdef double total[WEIGHTS_LINE]
    cdef double square[WEIGHTS_LINE]
    cdef weights_real largest[WEIGHTS_LINE]
    cdef weights_real counts[WEIGHTS_COUNTS * WEIGHTS_LINE]
    cdef u32 hashed[WEIGHTS_LINE]
    cdef weights_real buffer[WEIGHTS_LINE]
    cdef weights_real most = <weights_real> (3.4028234663852886e38 if weights_real is float
                                             else 1.7976931348623157e308)
    cdef bint across = (-col if col < 0 else col) <= (-row if row < 0 else row)
    cdef Py_ssize_t lines = n if across else m
    cdef Py_ssize_t i, j, k, count
    cdef double first, a, b
    cdef u32 h
    memset(totals, 0, (1 + WEIGHTS_COUNTS) * sizeof(double))
    memset(counts, 0, sizeof(counts))
    memset(largest, 0, sizeof(largest))
    j = 0
    while across and j < m:
        count = m - j if m - j < WEIGHTS_LINE else WEIGHTS_LINE
        for k in range(count):
            first = w[(j + k) * col]
            shift[k] = first if c_isfinite(first) else 0
        memset(total, 0, sizeof(total))
        memset(square, 0, sizeof(square))
        memset(hashed, 0, sizeof(hashed))
        for i in range(n):
            weights_add(weights_line(w + i * row + j * col, col, count, buffer), count, shift, total, square, largest,
                        counts, hashed, <weights_real> tiny, <weights_real> small, most)
            if i % WEIGHTS_FLUSH == WEIGHTS_FLUSH - 1 or i == n - 1:
                weights_flush(counts, count, totals)
        for k in range(count):
            a = total[k] / n
            b = square[k] / n - a * a
            mean[j + k] = shift[k] + a
            variance[j + k] = b if not b < 0 else 0
            hashes[j + k] = hashed[k]
        j += WEIGHTS_LINE
    count = n if n < WEIGHTS_LINE else WEIGHTS_LINE
    for j in range(0 if across else m):
        first = w[j * col]
        first = first if c_isfinite(first) else 0
        for k in range(count):
            shift[k] = first
            total[k] = 0
            square[k] = 0
            hashed[k] = 0
        i = 0
        while i < n:
            k = n - i if n - i < WEIGHTS_LINE else WEIGHTS_LINE
            weights_add(weights_line(w + i * row + j * col, row, k, buffer), k, shift, total, square, largest, counts,
                        hashed, <weights_real> tiny, <weights_real> small, most)
            if i // WEIGHTS_LINE % WEIGHTS_FLUSH == WEIGHTS_FLUSH - 1 or i + k == n:
                weights_flush(counts, count, totals)
            i += k
        a = 0
        b = 0
        h = 0
        for k in range(count):
            a += total[k]
            b += square[k]
            h = weights_mix(h, hashed[k])
        a /= n
        b = b / n - a * a
        mean[j] = first + a
        variance[j] = b if not b < 0 else 0
        hashes[j] = h
    for k in range(WEIGHTS_LINE):
        totals[0] = largest[k] if largest[k] > totals[0] else totals[0]


cdef void weights_sums_any(const weights_real* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                           const double* u, const double* v, double* first, double* second) noexcept nogil:
    """See KernelTable.weights_sums_f32."""
    cdef double one[WEIGHTS_LINE]
    cdef double two[WEIGHTS_LINE]
    cdef weights_real buffer[WEIGHTS_LINE]
    cdef const weights_real* t
    cdef bint across = (-col if col < 0 else col) <= (-row if row < 0 else row)
    cdef Py_ssize_t i, j, k, count
    cdef double x, a, b
    j = 0
    while across and j < m:
        count = m - j if m - j < WEIGHTS_LINE else WEIGHTS_LINE
        memset(one, 0, sizeof(one))
        memset(two, 0, sizeof(two))
        for i in range(n):
            t = weights_line(w + i * row + j * col, col, count, buffer)
            a = u[i]
            b = v[i]
            for k in range(count):
                x = t[k]
                one[k] += a * x
                two[k] += b * (x * x)
        memcpy(first + j, one, count * sizeof(double))
        memcpy(second + j, two, count * sizeof(double))
        j += WEIGHTS_LINE
    for j in range(0 if across else m):
        memset(one, 0, sizeof(one))
        memset(two, 0, sizeof(two))
        i = 0
        while i < n:
            count = n - i if n - i < WEIGHTS_LINE else WEIGHTS_LINE
            t = weights_line(w + i * row + j * col, row, count, buffer)
            for k in range(count):
                x = t[k]
                one[k] += u[i + k] * x
                two[k] += v[i + k] * (x * x)
            i += count
        a = 0
        b = 0
        for k in range(WEIGHTS_LINE if n > WEIGHTS_LINE else n):
            a += one[k]
            b += two[k]
        first[j] = a
        second[j] = b


cdef void weights_statistics_f32(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                                 double tiny, double small, double* mean, double* variance, u32* hashes,
                                 double* totals) noexcept nogil:
    """See KernelTable.weights_statistics_f32."""
    weights_statistics_any[float](w, row, col, n, m, tiny, small, mean, variance, hashes, totals)


cdef void weights_statistics_f64(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                                 double tiny, double small, double* mean, double* variance, u32* hashes,
                                 double* totals) noexcept nogil:
    """See KernelTable.weights_statistics_f32."""
    weights_statistics_any[double](w, row, col, n, m, tiny, small, mean, variance, hashes, totals)


cdef void weights_sums_f32(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                           const double* u, const double* v, double* first, double* second) noexcept nogil:
    """See KernelTable.weights_sums_f32."""
    weights_sums_any[float](w, row, col, n, m, u, v, first, second)


cdef void weights_sums_f64(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                           const double* u, const double* v, double* first, double* second) noexcept nogil:
    """See KernelTable.weights_sums_f32."""
    weights_sums_any[double](w, row, col, n, m, u, v, first, second)


cdef void fill_weights(KernelTable* t) noexcept:
    t.weights_statistics_f32 = weights_statistics_f32
    t.weights_statistics_f64 = weights_statistics_f64
    t.weights_sums_f32 = weights_sums_f32
    t.weights_sums_f64 = weights_sums_f64
