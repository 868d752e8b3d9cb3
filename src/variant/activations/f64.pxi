# phi and phi' on a vector of doubles; `a` is the activation's parameter.
#
# Also the float32 kernels of the activations that need more than float32 inside (they are widened, computed here
# and rounded once): erf, both gelu, mish and most slopes.

cdef extern from *:
    """
    /* Centres c near 1.231 n whose tanh is the double T to 2^-66: T carries no error of its own; K = 1 - T^2. */
    static const double ACT_TANH_CENTRE_F64[16] = {
        0x0.0p+0, 0x1.3b169567b2a15p+0, 0x1.3b1e919b8a78ap+1, 0x1.d8aa8918ddfd1p+1,
        0x1.3b2166ab895d6p+2, 0x1.89e590ba3ef57p+2, 0x1.d8b8651cdbe70p+2, 0x1.13bf8fac304a6p+3,
        0x1.3b20154843743p+3, 0x1.62886381d6b5ap+3, 0x1.89ebd197fb2eep+3, 0x1.b1512e24a9c53p+3,
        0x1.d8b6c1e6f4caep+3, 0x1.000a3c4055eabp+4, 0x1.13e2526c2d5afp+4, 0x1.25e4f7b2737fap+4};
    static const double ACT_TANH_VALUE_F64[16] = {
        0x0.0p+0, 0x1.af85756cb155ep-1, 0x1.f89b7bac7a153p-1, 0x1.ff5d8263e78ffp-1,
        0x1.fff224af16c15p-1, 0x1.fffed15bc3f9ep-1, 0x1.ffffe63a2e065p-1, 0x1.fffffdcd4e4c3p-1,
        0x1.ffffffcffa382p-1, 0x1.fffffffbe8ca9p-1, 0x1.ffffffffa6b0cp-1, 0x1.fffffffff8631p-1,
        0x1.ffffffffff59ep-1, 0x1.fffffffffff1dp-1, 0x1.fffffffffffedp-1, 0x1.ffffffffffffep-1};
    static const double ACT_TANH_SLOPE_F64[16] = {
        0x1.0000000000000p+0, 0x1.289d5908ca141p-2, 0x1.d5b6a99e0b18cp-6, 0x1.44c7a69547c19p-9,
        0x1.bb641d16fc37fp-13, 0x1.2ea3e2942640ep-16, 0x1.9c5d153a107ccp-20, 0x1.1958d94d65e9ap-23,
        0x1.802e3eedfd12ap-27, 0x1.05cd5bfee36b1p-30, 0x1.653d000004b42p-34, 0x1.e73c00041c8d9p-38,
        0x1.4c3ffff321cd4p-41, 0x1.c5fffffffff8bp-45, 0x1.2fffffffffff7p-48, 0x1.0000000000002p-51};
    """
    const double* ACT_TANH_CENTRE_F64
    const double* ACT_TANH_VALUE_F64
    const double* ACT_TANH_SLOPE_F64


# --- sigmoid family ----------------------------------------------------------------------------------------------
cdef inline vecd act_logistic_f64(vecd z) noexcept nogil:
    """1/(1 + exp(-z)) as c/(c + c exp(-z)), c = 2^-512, so that the result may be a denormal.

    The sum has one rounding where exp(-z) = s + s p is moderate; above 2^10 the part of s that is too large
    to be added to 1 exactly is added last.
    """
    cdef vecd s, p, near, c = vecd_set(ACT_UNSCALE)
    act_reduce_f64(vecd_min(vecd_set(760.0), vecd_max(vecd_set(-100.0), -z)), NULL, 1023.0 - 512.0, &s, &p)
    near = vecd_min(vecd_set(ACT_UNSCALE * 1024.0), s)
    return c / (vecd_muladd(s, p, c + near) + (s - near))


cdef inline vecd act_sigmoid_f64(vecd z, vecd a) noexcept nogil:
    return act_logistic_f64(z)


cdef inline vecd act_logistic_slope_f64(vecd z, double factor) noexcept nogil:
    """factor e/(1 + e)^2, e = exp(-|z|): accurate where y (1 - y) is 0."""
    cdef vecd big = act_exp_f64(-vecd_abs(z), NULL)
    cdef vecd e = big * vecd_set(ACT_UNSCALE)
    return (big / vecd_muladd(e, e + vecd_set(2.0), vecd_set(1.0))) * vecd_set(factor * ACT_UNSCALE)


cdef inline vecd act_sigmoid_slope_f64(vecd z, vecd a) noexcept nogil:
    return act_logistic_slope_f64(z, 1.0)


