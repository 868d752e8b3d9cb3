# The activations that weigh z by a distribution or a sigmoid, float32: erf, GELU, swish, mish. As f32.pxi.

# --- error function ----------------------------------------------------------------------------------------------
cdef inline vecf act_erf_f32(vecf z, vecf a) noexcept nogil:
    """|z| < 1: z p(z^2); else 1 - exp(-z^2) erfcx(|z|)."""
    cdef vecf x = vecf_min(act_c(4.5), vecf_abs(z))
    cdef vecf tail = act_square_decay_f32(act_erfcx_f32(x, 1.0), x, 1.0) * vecf_set(ACT_UNSCALEF)
    cdef vecf near = x * act_horner_f32(ACT_ERF_SMALLF, 7, x * x)
    return vecf_copysign(vecf_select(vecf_lt(x, act_c(1.0)), near, act_c(1.0) - tail), z)


cdef inline vecf act_erf_slope_f32(vecf z, vecf a) noexcept nogil:
    """2/sqrt(pi) exp(-z^2)."""
    cdef vecf x = vecf_min(act_c(10.5), vecf_abs(z))
    return (act_exp_square_f32(x, 1.0) * act_c(1.1283791670955125739)) * vecf_set(ACT_UNSCALEF)


cdef inline vecf act_gelu_f32(vecf z, vecf a) noexcept nogil:
    """z Phi(z): z/2 (1 + erf(z/sqrt 2)) by the series where |z| < 3/4, else max(z, 0) - |z| Phi(-|z|)."""
    cdef vecf x = vecf_min(act_c(15.2), vecf_abs(z)), half = act_c(0.5)
    cdef vecf t = x * act_c(0.70710678118654752440)
    cdef vecf tail = act_square_decay_f32(x * act_erfcx_f32(x, 0.70710678118654752440), x, 0.5)
    cdef vecf y = vecf_max(act_c(0.0), z) - tail * act_c(0.5 * ACT_UNSCALEF)
    cdef vecf erf = vecf_copysign(t * act_horner_f32(ACT_ERF_SMALLF, 7, t * t), z)
    cdef vecf near = z * vecf_muladd(half, erf, half)
    return vecf_copysign(vecf_select(vecf_lt(x, act_c(0.75)), near, y), z)


cdef inline vecf act_gelu_slope_f32(vecf z, vecf a) noexcept nogil:
    """Phi(z) + z pdf(z): by the series of erf where |z| < 1; else g = Phi(-|z|) - |z| pdf(z) left of 0 and 1 - g
    right of it, the common factor exp(-z^2/2) taken out."""
    cdef vecf x = vecf_min(act_c(15.2), vecf_abs(z)), half = act_c(0.5), one = act_c(1.0)
    cdef vecf t = x * act_c(0.70710678118654752440)
    cdef vecf square = act_exp_square_f32(x, 0.5)
    cdef vecf g = square * vecf_muladd(x, act_c(-0.79788456080286535588), act_erfcx_f32(x, 0.70710678118654752440))
    g = g * act_c(0.5 * ACT_UNSCALEF)
    cdef vecf pdf = square * act_c(0.39894228040143267794 * ACT_UNSCALEF)
    cdef vecf odd = vecf_muladd(x, pdf, half * (t * act_horner_f32(ACT_ERF_SMALLF, 7, t * t)))
    cdef vecf y = vecf_select(vecf_lt(act_c(0.0), z), one - g, g)
    return vecf_select(vecf_lt(x, one), half + vecf_copysign(odd, z), y)


# --- z times a sigmoid ---------------------------------------------------------------------------------------------
cdef inline vecf act_swish_f32(vecf z, vecf x, vecf big) noexcept nogil:
    """z sigmoid(u) from x = |z| (clamped) and big = 2^64 exp(-|u|), u of z's sign."""
    cdef veci32 right = vecf_lt(act_c(0.0), z)
    cdef vecf d = vecf_muladd(big, vecf_set(ACT_UNSCALEF), act_c(1.0))
    cdef vecf q = vecf_select(right, z, vecf_copysign(x, z) * big) / d
    return vecf_select(right, q, q * vecf_set(ACT_UNSCALEF))


