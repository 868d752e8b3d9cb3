# Losses: value and gradient in one pass.
#
# Design
# A. Each element's terms are computed in float64 from the element alone and rounded once into the gradient, so
#    equal logits with equal targets get bitwise equal gradients wherever they stand (G1).
# B. The value is summed in float64, in ascending index.
# C. No term cancels: cross entropies are sums of non-negative terms, a sigmoid minus 1 is written as minus the
#    sigmoid of the other sign; terms of weight 0 are left out, so an infinite logit may have target 0.
# D. Each is a `part`: `rows` of `of` rows, added to the total so far. Parts in order give the bits of the whole, so a
#    long loss can be left between two of them.

from libc.math cimport exp, log1p, fabs, NAN, INFINITY

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


cdef double softmax_cross_entropy_part(const loss_real* logits, const Py_ssize_t* labels, const loss_real* target,
                                       loss_real* grad, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t of,
                                       double total) noexcept nogil:
    """Sum over rows of -sum_j t_j log softmax(z)_j; grad := (softmax(z) sum(t) - t) / of.

    With e_j = exp(z_j - max z) and `rest` the sum of all e_j but the first maximum's 1:
    log softmax(z)_j = (z_j - max z) - log1p(rest), and where e_j = 1 the gradient is
    ((sum(t) - t_j) - t_j rest) / (1 + rest): nothing overflows, and a nearly certain class keeps its digits.
    """
    cdef Py_ssize_t i, j, top
    cdef double peak, rest, weight, t, value
    cdef double[256] kept
    cdef const loss_real* z
    for i in range(rows):
        z = logits + i * cols
        top = 0
        for j in range(1, cols):
            if z[j] > z[top] or z[j] != z[j]:
                top = j
        peak = z[top] if z[top] != INFINITY else NAN       # softmax has no limit there: all of the row is NaN
        rest = 0
        for j in range(cols):
            t = exp(z[j] - peak)
            if j < 256:
                kept[j] = t
            if j != top:
                rest += t
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
        for j in range(cols):
            t = (1.0 if j == labels[i] else 0.0) if labels != NULL else target[i * cols + j]
            if z[j] == peak:
                value = ((weight - t) - t * rest) / (1 + rest)
            else:
                value = (kept[j] if j < 256 else exp(z[j] - peak)) * (weight / (1 + rest)) - t
            grad[i * cols + j] = <loss_real> (value / of)
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
