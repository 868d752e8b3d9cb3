# One pass over a layer's z and a = phi(z): per-unit moments, slope shares, log slopes, and a histogram of a.
#
# Design
# A. Strips of STRIP columns: all accumulators of a strip stay in the first-level cache while its rows stream by.
#    Scalar loops over j on local arrays, which the compiler turns into vector code for float and double alike.
# B. Counts and sums are kept in the element type for at most FLUSH rows (exact counts, relative rounding of the
#    sums below FLUSH eps) and then added to float64.
# C. sum ln|phi'| is kept as a product of numbers with its exponent split off every FOLD rows: one logarithm a column
#    at the end. For tanh, sigmoid and erf, ln|phi'| = linear part + ln v with v from y, finite where phi' underflows:
#    tanh: -2|z| + 2 ln(1 + |y|); sigmoid: -|z| + 2 ln max(y, 1 - y); erf: -z^2 + ln(2/sqrt(pi)).
# D. Slopes come from z by the activation's own kernel, accurate where 1 - y y has become 0.

from libc.math cimport log as c_log, INFINITY, M_LN2

cdef enum:
    SIGNAL_STRIP = 128
    SIGNAL_FLUSH = 64
    SIGNAL_FOLD = 8
    SIGNAL_KINDS = 13           # rows of `out`; names in initcore/_measure.py
    SIGNAL_BINS = 32

ctypedef fused signal_real:
    float
    double


cdef inline signal_real signal_abs(signal_real x) noexcept nogil:
    return x if x >= 0 else -x


cdef inline void signal_slope(int code, double alpha, const signal_real* z, signal_real* d,
                              Py_ssize_t n) noexcept nogil:
    """d := phi'(z)."""
    if signal_real is float:
        activation_backward_f32(code, alpha, z, NULL, d, n)
    else:
        activation_backward_f64(code, alpha, z, NULL, d, n)


cdef void signal_histogram(const signal_real* a, Py_ssize_t n, double low, double scale, u32* counts) noexcept nogil:
    """counts[floor((a - low) scale)] += 1, clamped to the first and last bin; NaN goes to the first."""
    cdef signal_real lo = <signal_real> low, s = <signal_real> scale, t, top = SIGNAL_BINS - 0.5
    cdef int bins[SIGNAL_STRIP]
    cdef Py_ssize_t i
    for i in range(n):
        t = (a[i] - lo) * s
        t = t if t > 0 else 0
        bins[i] = <int> (t if t < top else top)
    for i in range(n):                      # four tables, so that equal neighbours do not wait for each other
        counts[(i & 3) * SIGNAL_BINS + bins[i]] += 1


