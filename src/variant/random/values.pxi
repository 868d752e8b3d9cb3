# One group of words (philox.pxi) turned into values: uniform, normal and truncated normal, before location and scale.

cdef inline vecf philox_uniform_f32(vecu32 w) noexcept nogil:
    """(w >> 8) 2^-24."""
    return vecf_from_i32(<veci32> (w >> 8)) * vecf_set(5.9604644775390625e-08)


cdef struct philox_tails:
    u64 first, rest              # one bit a value of a group; groups of more than 64 need `rest`


cdef inline void philox_mark(philox_tails* t, int v, vecf p) noexcept nogil:
    """Note the lanes of vector number v whose 2^32 p lies in the tail."""
    cdef u64 lanes = veci32_mask(vecf_lt(p, vecf_set(8388608.0)))
    if PHILOX_GROUP <= 64 or v * LANES_F32 < 64:
        t.first |= lanes << (v * LANES_F32 & 63)
    else:
        t.rest |= lanes << (v * LANES_F32 & 63)


cdef inline int philox_next(philox_tails* t) noexcept nogil:
    """The number of a value in the tail, taken off; -1: no more."""
    cdef int v = -1
    if t.first != 0:
        v = lowest_bit(t.first)
        t.first &= t.first - 1
    elif PHILOX_GROUP > 64 and t.rest != 0:
        v = 64 + lowest_bit(t.rest)
        t.rest &= t.rest - 1
    return v


cdef inline void philox_normal_f32(const vecu32* w, int method, const float* single, float* z) noexcept nogil:
    """Normal values of a group of words: mean single[0], standard deviation single[1] (PLAIN: 0 and 1)."""
    cdef u32 word_of[PHILOX_GROUP]
    cdef vecf p[2]
    cdef vecf r[2]
    cdef vecf q
    cdef float tail
    cdef philox_tails tails
    cdef u32 m
    cdef int v, i
    tails.first = 0
    tails.rest = 0
    for v in range(0, PHILOX_VECTORS, 2):
        for i in range(2):
            # m + 1/2 without the half: it counts for nothing in the ratio outside the tail, where m >= 2^23.
            p[i] = vecf_from_i32(<veci32> (w[v + i] & 0x7FFFFFFFU))
            philox_mark(&tails, v + i, p[i])
            vecu32_store(word_of + (v + i) * LANES_F32, w[v + i])
        inverse_ratios_f32(2, p, r)
        for i in range(2):
            q = vecf_from_i32(<veci32> (~w[v + i] & 0x7FFFFFFFU)) + 0.5
            q = vecf_from_bits(vecf_bits(q) ^ <veci32> (w[v + i] & 0x80000000U))
            q = q * r[i]
            vecf_store(z + (v + i) * LANES_F32, q if method == PLAIN else single[0] + single[1] * q)
    v = philox_next(&tails)
    while v >= 0:
        m = word_of[v] & 0x7FFFFFFFU
        tail = inverse_tail_f32(<float> m + <float> 0.5, <float> (0x7FFFFFFFU - m) + <float> 0.5, word_of[v] >> 31)
        z[v] = tail if method == PLAIN else single[0] + single[1] * tail
        v = philox_next(&tails)


cdef inline void philox_truncated_f32(const vecu32* w, const double* params, float* z) noexcept nogil:
    """The normal distribution between two bounds, of which at least one is not deep in a tail (method 0)."""
    cdef float p_of[PHILOX_GROUP]
    cdef float q_of[PHILOX_GROUP]
    cdef vecd u[2]
    cdef vecd below[2]
    cdef vecd above[2]
    cdef vecd share = vecd_set(params[6])
    cdef vecf p[2]
    cdef vecf q[2]
    cdef vecf r[2]
    cdef philox_tails tails
    cdef int v, h, i
    tails.first = 0
    tails.rest = 0
    u[1] = vecd_set(0.0)
    below[1] = u[1]
    above[1] = u[1]
    for v in range(0, PHILOX_VECTORS, 2):
        for i in range(2):
            for h in range(LANE_PARTS):
                u[h] = vecd_from_u32(vecu64_from_words(w[v + i], h)) + 0.5
                below[h] = vecd_fma(share, u[h], vecd_set(params[4]))
                above[h] = vecd_fma(share, 4294967296.0 - u[h], vecd_set(params[5]))
            q[i] = vecf_from_vecd(2147483648.0 - below[0], 2147483648.0 - below[1])
            p[i] = vecf_min(vecf_from_vecd(below[0], below[1]), vecf_from_vecd(above[0], above[1]))
            philox_mark(&tails, v + i, p[i])
            vecf_store(p_of + (v + i) * LANES_F32, p[i])
            vecf_store(q_of + (v + i) * LANES_F32, q[i])
        inverse_ratios_f32(2, p, r)
        for i in range(2):
            vecf_store(z + (v + i) * LANES_F32, q[i] * r[i])
    v = philox_next(&tails)
    while v >= 0:
        z[v] = inverse_tail_f32(p_of[v], q_of[v], 0)
        v = philox_next(&tails)


