# phi and phi' on a vector of floats, of the activations that keep their accuracy within float32; the others are
# widened (activations_f64.pxi). Same forms and names as there.

cdef extern from *:
    """
    /* Centres c near 1.2 n whose tanh is the float T to 2^-35: T carries no error of its own; K = 1 - T^2. */
    static const float ACT_TANH_CENTRE[8] = {
        0.0f, 1.2016185522079468f, 2.40285062789917f, 3.6046907901763916f,
        4.804519176483154f, 6.0077338218688965f, 7.166473388671875f, 8.317766189575195f};
    static const float ACT_TANH_VALUE[8] = {
        0.0f, 0.8341476321220398f, 0.9837669134140015f, 0.9985218644142151f,
        0.9998657703399658f, 0.9999879002571106f, 0.9999988079071045f, 0.9999998807907104f};
    static const float ACT_TANH_SLOPE[8] = {
        1.0f, 0.3041977286338806f, 0.03220266103744507f, 0.0029540862888097763f,
        0.00026844130479730666f, 2.41993348026881e-05f, 2.3841839720262215e-06f, 2.3841853646899835e-07f};
    """
    const float* ACT_TANH_CENTRE
    const float* ACT_TANH_VALUE
    const float* ACT_TANH_SLOPE


# --- sigmoid family ----------------------------------------------------------------------------------------------
cdef inline vecf act_sigmoid_f32(vecf z, vecf a) noexcept nogil:
    """1/(1 + exp(-z)) as c/(c + c exp(-z)), c = 2^-32, so that the result may be a denormal (act_logistic_f64)."""
    cdef vecf s, p, c = act_c(2.3283064365386962890625e-10)
    cdef vecf x = vecf_min(act_c(104.0), vecf_max(act_c(-30.0), -z))
    act_reduce_f32(x, NULL, 127.0 - 32.0, &s, &p)
    cdef vecf near
    if VECTOR_FUSES:
        return c / (vecf_muladd(s, p, c) + s)
    near = vecf_min(act_c(2.384185791015625e-07), s)         # 2^10 c
    return c / (vecf_muladd(s, p, c + near) + (s - near))


cdef inline vecf act_logistic_slope_f32(vecf z, float factor) noexcept nogil:
    """factor e/(1 + e)^2, e = exp(-|z|): accurate where y (1 - y) is 0."""
    cdef vecf big = act_exp_f32(-vecf_abs(z), NULL)
    cdef vecf e = big * vecf_set(ACT_UNSCALEF)
    return (big / vecf_muladd(e, e + act_c(2.0), act_c(1.0))) * vecf_set(factor * ACT_UNSCALEF)


cdef inline vecf act_sigmoid_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_logistic_slope_f32(z, 1.0)


cdef inline vecf act_tanh_f32(vecf z, vecf a) noexcept nogil:
    """tanh(c + r) = T + K t/(1 + T t), t = tanh(r) = r A/(A + u G), u = r^2, |r| <= 0.61, from the nearest of eight
    centres c; written T + (K r - K r N/(A + N)), N = u G + T r A, so that near 0 the result is r less a correction.
    A is linear, G = g + u: a rational fit of 0.026 ULP."""
    cdef vecf x = vecf_min(act_c(9.02), vecf_abs(z))         # tanh is 1 in float32 from 9.011 on
    cdef veci32 n = vecf_bits(vecf_muladd(x, act_c(0.83038), act_c(12582912.0)))
    cdef vecf value = vecf_lookup8(ACT_TANH_VALUE, n)
    cdef vecf r = x - vecf_lookup8(ACT_TANH_CENTRE, n)
    cdef vecf u = r * r
    cdef vecf top = vecf_muladd(u, act_c(10.07772242), act_c(106.17287242))
    cdef vecf bottom = vecf_muladd(u, u + act_c(35.39094821), (value * r) * top)
    cdef vecf first = vecf_lookup8(ACT_TANH_SLOPE, n) * r
    return vecf_copysign(value + vecf_muladd(-first, bottom / (top + bottom), first), z)


cdef inline vecf act_tanh_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_logistic_slope_f32(z + z, 4.0)


cdef inline vecf act_softplus_f32(vecf z, vecf a) noexcept nogil:
    """max(z, 0) + log1p(exp(-|z|))."""
    cdef vecf e = act_exp_f32(-vecf_abs(z), NULL) * vecf_set(ACT_UNSCALEF)
    return vecf_max(act_c(0.0), z) + act_log1p_f32(e)