cdef inline vecd act_tanh_f64(vecd z, vecd a) noexcept nogil:
    """|z| < 0.625: z + z^3 P/Q (Cephes); else 1 - 2/(1 + exp 2|z|); one division for both."""
    cdef vecd x = vecd_min(vecd_set(20.0), vecd_abs(z))
    cdef veci64 small = vecd_lt(x, vecd_set(0.625))
    cdef vecd s, p, v = x * x, one = vecd_set(1.0)
    act_reduce_f64(x + x, NULL, 1023.0, &s, &p)
    cdef vecd upper = vecd_muladd(vecd_muladd(vecd_set(-9.64399179425052238628e-1), v,
                                              vecd_set(-9.92877231001918586564e1)), v,
                                  vecd_set(-1.61468768441708447952e3))
    cdef vecd lower = vecd_muladd(vecd_muladd(v + vecd_set(1.12811678491632931402e2), v,
                                              vecd_set(2.23548839060100448583e3)), v,
                                  vecd_set(4.84406305325125486048e3))
    cdef vecd num = vecd_select(small, (x * v) * upper, vecd_set(-2.0))
    cdef vecd den = vecd_select(small, lower, vecd_muladd(s, p, s + one))
    return vecd_copysign(vecd_select(small, x, one) + num / den, z)


cdef inline vecd act_tanh_table_f64(vecd z, vecd a) noexcept nogil:
    """As act_tanh_f32, with sixteen centres and |r| <= 0.62; A and G from Cephes' tanh r = r - r u G/(A + u G),
    0.04 of a rounding. For VECTOR_TABLES: two thirds of act_tanh_f64's time."""
    cdef vecd x = vecd_min(vecd_set(19.1), vecd_abs(z))      # tanh is 1 in float64 from 19.062 on
    cdef veci64 n = vecd_bits(vecd_muladd(x, vecd_set(0.811), vecd_set(6755399441055744.0)))
    cdef vecd value = vecd_lookup16(ACT_TANH_VALUE_F64, n)
    cdef vecd r = x - vecd_lookup16(ACT_TANH_CENTRE_F64, n)
    cdef vecd u = r * r
    cdef vecd top = vecd_muladd(u, vecd_set(0.035600820574947734), vecd_set(13.523955391441078))
    top = vecd_muladd(u, vecd_muladd(u, top, vecd_set(620.80070618392)), vecd_set(4844.063053251255))
    cdef vecd bottom = vecd_muladd(u, vecd_set(9.64399179425052238628e-1), vecd_set(9.92877231001918586564e1))
    bottom = vecd_muladd(u, vecd_muladd(u, bottom, vecd_set(1.61468768441708447952e3)), (value * r) * top)
    cdef vecd first = vecd_lookup16(ACT_TANH_SLOPE_F64, n) * r
    return vecd_copysign(value + vecd_muladd(-first, bottom / (top + bottom), first), z)


cdef inline vecd act_tanh_slope_f64(vecd z, vecd a) noexcept nogil:
    return act_logistic_slope_f64(z + z, 4.0)


cdef inline vecd act_softplus_f64(vecd z, vecd a) noexcept nogil:
    """max(z, 0) + log1p(exp(-|z|))."""
    cdef vecd e = act_exp_f64(-vecd_abs(z), NULL) * vecd_set(ACT_UNSCALE)
    return vecd_max(vecd_set(0.0), z) + act_log1p_f64(e)


# --- algebraic and circular --------------------------------------------------------------------------------------
cdef inline vecd act_softsign_f64(vecd z, vecd a) noexcept nogil:
    """z/(1 + |z|); the clamp, beyond which the quotient is 1, keeps infinity from inf/inf."""
    cdef vecd x = vecd_min(vecd_set(1e300), vecd_abs(z))
    return vecd_copysign(vecd_quotient(x, x + vecd_set(1.0)), z)


cdef inline vecd act_softsign_slope_f64(vecd z, vecd a) noexcept nogil:
    cdef vecd i = vecd_quotient(vecd_set(1.0), vecd_min(vecd_set(1e300), vecd_abs(z)) + vecd_set(1.0))
    return i * i


cdef inline vecd act_arctan_f64(vecd z, vecd a) noexcept nogil:
    return act_atan_f64(z)


cdef inline vecd act_arctan_slope_f64(vecd z, vecd a) noexcept nogil:
    """1/(1 + z^2) as c/(c + t^2), t = 2^-128 z, c = 2^-256: nothing overflows before the result is 0."""
    cdef vecd t = z * vecd_set(2.938735877055718770e-39), c = vecd_set(8.636168555094444625e-78)
    return c / vecd_muladd(t, t, c)


cdef inline vecd act_sin_f64(vecd z, vecd a) noexcept nogil:
    return act_sine_f64(a * z, 0.0)


cdef inline vecd act_sin_slope_f64(vecd z, vecd a) noexcept nogil:
    return a * act_sine_f64(a * z, 0.5)
