# One group of words (philox.pxi) turned into values: uniform, normal and truncated normal, before location and scale.

cdef inline vecf philox_uniform_f32(vecu32 w) noexcept nogil:
    """(w >> 8) 2^-24."""
    return vecf_from_i32(<veci32> (w >> 8)) * vecf_set(5.9604644775390625e-08)


cdef enum:
    TAIL_PARTS = (PHILOX_GROUP + 63) >> 6
    TAIL_GROUPS = 16             # whose tails are looked after at one go


# One bit for each value of a group that lies in the tail.
cdef struct philox_tails:
    u64 part[TAIL_PARTS]


cdef inline void philox_mark(philox_tails* t, int v, unsigned int lanes) noexcept nogil:
    """Note the lanes of vector number v."""
    t.part[v * LANES_F32 // 64] |= <u64> lanes << (v * LANES_F32 & 63)


cdef inline void philox_normal_f32(const vecu32* w, int method, const float* single, float* z,
                                   philox_tails* tails) noexcept nogil:
    """Normal values of a group of words: mean single[0], standard deviation single[1] (PLAIN: 0 and 1); a value in the
    tail is its word still, for philox_tails_f32."""
    cdef vecf p[NORMAL_STEP]
    cdef vecf r[NORMAL_STEP]
    cdef vecf q
    cdef unsigned int lanes
    cdef int v, i
    memset(tails, 0, sizeof(philox_tails))
    for v from 0 <= v < PHILOX_VECTORS by NORMAL_STEP:
        for i in range(NORMAL_STEP):
            # m + 1/2 without the half: it counts for nothing in the ratio outside the tail, where m >= 2^23.
            p[i] = vecf_from_i32(<veci32> (w[v + i] & 0x7FFFFFFFU))
        inverse_ratios_f32(NORMAL_STEP, p, r)
        for i in range(NORMAL_STEP):
            q = vecf_from_i32(<veci32> (~w[v + i] & 0x7FFFFFFFU)) + 0.5
            q = vecf_from_bits(vecf_bits(q) ^ <veci32> (w[v + i] & 0x80000000U))
            q = q * r[i]
            if method != PLAIN:
                q = single[0] + single[1] * q
            q = vecf_choose(p[i], vecf_set(8388608.0), vecf_from_bits(<veci32> w[v + i]), q, &lanes)
            vecf_store(z + (v + i) * LANES_F32, q)
            philox_mark(tails, v + i, lanes)


cdef inline void philox_tails_f32(const philox_tails* tails, Py_ssize_t groups, int method, const float* single,
                                  float* z) noexcept nogil:
    """The values in the tails of at most TAIL_GROUPS groups, one after another. They are one in 256, and a branch for
    each group would be guessed wrong every other time."""
    cdef int found[TAIL_GROUPS * TAIL_PARTS]
    cdef int i, n = 0
    cdef u64 bits
    cdef u32 word, m
    cdef float tail
    cdef float* at
    cdef const u64* parts = <const u64*> tails
    for i in range(<int> groups * TAIL_PARTS):
        found[n] = i
        n += parts[i] != 0
    for i in range(n):
        bits = parts[found[i]]
        while bits != 0:
            at = z + found[i] // TAIL_PARTS * PHILOX_GROUP + found[i] % TAIL_PARTS * 64 + lowest_bit(bits)
            bits &= bits - 1
            memcpy(&word, at, 4)
            m = word & 0x7FFFFFFFU
            tail = inverse_tail_f32(<float> m + <float> 0.5, <float> (0x7FFFFFFFU - m) + <float> 0.5, word >> 31)
            at[0] = tail if method == PLAIN else single[0] + single[1] * tail


cdef inline void philox_truncated_f32(const vecu32* w, const double* params, const float* single,
                                      float* z) noexcept nogil:
    """The normal distribution between two bounds, of which at least one is not deep in a tail (method 0), scaled: mean
    single[0], standard deviation single[1]."""
    cdef float p_of[2 * LANES_F32]
    cdef float q_of[2 * LANES_F32]
    cdef vecd u[2]
    cdef vecd below[2]
    cdef vecd above[2]
    cdef vecd share = vecd_set(params[6])
    cdef vecf p[2]
    cdef vecf q[2]
    cdef vecf r[2]
    cdef u64 tails
    cdef unsigned int lanes
    cdef int v, h, i
    u[1] = vecd_set(0.0)
    below[1] = u[1]
    above[1] = u[1]
    for v in range(0, PHILOX_VECTORS, 2):
        tails = 0
        for i in range(2):
            for h in range(LANE_PARTS):
                u[h] = vecd_from_bits(<veci64> (vecu64_from_words(w[v + i], h) | 0x4330000000000000ULL)) \
                    - 4503599627370495.5                     # the word + 1/2
                below[h] = vecd_fma(share, u[h], vecd_set(params[4]))
                above[h] = vecd_fma(share, 4294967296.0 - u[h], vecd_set(params[5]))
            q[i] = vecf_from_vecd(2147483648.0 - below[0], 2147483648.0 - below[1])
            p[i] = vecf_min(vecf_from_vecd(below[0], below[1]), vecf_from_vecd(above[0], above[1]))
            vecf_choose(p[i], vecf_set(8388608.0), p[i], p[i], &lanes)
            tails |= <u64> lanes << (i * LANES_F32)
        inverse_ratios_f32(2, p, r)
        for i in range(2):
            r[i] = q[i] * r[i]
        if tails != 0:
            for i in range(2):
                vecf_store(p_of + i * LANES_F32, p[i])
                vecf_store(q_of + i * LANES_F32, q[i])
                vecf_store(z + (v + i) * LANES_F32, r[i])
            while tails != 0:
                i = lowest_bit(tails)
                z[v * LANES_F32 + i] = inverse_tail_f32(p_of[i], q_of[i], 0)
                tails &= tails - 1
            for i in range(2):
                r[i] = vecf_load(z + (v + i) * LANES_F32)
        for i in range(2):
            vecf_store(z + (v + i) * LANES_F32, philox_between(r[i], single))


cdef inline vecf philox_between(vecf z, const float* single) noexcept nogil:
    """A truncated normal value within its bounds single[2], single[3], with mean single[0] and deviation single[1]."""
    return single[0] + single[1] * vecf_min(vecf_max(z, vecf_set(single[2])), vecf_set(single[3]))


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