# --- algebraic and circular --------------------------------------------------------------------------------------
cdef inline vecf act_softsign_f32(vecf z, vecf a) noexcept nogil:
    """z/(1 + |z|)."""
    cdef vecf x = vecf_min(act_c(1e30), vecf_abs(z))
    return vecf_copysign(x / (x + act_c(1.0)), z)


cdef inline vecf act_softsign_slope_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf i = act_c(1.0) / (vecf_abs(z) + act_c(1.0))
    return i * i


cdef inline vecf act_sin_f32(vecf z, vecf a) noexcept nogil:
    """sin(z): frequency 1 only, others need more of the product than a float holds (act_sin_f64)."""
    return act_sine_f32(z, 0.0)


cdef inline vecf act_sin_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_sine_f32(z, 0.5)


cdef inline vecf act_arctan_f32(vecf z, vecf a) noexcept nogil:
    return act_atan_f32(z)


cdef inline vecf act_arctan_slope_f32(vecf z, vecf a) noexcept nogil:
    """1/(1 + z^2); by 1/z where |z| > 1, so that z^2 cannot overflow."""
    cdef vecf x = vecf_abs(z), one = act_c(1.0)
    cdef veci32 big = vecf_lt(one, x)
    cdef vecf i = vecf_select(big, one / x, x)
    cdef vecf v = i * i
    return vecf_select(big, v, one) / (v + one)


# --- error function ----------------------------------------------------------------------------------------------
cdef inline vecf act_erf_f32(vecf z, vecf a) noexcept nogil:
    """|z| < 1: z p(z^2); else 1 - exp(-z^2) erfcx(|z|)."""
    cdef vecf x = vecf_min(act_c(4.5), vecf_abs(z))
    cdef vecf tail = (act_exp_square_f32(x, 1.0) * vecf_set(ACT_UNSCALEF)) * act_erfcx_f32(x)
    cdef vecf near = x * act_horner_f32(ACT_ERF_SMALLF, 7, x * x)
    return vecf_copysign(vecf_select(vecf_lt(x, act_c(1.0)), near, act_c(1.0) - tail), z)


cdef inline vecf act_erf_slope_f32(vecf z, vecf a) noexcept nogil:
    """2/sqrt(pi) exp(-z^2)."""
    cdef vecf x = vecf_min(act_c(10.5), vecf_abs(z))
    return (act_exp_square_f32(x, 1.0) * act_c(1.1283791670955125739)) * vecf_set(ACT_UNSCALEF)


cdef inline vecf act_gelu_f32(vecf z, vecf a) noexcept nogil:
    """z Phi(z): z/2 (1 + erf(z/sqrt 2)) by the series where |z| < 1, else max(z, 0) - |z| Phi(-|z|)."""
    cdef vecf x = vecf_min(act_c(15.2), vecf_abs(z)), half = act_c(0.5)
    cdef vecf t = x * act_c(0.70710678118654752440)
    cdef vecf tail = act_exp_square_f32(x, 0.5) * (x * act_erfcx_f32(t))
    cdef vecf y = vecf_max(act_c(0.0), z) - tail * act_c(0.5 * ACT_UNSCALEF)
    cdef vecf erf = vecf_copysign(t * act_horner_f32(ACT_ERF_SMALLF, 7, t * t), z)
    cdef vecf near = z * vecf_muladd(half, erf, half)
    return vecf_copysign(vecf_select(vecf_lt(x, act_c(1.0)), near, y), z)


cdef inline vecf act_gelu_slope_f32(vecf z, vecf a) noexcept nogil:
    """Phi(z) + z pdf(z): by the series of erf where |z| < 1; else g = Phi(-|z|) - |z| pdf(z) left of 0 and 1 - g
    right of it, the common factor exp(-z^2/2) taken out."""
    cdef vecf x = vecf_min(act_c(15.2), vecf_abs(z)), half = act_c(0.5), one = act_c(1.0)
    cdef vecf t = x * act_c(0.70710678118654752440)
    cdef vecf square = act_exp_square_f32(x, 0.5)
    cdef vecf g = square * vecf_muladd(x, act_c(-0.79788456080286535588), act_erfcx_f32(t))
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


