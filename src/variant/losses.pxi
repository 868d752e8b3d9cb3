# Losses: value and gradient in one pass.
#
# Design
# A. Each element's terms are computed in float64 from the element alone and rounded once into the gradient, so
#    equal logits with equal targets get bitwise equal gradients wherever they stand (G1).
# B. The value is summed in float64, in ascending index. The bits do not depend on the instruction set: exponentials
#    of logits are made of products and sums that nothing fuses, a vector of columns at a time.
# C. No term cancels: cross entropies are sums of non-negative terms, a sigmoid minus 1 is written as minus the
#    sigmoid of the other sign; terms of weight 0 are left out, so an infinite logit may have target 0.
# D. Each is a `part`: `rows` of `of` rows, added to the total so far. Parts in order give the bits of the whole, so a
#    long loss can be left between two of them.

from libc.math cimport exp, log1p, fabs, NAN, INFINITY

cdef enum:
    LOSS_COLS = 256             # columns whose exponentials are kept; a multiple of the vector

ctypedef fused loss_real:
    float
    double


cdef double mse_part(const loss_real* pred, const loss_real* target, loss_real* grad, Py_ssize_t rows,
                     Py_ssize_t cols, Py_ssize_t of, double total) noexcept nogil:
    """Sum of (p - t)^2; grad := 2 (p - t) / (of cols)."""
    cdef Py_ssize_t i, n = of * cols
    cdef double d
    for i in range(rows * cols):
        d = <double> pred[i] - <double> target[i]
        total += d * d
        grad[i] = <loss_real> (2 * d / n)
    return total


cdef double mse(const loss_real* pred, const loss_real* target, loss_real* grad,
                Py_ssize_t rows, Py_ssize_t cols) noexcept nogil:
    """mean (p - t)^2 over all elements; grad := 2 (p - t) / size."""
    cdef double total = mse_part(pred, target, grad, rows, cols, rows, 0)
    return total / (rows * cols) if rows * cols > 0 else NAN


cdef inline vecd loss_exp(vecd x) noexcept nogil:
    """exp(x), x <= 0, within a unit in the last place: act_exp_f64 in products and sums, so that every instruction set
    gives the same bits."""
    cdef vecd magic = vecd_set(6755399441055744.0 + 1023.0 + 512.0), q, n, r, p, s
    cdef int i
    x = vecd_max(vecd_set(-800.0), x)
    q = x * vecd_set(1.4426950408889634074) + magic
    n = q - magic
    r = (x - n * vecd_set(6.93147180369123816490e-01)) - n * vecd_set(1.90821492927058770002e-10)
    p = vecd_set(ACT_EXPM1[0])
    for i in range(1, 10):
        p = p * r + vecd_set(ACT_EXPM1[i])
    s = vecd_from_bits(vecd_bits(q) << 52)
    return (s + s * (r + r * r * p)) * vecd_set(ACT_UNSCALE)


cdef void exponentials(const loss_real* z, double peak, double* e, Py_ssize_t n) noexcept nogil:
    """e[j] := exp(z[j] - peak) for z <= peak; e has room for whole vectors."""
    cdef Py_ssize_t j
    for j in range(n):
        e[j] = <double> z[j] - peak
    for j in range(n, n + (-n & (LANES_F64 - 1))):
        e[j] = 0
    for j from 0 <= j < n by LANES_F64:
        vecd_store(e + j, loss_exp(vecd_load(e + j)))


