# The activations that weigh z by a distribution or a sigmoid, float64: erf, GELU, swish, mish. As f64.pxi.

# --- error function ----------------------------------------------------------------------------------------------
cdef inline vecd act_erf_f64(vecd z, vecd a) noexcept nogil:
    """|z| < 1: z p(z^2); else 1 - exp(-z^2) erfcx(|z|)."""
    cdef vecd x = vecd_min(vecd_set(7.0), vecd_abs(z))
    cdef vecd tail = act_square_decay_f64(act_erfcx_f64(x, 1.0), x, 1.0) * vecd_set(ACT_UNSCALE)
    cdef vecd near = x * act_horner_f64(ACT_ERF_SMALL, 12, x * x)
    return vecd_copysign(vecd_select(vecd_lt(x, vecd_set(1.0)), near, vecd_set(1.0) - tail), z)


cdef inline vecd act_erf_slope_f64(vecd z, vecd a) noexcept nogil:
    """2/sqrt(pi) exp(-z^2)."""
    cdef vecd x = vecd_min(vecd_set(40.0), vecd_abs(z))
    return (act_exp_square_f64(x, 1.0) * vecd_set(1.1283791670955125739)) * vecd_set(ACT_UNSCALE)


cdef inline vecd act_gelu_f64(vecd z, vecd a) noexcept nogil:
    """z Phi(z): z/2 (1 + erf(z/sqrt 2)) by the series where |z| < 3/4, else max(z, 0) - |z| Phi(-|z|)."""
    cdef vecd x = vecd_min(vecd_set(39.9), vecd_abs(z)), half = vecd_set(0.5)
    cdef vecd t = x * vecd_set(0.70710678118654752440)
    cdef vecd tail = act_square_decay_f64(x * act_erfcx_f64(x, 0.70710678118654752440), x, 0.5)
    cdef vecd y = vecd_max(vecd_set(0.0), z) - tail * vecd_set(0.5 * ACT_UNSCALE)
    cdef vecd erf = vecd_copysign(t * act_horner_f64(ACT_ERF_SMALL, 12, t * t), z)
    cdef vecd near = z * vecd_muladd(half, erf, half)
    return vecd_copysign(vecd_select(vecd_lt(x, vecd_set(0.75)), near, y), z)


cdef inline vecd act_gelu_slope_f64(vecd z, vecd a) noexcept nogil:
    """Phi(z) + z pdf(z): by the series of erf where |z| < 1; else g = Phi(-|z|) - |z| pdf(z) left of 0 and 1 - g
    right of it, the common factor exp(-z^2/2) taken out."""
    cdef vecd x = vecd_min(vecd_set(39.9), vecd_abs(z)), half = vecd_set(0.5), one = vecd_set(1.0)
    cdef vecd t = x * vecd_set(0.70710678118654752440)
    cdef vecd square = act_exp_square_f64(x, 0.5)
    cdef vecd g = square * vecd_muladd(x, vecd_set(-0.79788456080286535588), act_erfcx_f64(x, 0.70710678118654752440))
    g = g * vecd_set(0.5 * ACT_UNSCALE)
    cdef vecd pdf = square * vecd_set(0.39894228040143267794 * ACT_UNSCALE)
    cdef vecd odd = vecd_muladd(x, pdf, half * (t * act_horner_f64(ACT_ERF_SMALL, 12, t * t)))
    cdef vecd y = vecd_select(vecd_lt(vecd_set(0.0), z), one - g, g)
    return vecd_select(vecd_lt(x, one), half + vecd_copysign(odd, z), y)


# --- z times a sigmoid -------------------------------------------------------------------------------------------
cdef inline vecd act_swish_f64(vecd z, vecd x, vecd big) noexcept nogil:
    """z sigmoid(u) from x = |z| (clamped) and big = 2^512 exp(-|u|), u of z's sign."""
    cdef veci64 right = vecd_lt(vecd_set(0.0), z)
    cdef vecd d = vecd_muladd(big, vecd_set(ACT_UNSCALE), vecd_set(1.0))
    cdef vecd q = vecd_select(right, z, vecd_copysign(x, z) * big) / d
    return vecd_select(right, q, q * vecd_set(ACT_UNSCALE))


cdef inline vecd act_swish_slope_f64(vecd z, vecd x, vecd rate, vecd s, vecd p) noexcept nogil:
    """sigmoid(u) (1 + z u' (1 - sigmoid(u))) from x = |z|, rate = u' and 2^512 exp(-|u|) = s + s p, u of z's sign."""
    cdef veci64 right = vecd_lt(vecd_set(0.0), z)
    cdef vecd e = vecd_muladd(s, p, s) * vecd_set(ACT_UNSCALE)
    cdef vecd num = vecd_muladd(vecd_select(right, x * e, -x), rate, e + vecd_set(1.0))
    cdef vecd q = num / vecd_muladd(e, e + vecd_set(2.0), vecd_set(1.0))
    return vecd_select(right, q, (vecd_muladd(q, p, q) * s) * vecd_set(ACT_UNSCALE))


cdef inline vecd act_silu_f64(vecd z, vecd a) noexcept nogil:
    cdef vecd x = vecd_min(vecd_set(800.0), vecd_abs(z))
    return act_swish_f64(z, x, act_exp_f64(-x, NULL))


