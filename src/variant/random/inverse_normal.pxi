# The inverse normal distribution, bit for bit the same on every instruction set.
#
# Design
# A. z = Phi^-1(p) is written (1/2 - p) r(p): 1/2 - p is exact up to one rounding and carries the relative
#    accuracy near the centre; r is smooth, even about p = 1/2, and changes slowly in both tails.
# B. float32: r is one polynomial for each octave of p. The eight octaves next to 1/2 sit in registers, one
#    permutation a coefficient looks them up; the tail (p < 2^-9, one value in 256) reads a table, lane by lane.
#    Without fused hardware the same steps are made in float64, where the product is exact, and rounded.
# C. float64: r is a polynomial in w = -log(4 p (1 - p)) for w < 4; beyond, x = -Phi^-1(p) comes from log p:
#    a polynomial in 1 / sqrt(-log p) down to p = 1e-20, then Newton's method on log Q. So a probability far too
#    small for a float64 still has its x.
# D. Every multiply-add is an explicit fma; the only other operations are + - * / sqrt and bit operations.
# Coefficients and the error of each fit: inverse_normal.h, written by tools/fit_inverse_normal.py.

cdef extern from "variant/random/inverse_normal.h" nogil:
    const float* INVERSE_CENTRE_F32
    const float* INVERSE_TAIL_F32
    const double* LOG_F64
    const double* INVERSE_CENTRE_F64
    const double* INVERSE_TAIL_F64
    const double* MILLS_F64
    double INVERSE_TAIL_SCALE
    double INVERSE_TAIL_SHIFT


cdef inline void inverse_polynomials(const double* c, int degree, int n, const vecd* x, vecd* r) noexcept nogil:
    """r[i] := sum_j c[j] x[i]^j by Horner's rule, n (a literal) chains in step to hide latencies."""
    cdef int i, j
    for i in range(n):
        r[i] = vecd_set(c[degree])
    for j in range(degree - 1, -1, -1):
        for i in range(n):
            r[i] = vecd_fma(r[i], x[i], vecd_set(c[j]))


cdef inline vecd inverse_polynomial(const double* c, int degree, vecd x) noexcept nogil:
    """sum_j c[j] x^j."""
    cdef vecd r
    inverse_polynomials(c, degree, 1, &x, &r)
    return r


cdef inline void inverse_logs(int n, const vecd* x, vecd* r) noexcept nogil:
    """r[i] := log x[i] for normal x > 0, below 1 ULP: x = 2^k (1 + f), 1 + f in [sqrt 1/2, sqrt 2), s = f / (2 + f),
    log(1 + f) = f - (f^2 / 2 - s (f^2 / 2 + R)), R = 2 (atanh(s) / s - 1)."""
    cdef vecd k[4]
    cdef vecd f[4]
    cdef vecd s[4]
    cdef vecd v[4]
    cdef vecd rest[4]
    cdef vecd half_square, low
    cdef veci64 bits
    cdef vecu64 lifted
    cdef int i
    for i in range(n):
        bits = vecd_bits(x[i])
        # + 1024 keeps k positive, so that the shift need not be arithmetic.
        lifted = <vecu64> (bits - 0x3FE6A09E667F3BCDLL + (1024LL << 52))
        k[i] = vecd_from_u32(lifted >> 52) - 1024.0
        f[i] = vecd_from_bits(bits - <veci64> (lifted & 0xFFF0000000000000ULL) + (1024LL << 52)) - 1.0
        s[i] = f[i] / (f[i] + 2.0)
        v[i] = s[i] * s[i]
    inverse_polynomials(LOG_F64, 7, n, v, rest)
    for i in range(n):
        half_square = f[i] * f[i] * 0.5
        low = vecd_fma(s[i], vecd_fma(v[i], rest[i], half_square), k[i] * vecd_set(1.9082149292705877e-10))
        r[i] = vecd_fma(k[i], vecd_set(6.93147180369123816490e-01), f[i] - (half_square - low))


cdef inline vecd inverse_log(vecd x) noexcept nogil:
    """log x."""
    cdef vecd r
    inverse_logs(1, &x, &r)
    return r


cdef inline void inverse_ratios_f64(int n, const vecd* p, const vecd* q, vecd* r, veci64* tail) noexcept nogil:
    """r := Phi^-1(p) / (1/2 - p) for p <= 1/2, q = 1/2 - p, n <= 4 at a time; `tail` marks lanes out of range."""
    cdef vecd y[4]
    cdef vecd w[4]
    cdef int i
    for i in range(n):
        y[i] = 4.0 * p[i] * (0.5 + q[i])
        tail[i] = vecd_lt(y[i], vecd_set(0.01831563888873418))            # e^-4
    inverse_logs(n, y, w)
    for i in range(n):
        w[i] = vecd_fma(w[i], vecd_set(-0.5), vecd_set(-1.0))
    inverse_polynomials(INVERSE_CENTRE_F64, 20, n, w, r)