cdef inline vecf act_swish_slope_f32(vecf z, vecf step, vecf big) noexcept nogil:
    """sigmoid(u) (1 + step (1 - sigmoid(u))) from step = |z u'| and big = 2^64 exp(-|u|), u of z's sign."""
    cdef veci32 right = vecf_lt(act_c(0.0), z)
    cdef vecf e = big * vecf_set(ACT_UNSCALEF)
    cdef vecf num = (e + act_c(1.0)) + vecf_select(right, step * e, -step)
    cdef vecf q = num / vecf_muladd(e, e + act_c(2.0), act_c(1.0))
    return vecf_select(right, q, (q * big) * vecf_set(ACT_UNSCALEF))


cdef inline vecf act_silu_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf x = vecf_min(act_c(120.0), vecf_abs(z))
    return act_swish_f32(z, x, act_exp_f32(-x, NULL))


cdef inline vecf act_silu_slope_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf x = vecf_min(act_c(120.0), vecf_abs(z))
    return act_swish_slope_f32(z, x, act_exp_f32(-x, NULL))


cdef inline vecf act_gelu_tanh_exp_f32(vecf x) noexcept nogil:
    """2^64 exp(-u), u = x (c + k x^2), c = 2 sqrt(2/pi), k = 0.044715 c, in two floats (an error in u is
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
    return act_exp_f32(-u, &u_low)


cdef inline vecf act_gelu_tanh_f32(vecf z, vecf a) noexcept nogil:
    """z sigmoid(2 sqrt(2/pi) (z + 0.044715 z^3)): no cancellation where the tanh is near -1."""
    cdef vecf x = vecf_min(act_c(11.0), vecf_abs(z))
    return act_swish_f32(z, x, act_gelu_tanh_exp_f32(x))


cdef inline vecf act_gelu_tanh_slope_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf x = vecf_min(act_c(11.0), vecf_abs(z))
    cdef vecf step = x * vecf_muladd(x * x, act_c(0.21406444881780073), act_c(1.5957691216057308))
    return act_swish_slope_f32(z, step, act_gelu_tanh_exp_f32(x))


cdef inline vecf act_mish_f32(vecf z, vecf a) noexcept nogil:
    """z n/(n + 2), n = t^2 + 2t, t = exp(z); right of 0 both are divided by t^2."""
    cdef vecf x = vecf_min(act_c(120.0), vecf_abs(z)), one = act_c(1.0), two = act_c(2.0)
    cdef veci32 right = vecf_lt(act_c(0.0), z)
    cdef vecf big = act_exp_f32(-x, NULL)
    cdef vecf e = big * vecf_set(ACT_UNSCALEF)
    cdef vecf n = vecf_muladd(two, e, one)
    cdef vecf num = vecf_select(right, n, vecf_copysign(x, z) * (big * (e + two)))
    cdef vecf den = vecf_select(right, vecf_muladd(two * e, e, n), vecf_muladd(e, e + two, two))
    cdef vecf q = num / den
    return vecf_select(right, z * q, q * vecf_set(ACT_UNSCALEF))


cdef inline vecf act_mish_slope_f32(vecf z, vecf a) noexcept nogil:
    """t (4(z + 1) + 4t^2 + t^3 + t (4z + 6))/(t^2 + 2t + 2)^2 (Misra 2019), t = exp(z); right of 0 by 1/t."""
    cdef vecf x = vecf_min(act_c(120.0), vecf_abs(z)), one = act_c(1.0), two = act_c(2.0)
    cdef vecf four = act_c(4.0)
    cdef veci32 right = vecf_lt(act_c(0.0), z)
    cdef vecf y = vecf_copysign(x, z)
    cdef vecf big = act_exp_f32(-x, NULL)
    cdef vecf e = big * vecf_set(ACT_UNSCALEF)
    cdef vecf linear = vecf_muladd(four, y, act_c(6.0)), flat = four * (y + one)
    cdef vecf n = vecf_select(right, vecf_muladd(vecf_muladd(vecf_muladd(flat, e, linear), e, four), e, one),
                              vecf_muladd(vecf_muladd(four + e, e, linear), e, flat))
    cdef vecf d = vecf_select(right, vecf_muladd(vecf_muladd(two, e, two), e, one), vecf_muladd(e, e + two, two))
    cdef vecf q = n / (d * d)
    return vecf_select(right, q, (q * big) * vecf_set(ACT_UNSCALEF))


# --- piecewise ---------------------------------------------------------------------------------------------------
cdef inline vecf act_or_nan_f32(vecf y, vecf z) noexcept nogil:
    """y, but NaN where z is."""
    return vecf_select(vecf_ne(z, z), z, y)


cdef inline vecf act_identity_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_or_nan_f32(act_c(1.0), z)


cdef inline vecf act_hard_sigmoid_f32(vecf z, vecf a) noexcept nogil:
    """(z + 3)/6 within [0, 1]."""
    return vecf_min(act_c(1.0), vecf_max(act_c(0.0), (z + act_c(3.0)) / act_c(6.0)))


cdef inline vecf act_hard_sigmoid_slope_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf inside = vecf_select(vecf_lt(vecf_abs(z), act_c(3.0)), act_c(1.0 / 6), act_c(0.0))
    return act_or_nan_f32(inside, z)


cdef inline vecf act_hard_tanh_f32(vecf z, vecf a) noexcept nogil:
    return vecf_min(act_c(1.0), vecf_max(act_c(-1.0), z))


cdef inline vecf act_hard_tanh_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_or_nan_f32(vecf_select(vecf_lt(vecf_abs(z), act_c(1.0)), act_c(1.0), act_c(0.0)), z)


cdef inline vecf act_relu_f32(vecf z, vecf a) noexcept nogil:
    return vecf_max(act_c(0.0), z)


cdef inline vecf act_relu_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_or_nan_f32(vecf_select(vecf_lt(act_c(0.0), z), act_c(1.0), act_c(0.0)), z)


cdef inline vecf act_leaky_relu_f32(vecf z, vecf a) noexcept nogil:
    return vecf_select(vecf_lt(act_c(0.0), z), z, a * z)


cdef inline vecf act_leaky_relu_slope_f32(vecf z, vecf a) noexcept nogil:
    return act_or_nan_f32(vecf_select(vecf_lt(act_c(0.0), z), act_c(1.0), a), z)


cdef inline vecf act_elu_f32(vecf z, vecf a) noexcept nogil:
    """z > 0: z; else a (exp(z) - 1)."""
    return vecf_select(vecf_lt(act_c(0.0), z), z, a * act_expm1_f32(z))


cdef inline vecf act_elu_slope_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf e = act_exp_f32(z, NULL) * vecf_set(ACT_UNSCALEF)
    return vecf_select(vecf_lt(act_c(0.0), z), act_c(1.0), a * e)


cdef inline vecf act_selu_f32(vecf z, vecf a) noexcept nogil:
    """Klambauer et al. 2017: scale z, or scale alpha (exp(z) - 1)."""
    return vecf_select(vecf_lt(act_c(0.0), z), act_c(ACT_SELU_SCALE) * z,
                       act_c(ACT_SELU_LEFT) * act_expm1_f32(z))


cdef inline vecf act_selu_slope_f32(vecf z, vecf a) noexcept nogil:
    cdef vecf e = act_exp_f32(z, NULL) * vecf_set(ACT_UNSCALEF)
    return vecf_select(vecf_lt(act_c(0.0), z), act_c(ACT_SELU_SCALE), act_c(ACT_SELU_LEFT) * e)


# --- slopes from y = phi(z) --------------------------------------------------------------------------------------
cdef inline vecf act_sigmoid_from_y_f32(vecf y, vecf a) noexcept nogil:
    return y * (act_c(1.0) - y)


cdef inline vecf act_tanh_from_y_f32(vecf y, vecf a) noexcept nogil:
    return (act_c(1.0) - y) * (act_c(1.0) + y)


cdef inline vecf act_hard_sigmoid_from_y_f32(vecf y, vecf a) noexcept nogil:
    cdef vecf inside = vecf_select(vecf_lt(y, act_c(1.0)), act_c(1.0 / 6), act_c(0.0))
    return act_or_nan_f32(vecf_select(vecf_lt(act_c(0.0), y), inside, act_c(0.0)), y)


cdef inline vecf act_softsign_from_y_f32(vecf y, vecf a) noexcept nogil:
    cdef vecf i = act_c(1.0) - vecf_abs(y)
    return i * i


cdef inline vecf act_elu_from_y_f32(vecf y, vecf a) noexcept nogil:
    return vecf_select(vecf_lt(act_c(0.0), y), act_c(1.0), y + a)


cdef inline vecf act_selu_from_y_f32(vecf y, vecf a) noexcept nogil:
    return vecf_select(vecf_lt(act_c(0.0), y), act_c(ACT_SELU_SCALE), y + act_c(ACT_SELU_LEFT))