cdef void signal_strip(int code, double alpha, const signal_real* z, Py_ssize_t z_row, const signal_real* a,
                       Py_ssize_t a_row, Py_ssize_t rows, Py_ssize_t n, const double* limits, double* out,
                       Py_ssize_t out_row, u32* counts) noexcept nogil:
    """Statistics of n <= SIGNAL_STRIP columns, added to column 0..n of out; see signals_f32."""
    cdef signal_real d[SIGNAL_STRIP]
    cdef signal_real sums[13][SIGNAL_STRIP]
    cdef double product[SIGNAL_STRIP]
    cdef double exponent[SIGNAL_STRIP]
    cdef signal_real ten = <signal_real> limits[0], one = <signal_real> limits[1]
    cdef signal_real low = <signal_real> limits[2], high = <signal_real> limits[3]
    cdef signal_real centre = <signal_real> limits[4], half = <signal_real> limits[5]
    cdef signal_real t, y, r
    cdef Py_ssize_t i, j, k
    cdef u64 bits
    # eight float32 slopes multiply within the range of a double; float64 slopes are folded one by one
    cdef Py_ssize_t fold = SIGNAL_FOLD if signal_real is float else 1
    cdef signal_real least = <signal_real> (1e-37 if signal_real is float else 1e-300)
    cdef bint smooth = code == ACT_TANH or code == ACT_SIGMOID or code == ACT_ERF
    for j in range(n):
        product[j] = 1
        exponent[j] = 0
    memset(sums, 0, sizeof(sums))
    for i in range(rows):
        signal_slope(code, alpha, z, d, n)
        for j in range(n):
            t = z[j]
            y = a[j]
            r = signal_abs(d[j])
            sums[0][j] += t
            sums[1][j] += t * t
            sums[2][j] += y * y
            sums[3][j] += r
            sums[4][j] += d[j]
            sums[5][j] += r * r
            sums[7][j] += 1 if r < ten else 0
            sums[8][j] += 1 if r < one else 0
            sums[9][j] += 1 if (t < low) | (t > high) else 0
            sums[10][j] += 1 if r == 0 else 0
            sums[11][j] += 1 if t > 0 else 0
            sums[12][j] += signal_abs(y - centre)
        if code == ACT_TANH:
            for j in range(n):
                sums[6][j] -= 2 * signal_abs(z[j])
                product[j] *= 1 + signal_abs(a[j])
        elif code == ACT_SIGMOID:
            for j in range(n):
                sums[6][j] -= signal_abs(z[j])
                product[j] *= a[j] if a[j] > 0.5 else 1 - a[j]
        elif code == ACT_ERF:
            for j in range(n):
                sums[6][j] -= z[j] * z[j]
        else:
            for j in range(n):
                r = signal_abs(d[j])
                product[j] *= r if r > least else least
        if counts != NULL:
            signal_histogram(a, n, limits[6], limits[7], counts)
        if i % fold == fold - 1 or i == rows - 1:
            for j in range(n):
                bits = (<u64*> &product[j])[0]
                exponent[j] += <double> (<int> (bits >> 52)) - 1023
                (<u64*> &product[j])[0] = (bits & 0xfffffffffffffULL) | 0x3ff0000000000000ULL
        if i % SIGNAL_FLUSH == SIGNAL_FLUSH - 1 or i == rows - 1:
            for k in range(13):
                for j in range(n):
                    out[k * out_row + j] += sums[k][j]
                    sums[k][j] = 0
        z += z_row
        a += a_row
    for j in range(n):
        t = <signal_real> 0
        if smooth:                          # sum ln|phi'| = linear + power * sum ln v + rows * constant
            out[6 * out_row + j] += (0 if code == ACT_ERF else 2) * (c_log(product[j]) + exponent[j] * M_LN2)
            if code == ACT_ERF:
                out[6 * out_row + j] += rows * 0.12078223763524522      # ln(2/sqrt(pi))
        elif out[10 * out_row + j] > 0:
            out[6 * out_row + j] = -INFINITY
        else:
            out[6 * out_row + j] = c_log(product[j]) + exponent[j] * M_LN2
        out[12 * out_row + j] /= half


cdef void signals_any(int code, double alpha, const signal_real* z, Py_ssize_t z_row, const signal_real* a,
                      Py_ssize_t a_row, Py_ssize_t rows, Py_ssize_t cols, const double* limits, double* out,
                      u64* histogram) noexcept nogil:
    """See KernelTable.signals_f32."""
    cdef u32 counts[4 * SIGNAL_BINS]
    cdef Py_ssize_t j, k, n
    memset(out, 0, SIGNAL_KINDS * cols * sizeof(double))
    if histogram != NULL:
        memset(histogram, 0, SIGNAL_BINS * sizeof(u64))
    j = 0
    while j < cols:
        n = cols - j if cols - j < SIGNAL_STRIP else SIGNAL_STRIP
        memset(counts, 0, sizeof(counts))
        signal_strip(code, alpha, z + j, z_row, a + j, a_row, rows, n, limits, out + j, cols,
                     counts if histogram != NULL else NULL)
        if histogram != NULL:
            for k in range(4 * SIGNAL_BINS):
                histogram[k % SIGNAL_BINS] += counts[k]
        j += SIGNAL_STRIP


cdef void signals_f32(int code, double alpha, const float* z, Py_ssize_t z_row, const float* a, Py_ssize_t a_row,
                      Py_ssize_t rows, Py_ssize_t cols, const double* limits, double* out,
                      u64* histogram) noexcept nogil:
    """See KernelTable.signals_f32."""
    signals_any[float](code, alpha, z, z_row, a, a_row, rows, cols, limits, out, histogram)


cdef void signals_f64(int code, double alpha, const double* z, Py_ssize_t z_row, const double* a, Py_ssize_t a_row,
                      Py_ssize_t rows, Py_ssize_t cols, const double* limits, double* out,
                      u64* histogram) noexcept nogil:
    """See KernelTable.signals_f32."""
    signals_any[double](code, alpha, z, z_row, a, a_row, rows, cols, limits, out, histogram)


cdef void fill_signals(KernelTable* t) noexcept:
    t.signals_f32 = signals_f32
    t.signals_f64 = signals_f64
