# The activations made of pieces, float32, and slopes from y where it tells them. As f32.pxi.

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