cdef inline vecf act_swish_slope_f32(vecf z, vecf x, vecf rate, vecf low, vecf s, vecf p) noexcept nogil:
    """sigmoid(u) (1 + z u' (1 - sigmoid(u))) from x = |z|, rate + low = u', 2^64 exp(-|u|) = s + s p, u of z's sign."""
    cdef veci32 right = vecf_lt(act_c(0.0), z)
    cdef vecf e = vecf_muladd(s, p, s) * vecf_set(ACT_UNSCALEF)
    cdef vecf t = vecf_select(right, x * e, -x)
    cdef vecf num = vecf_muladd(t, rate, vecf_muladd(t, low, e + act_c(1.0)))
    cdef vecf q = num / vecf_muladd(e, e + act_c(2.0), act_c(1.0))
    return vecf_select(right, q, (vecf_muladd(q, p, q) * s) * vecf_set(ACT_UNSCALEF))


cdef inline vecf act_silu_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf x = vecf_min(act_c(120.0), vecf_abs(z))
    return act_swish_f32(z, x, act_exp_f32(-x, NULL))


cdef inline vecf act_silu_slope_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf x = vecf_min(act_c(120.0), vecf_abs(z))
    cdef vecf s, p
    act_exp_parts_f32(-x, NULL, &s, &p)
    return act_swish_slope_f32(z, x, act_c(1.0), act_c(0.0), s, p)


cdef inline void act_gelu_tanh_exp_f32(vecf x, vecf* s, vecf* p) noexcept nogil:
    """2^64 exp(-u) = s + s p, u = x (c + k x^2), c = 2 sqrt(2/pi), k = 0.044715 c, in two floats (an error in u is
    multiplied by u in the result)."""
    cdef vecf v = x * x
    cdef vecf v_low = vecf_product_error(x, x, v)
    cdef vecf k = act_c(0.07135481387376785), c = act_c(1.5957691669464111)
    cdef vecf w = k * v
    cdef vecf w_low = vecf_product_error(k, v, w) + (k * v_low + act_c(2.3988324659995897e-09) * v)
    cdef vecf g = c + w
    cdef vecf t = g - c
    cdef vecf g_low = (c - (g - t)) + (w - t) + (w_low + act_c(-4.534068054340423e-08))
    cdef vecf u = x * g
    cdef vecf u_low = vecf_product_error(x, g, u) + x * g_low
    u_low = -u_low
    act_exp_parts_f32(-u, &u_low, s, p)


cdef inline vecf act_gelu_tanh_f32(vecf z, vecf a) noexcept nogil:
    """z sigmoid(2 sqrt(2/pi) (z + 0.044715 z^3)): no cancellation where the tanh is near -1."""
    cdef vecf x = vecf_min(act_c(11.0), vecf_abs(z))
    cdef vecf s, p
    act_gelu_tanh_exp_f32(x, &s, &p)
    return act_swish_f32(z, x, vecf_muladd(s, p, s))


cdef inline vecf act_gelu_tanh_slope_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf x = vecf_min(act_c(11.0), vecf_abs(z))
    cdef vecf s, p, c = act_c(1.5957691669464111)            # and -4.534e-08: 2 sqrt(2/pi)
    cdef vecf w = vecf_muladd(x * x, act_c(0.21406444881780073), act_c(-4.534068054340423e-08))
    cdef vecf rate = c + w
    act_gelu_tanh_exp_f32(x, &s, &p)
    return act_swish_slope_f32(z, x, rate, w - (rate - c), s, p)


cdef inline vecf act_mish_f32(vecf z, vecf a) noexcept nogil:
    """z n/(n + 2), n = t^2 + 2t, t = exp(z); right of 0 both are divided by t^2."""
    cdef vecf x = vecf_min(act_c(120.0), vecf_abs(z)), one = act_c(1.0), two = act_c(2.0)
    cdef veci32 right = vecf_lt(act_c(0.0), z)
    cdef vecf big = act_exp_f32(-x, NULL)
    cdef vecf e = big * vecf_set(ACT_UNSCALEF)
    cdef vecf n = vecf_muladd(two, e, one), s = vecf_copysign(x, z)
    cdef vecf num = vecf_select(right, n, big * vecf_muladd(s, e, two * s))
    cdef vecf den = vecf_select(right, vecf_muladd(two * e, e, n), vecf_muladd(e, e + two, two))
    cdef vecf q = num / den
    return vecf_select(right, z * q, q * vecf_set(ACT_UNSCALEF))