cdef inline vecd act_silu_slope_f64(vecd z, vecd a) noexcept nogil:
    cdef vecd x = vecd_min(vecd_set(800.0), vecd_abs(z))
    cdef vecd s, p
    act_exp_parts_f64(-x, NULL, &s, &p)
    return act_swish_slope_f64(z, x, vecd_set(1.0), s, p)


cdef inline void act_gelu_tanh_exp_f64(vecd x, vecd* s, vecd* p) noexcept nogil:
    """2^512 exp(-u) = s + s p, u = x (c + k x^2), c = 2 sqrt(2/pi), k = 0.044715 c, in two doubles (an error in u is
    multiplied by u in the result)."""
    cdef vecd v = x * x
    cdef vecd v_low = vecd_product_error(x, x, v)
    cdef vecd k = vecd_set(0.07135481627260025), c = vecd_set(1.5957691216057308)
    cdef vecd w = k * v
    cdef vecd w_low = vecd_product_error(k, v, w) + (k * v_low + vecd_set(-6.175149918155315e-19) * v)
    cdef vecd g = c + w
    cdef vecd t = g - c
    cdef vecd g_low = (c - (g - t)) + (w - t) + (w_low + vecd_set(-9.96930880911092e-17))
    cdef vecd u = x * g
    cdef vecd u_low = vecd_product_error(x, g, u) + x * g_low
    u_low = -u_low
    act_exp_parts_f64(-u, &u_low, s, p)


cdef inline vecd act_gelu_tanh_f64(vecd z, vecd a) noexcept nogil:
    """z sigmoid(2 sqrt(2/pi) (z + 0.044715 z^3)): no cancellation where the tanh is near -1."""
    cdef vecd x = vecd_min(vecd_set(40.0), vecd_abs(z))
    cdef vecd s, p
    act_gelu_tanh_exp_f64(x, &s, &p)
    return act_swish_f64(z, x, vecd_muladd(s, p, s))


cdef inline vecd act_gelu_tanh_slope_f64(vecd z, vecd a) noexcept nogil:
    cdef vecd x = vecd_min(vecd_set(40.0), vecd_abs(z))
    cdef vecd s, p, rate = vecd_muladd(x * x, vecd_set(0.21406444881780073), vecd_set(-9.96930880911092e-17))
    rate = rate + vecd_set(1.5957691216057308)              # the two make 2 sqrt(2/pi)
    act_gelu_tanh_exp_f64(x, &s, &p)
    return act_swish_slope_f64(z, x, rate, s, p)


cdef inline vecd act_mish_f64(vecd z, vecd a) noexcept nogil:
    """z n/(n + 2), n = t^2 + 2t, t = exp(z); right of 0 both are divided by t^2."""
    cdef vecd x = vecd_min(vecd_set(800.0), vecd_abs(z)), one = vecd_set(1.0), two = vecd_set(2.0)
    cdef veci64 right = vecd_lt(vecd_set(0.0), z)
    cdef vecd big = act_exp_f64(-x, NULL)
    cdef vecd e = big * vecd_set(ACT_UNSCALE)
    cdef vecd n = vecd_muladd(two, e, one), s = vecd_copysign(x, z)
    cdef vecd num = vecd_select(right, n, big * vecd_muladd(s, e, two * s))
    cdef vecd den = vecd_select(right, vecd_muladd(two * e, e, n), vecd_muladd(e, e + two, two))
    cdef vecd q = num / den
    return vecd_select(right, z * q, q * vecd_set(ACT_UNSCALE))


cdef inline vecd act_mish_slope_f64(vecd z, vecd a) noexcept nogil:
    """t (4(z + 1) + 4t^2 + t^3 + t (4z + 6))/(t^2 + 2t + 2)^2 (Misra 2019), t = exp(z); right of 0 by 1/t."""
    cdef vecd x = vecd_min(vecd_set(800.0), vecd_abs(z)), one = vecd_set(1.0), two = vecd_set(2.0)
    cdef vecd four = vecd_set(4.0)
    cdef veci64 right = vecd_lt(vecd_set(0.0), z)
    cdef vecd y = vecd_copysign(x, z)
    cdef vecd big = act_exp_f64(-x, NULL)
    cdef vecd e = big * vecd_set(ACT_UNSCALE)
    cdef vecd linear = vecd_muladd(four, y, vecd_set(6.0)), flat = four * (y + one)
    cdef vecd n = vecd_select(right, vecd_muladd(vecd_muladd(vecd_muladd(flat, e, linear), e, four), e, one),
                              vecd_muladd(vecd_muladd(four + e, e, linear), e, flat))
    cdef vecd d = vecd_select(right, vecd_muladd(vecd_muladd(two, e, two), e, one), vecd_muladd(e, e + two, two))
    cdef vecd square = d * d, w, k, t
    if not VECTOR_FUSES:                                # the rounding of d counts twice: carried along (two-sum)
        w = e * vecd_select(right, vecd_muladd(two, e, two), e + two)
        k = vecd_select(right, one, two)
        d = w + k
        t = d - k
        square = d * d + (two * d) * ((k - (d - t)) + (w - t))
    cdef vecd q = n / square
    return vecd_select(right, q, (q * big) * vecd_set(ACT_UNSCALE))