cdef vecd inverse_of_log(vecd log_q) noexcept nogil:
    """x with log Q(x) = log_q <= -5.3, Q the upper tail of the standard normal."""
    cdef vecd root = vecd_sqrt(0.0 - log_q)
    cdef vecd near = vecd_fma(vecd_set(1.0) / root, vecd_set(INVERSE_TAIL_SCALE), vecd_set(-INVERSE_TAIL_SHIFT))
    cdef vecd x = root * inverse_polynomial(INVERSE_TAIL_F64, 21, near)
    cdef veci64 deep = vecd_lt(log_q, vecd_set(-45.5))
    cdef vecd far, g, step
    cdef int i
    if veci64_mask(deep) == 0:
        return x
    # log Q(x) = -x^2 / 2 - log(2 pi) / 2 - log(x / g), g = x Q(x) / phi(x); its slope is -x / g.
    far = -2.0 * vecd_min(log_q, vecd_set(-45.0))
    far = vecd_sqrt(far - inverse_log(far) - 1.8378770664093453)
    for i in range(3):
        g = inverse_polynomial(MILLS_F64, 11, vecd_set(1.0) / (far * far))
        step = vecd_fma(far * 0.5, far, log_q) + (0.9189385332046727 + inverse_log(far / g))
        far = far - step * g / far
    return vecd_select(deep, far, x)


cdef double[64] inverse_rows            # INVERSE_CENTRE_F32 row by row, for where nothing fuses


cdef void inverse_prepare() noexcept:
    cdef int i, j
    for i in range(8):
        for j in range(8):
            inverse_rows[8 * i + j] = INVERSE_CENTRE_F32[8 * j + i]


cdef inline bint inverse_ratios_wide(int n, const vecf* t, const veci32* octave, vecf* r) noexcept nogil:
    """The polynomials of inverse_ratios_f32 in float64, each step rounded to float32; false where a step may have
    rounded twice. No step is near a denormal: the coefficients are not."""
    cdef vecd x[8]
    cdef vecd s[8]
    cdef int at[4 * LANES_F32]
    cdef veci64 doubt = veci64_set(0)
    cdef int i, j, h
    for i in range(n):
        vecu32_store(<u32*> at + i * LANES_F32, <vecu32> ((octave[i] & 7) << 3))
        for h in range(LANE_PARTS):
            x[i * LANE_PARTS + h] = vecd_half(t[i], h)
            s[i * LANE_PARTS + h] = vecd_lookup(inverse_rows + 7, at + (i * LANE_PARTS + h) * LANES_F64)
    for j in range(6, -1, -1):
        for i in range(n * LANE_PARTS):
            s[i] = s[i] * x[i] + vecd_lookup(inverse_rows + j, at + i * LANES_F64)
            doubt = doubt | vecd_midpoint(s[i])
            s[i] = vecd_single(s[i])
    for i in range(n):
        r[i] = vecf_from_vecd(s[i * LANE_PARTS], s[i * LANE_PARTS + LANE_PARTS - 1])
    return veci64_mask(doubt) == 0


cdef inline void inverse_ratios_f32(int n, const vecf* p, vecf* r) noexcept nogil:
    """r := Phi^-1(p) / (1/2 - p) / 2^32 from 2^32 p in [2^23, 2^31], n <= 4 (a literal) in step to hide latencies."""
    cdef vecf t[4]
    cdef veci32 octave[4]
    cdef veci32 bits
    cdef int i, j
    for i in range(n):
        # The octave of 1/2 itself would wrap round; r is flat there.
        bits = vecf_bits(vecf_min(p[i], vecf_set(2147483520.0)))
        t[i] = vecf_from_bits((bits & 0x007FFFFF) | 0x3F800000) - 1.5
        octave[i] = bits >> 23
    if not VECTOR_FUSES and inverse_ratios_wide(n, t, octave, r):
        return
    for i in range(n):
        r[i] = vecf_lookup8(INVERSE_CENTRE_F32 + 56, octave[i])
    for j in range(6, -1, -1):
        for i in range(n):
            r[i] = vecf_fma(r[i], t[i], vecf_lookup8(INVERSE_CENTRE_F32 + 8 * j, octave[i]))


cdef inline float inverse_tail_f32(float p, float q, int negate) noexcept nogil:
    """q Phi^-1(p) / (1/2 - p) / 2^32, or its negative, from 2^32 p in [2^-8, 2^23); of no use for another p."""
    cdef unsigned int bits
    cdef float t, r
    cdef const float* c
    cdef int j, octave
    memcpy(&bits, &p, 4)
    octave = <int> (bits >> 23) - 119
    c = INVERSE_TAIL_F32 + 8 * (0 if octave < 0 else 30 if octave > 30 else octave)
    bits = (bits & 0x007FFFFF) | 0x3F800000
    memcpy(&t, &bits, 4)
    t -= 1.5
    r = c[7]
    for j in range(6, -1, -1):
        r = float_fma(r, t, c[j])
    return -(q * r) if negate else q * r