cdef inline void philox_normal_f64(const vecu32* high, const vecu32* low, double* z) noexcept nogil:
    """Standard normal values of a group of 64-bit words, `high` and `low` halves."""
    cdef vecd p[4]
    cdef vecd q[4]
    cdef vecd r[4]
    cdef veci64 tail[4]
    cdef vecu64 h
    cdef vecd upper, lower, x
    cdef unsigned int tails
    cdef int v, i
    for v in range(0, PHILOX_GROUP // LANES_F64, 4):
        for i in range(4):
            h = vecu64_from_words(high[(v + i) // LANE_PARTS], i % LANE_PARTS)
            upper = vecd_from_u32(h & 0x7FFFFFFFULL)
            lower = vecd_from_u32(vecu64_from_words(low[(v + i) // LANE_PARTS], i % LANE_PARTS)) + 0.5
            p[i] = upper * 2.3283064365386963e-10 + lower * 5.421010862427522e-20
            q[i] = (2147483647.0 - upper) * 2.3283064365386963e-10 + (4294967296.0 - lower) * 5.421010862427522e-20
        inverse_ratios_f64(4, p, q, r, tail)
        tails = 0
        for i in range(4):
            h = vecu64_from_words(high[(v + i) // LANE_PARTS], i % LANE_PARTS) << 32
            q[i] = vecd_from_bits(vecd_bits(q[i]) ^ <veci64> (h & 0x8000000000000000ULL))
            vecd_store(z + (v + i) * LANES_F64, q[i] * r[i])
            tails |= <unsigned int> (veci64_mask(tail[i]) != 0) << i
        while tails != 0:
            i = lowest_bit(tails)
            tails &= tails - 1
            x = vecd_copysign(inverse_of_log(vecd_min(inverse_log(p[i]), vecd_set(-5.3))), -q[i])
            vecd_store(z + (v + i) * LANES_F64, vecd_select(tail[i], x, vecd_load(z + (v + i) * LANES_F64)))


cdef vecd philox_truncated_f64(vecd u, vecd v, const double* params, int method) noexcept nogil:
    """z between the bounds params[0], params[1] from u and v = 1 - u, each with its own relative accuracy.

    Method 1: params = Phi(lower), Q(upper), Phi(upper) - Phi(lower). Methods 2 and 3 (both bounds in one tail,
    side = -1 the lower, 1 the upper one; a the nearer bound, b the further): params = log Q(a) (method 3, for
    a >= 1e5: a itself), Q(b) / Q(a), 1 - Q(b) / Q(a), side. Method 4 (bounds a hair apart): params = lower,
    h = upper - lower, c = h (lower + upper) / 2; z = lower + h (u - c u (1 - u) / 2), exact to h^2.
    """
    cdef vecd p, q, x, z
    cdef veci64 tail
    if method == 1:
        p = vecd_fma(vecd_set(params[4]), u, vecd_set(params[2]))
        q = 0.5 - p
        p = vecd_min(p, vecd_fma(vecd_set(params[4]), v, vecd_set(params[3])))
        x = vecd_from_bits(vecd_bits(q) & 0x7FFFFFFFFFFFFFFFLL)
        inverse_ratios_f64(1, &p, &x, &z, &tail)
        z = q * z
        if veci64_mask(tail) != 0:
            x = inverse_of_log(vecd_min(inverse_log(p), vecd_set(-5.3)))
            z = vecd_select(tail, vecd_copysign(x, -q), z)
    elif method == 4:
        x = u - 0.5 * params[4] * u * v
        z = params[2] + params[3] * x
    else:
        x = inverse_log(vecd_fma(vecd_set(params[4]), v if params[5] > 0.0 else u, vecd_set(params[3])))
        if method == 2:
            x = inverse_of_log(x + params[2])
        else:
            x = params[2] - x / vecd_set(params[2])
        z = x * params[5]
    return vecd_min(vecd_max(z, vecd_set(params[0])), vecd_set(params[1]))


cdef inline void philox_truncated_group(const vecu32* high, const vecu32* low, const double* params, int method,
                                        double* z) noexcept nogil:
    """A group of truncated normal values in float64, from 32-bit (low NULL) or 64-bit words."""
    cdef vecd upper, lower, u, w
    cdef int v
    for v in range(PHILOX_GROUP // LANES_F64):
        upper = vecd_from_u32(vecu64_from_words(high[v // LANE_PARTS], v % LANE_PARTS))
        if low == NULL:
            u = (upper + 0.5) * 2.3283064365386963e-10
            w = (4294967295.5 - upper) * 2.3283064365386963e-10
        else:
            lower = vecd_from_u32(vecu64_from_words(low[v // LANE_PARTS], v % LANE_PARTS)) + 0.5
            u = upper * 2.3283064365386963e-10 + lower * 5.421010862427522e-20
            w = (4294967295.0 - upper) * 2.3283064365386963e-10 + (4294967296.0 - lower) * 5.421010862427522e-20
        vecd_store(z + v * LANES_F64, philox_truncated_f64(u, w, params, method))