cdef double softmax_cross_entropy_part(const loss_real* logits, const Py_ssize_t* labels, const loss_real* target,
                                       loss_real* grad, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t of,
                                       double total) noexcept nogil:
    """Sum over rows of -sum_j t_j log softmax(z)_j; grad := (softmax(z) sum(t) - t) / of.

    With e_j = exp(z_j - max z) and `rest` the sum of all e_j but the first maximum's 1:
    log softmax(z)_j = (z_j - max z) - log1p(rest), and where e_j = 1 the gradient is
    ((sum(t) - t_j) - t_j rest) / (1 + rest): nothing overflows, and a nearly certain class keeps its digits.
    """
    cdef Py_ssize_t i, j, top, start, stop
    cdef double peak, rest, weight, t, value, scale
    cdef double[LOSS_COLS] e
    cdef const loss_real* z
    for i in range(rows):
        z = logits + i * cols
        top = 0
        peak = z[0]
        for j in range(1, cols):
            if z[j] > peak or z[j] != z[j]:
                peak = z[j]
                top = j
        peak = peak if peak != INFINITY else NAN       # softmax has no limit there: all of the row is NaN
        rest = 0
        for start from 0 <= start < cols by LOSS_COLS:
            stop = min(cols - start, LOSS_COLS)
            exponentials(z + start, peak, e, stop)
            for j in range(stop):
                if start + j != top:
                    rest += e[j]
        value = 0
        weight = 1
        if labels != NULL:
            value = log1p(rest) - (z[labels[i]] - peak)
        else:
            weight = 0
            for j in range(cols):
                t = target[i * cols + j]
                weight += t
                if t != 0:
                    value += t * (log1p(rest) - (z[j] - peak))
        total += value
        scale = weight / (1 + rest)
        for start from 0 <= start < cols by LOSS_COLS:
            stop = min(cols - start, LOSS_COLS)
            if cols > LOSS_COLS:
                exponentials(z + start, peak, e, stop)
            for j in range(stop):
                t = 0 if labels != NULL else target[i * cols + start + j]
                grad[i * cols + start + j] = <loss_real> ((e[j] * scale - t) / of)
            for j in range(stop):
                t = (1.0 if start + j == labels[i] else 0.0) if labels != NULL else target[i * cols + start + j]
                if z[start + j] == peak:
                    grad[i * cols + start + j] = <loss_real> (((weight - t) - t * rest) / (1 + rest) / of)
            if labels != NULL and 0 <= labels[i] - start < stop and z[labels[i]] != peak:
                grad[i * cols + labels[i]] = <loss_real> ((e[labels[i] - start] * scale - 1) / of)
    return total


cdef double softmax_cross_entropy(const loss_real* logits, const Py_ssize_t* labels, const loss_real* target,
                                  loss_real* grad, Py_ssize_t rows, Py_ssize_t cols) noexcept nogil:
    """mean over rows of -sum_j t_j log softmax(z)_j; grad := (softmax(z) sum(t) - t) / rows."""
    cdef double total = softmax_cross_entropy_part(logits, labels, target, grad, rows, cols, rows, 0)
    return total / rows if rows > 0 else NAN


cdef double binary_cross_entropy_part(const loss_real* logits, const loss_real* target, loss_real* grad,
                                      Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t of, double total) noexcept nogil:
    """Sum of t softplus(-z) + (1 - t) softplus(z); grad := ((1 - t) sigmoid(z) - t sigmoid(-z)) / (of cols)."""
    cdef Py_ssize_t i, n = of * cols
    cdef double z, t, e, far, near, up, down
    for i in range(rows * cols):
        z = logits[i]
        t = target[i]
        e = exp(-fabs(z))
        near = log1p(e)             # softplus(-|z|)
        far = fabs(z) + near        # softplus(|z|)
        if t != 0:
            total += t * (near if z >= 0 else far)
        if t != 1:
            total += (1 - t) * (far if z >= 0 else near)
        up = (1 if z >= 0 else e) / (1 + e)
        down = (e if z >= 0 else 1) / (1 + e)
        grad[i] = <loss_real> (((1 - t) * up - t * down) / n)
    return total


cdef double binary_cross_entropy(const loss_real* logits, const loss_real* target, loss_real* grad,
                                 Py_ssize_t rows, Py_ssize_t cols) noexcept nogil:
    """mean of t softplus(-z) + (1 - t) softplus(z); grad := ((1 - t) sigmoid(z) - t sigmoid(-z)) / size."""
    cdef double total = binary_cross_entropy_part(logits, target, grad, rows, cols, rows, 0)
    return total / (rows * cols) if rows * cols > 0 else NAN


cdef void fill_losses(KernelTable* t) noexcept:
    t.mse_f32 = mse[float]
    t.mse_f64 = mse[double]
    t.softmax_cross_entropy_f32 = softmax_cross_entropy[float]
    t.softmax_cross_entropy_f64 = softmax_cross_entropy[double]
    t.binary_cross_entropy_f32 = binary_cross_entropy[float]
    t.binary_cross_entropy_f64 = binary_cross_entropy[double]
    t.mse_part_f32 = mse_part[float]
    t.mse_part_f64 = mse_part[double]
    t.softmax_cross_entropy_part_f32 = softmax_cross_entropy_part[float]
    t.softmax_cross_entropy_part_f64 = softmax_cross_entropy_part[double]
    t.binary_cross_entropy_part_f32 = binary_cross_entropy_part[float]
    t.binary_cross_entropy_part_f64 = binary_cross_entropy_part[double]
