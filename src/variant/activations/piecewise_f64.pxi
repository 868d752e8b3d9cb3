# The activations made of pieces, float64, and slopes from y where it tells them. As f64.pxi.

# --- piecewise ---------------------------------------------------------------------------------------------------
cdef inline vecd act_or_nan_f64(vecd y, vecd z) noexcept nogil:
    """y, but NaN where z is."""
    return vecd_select(vecd_ne(z, z), z, y)


cdef inline vecd act_identity_slope_f64(vecd z, vecd a) noexcept nogil:
    return act_or_nan_f64(vecd_set(1.0), z)


cdef inline vecd act_hard_sigmoid_f64(vecd z, vecd a) noexcept nogil:
    """(z + 3)/6 within [0, 1]."""
    return vecd_min(vecd_set(1.0), vecd_max(vecd_set(0.0), (z + vecd_set(3.0)) / vecd_set(6.0)))


cdef inline vecd act_hard_sigmoid_slope_f64(vecd z, vecd a) noexcept nogil:
    cdef vecd inside = vecd_select(vecd_lt(vecd_abs(z), vecd_set(3.0)), vecd_set(1.0 / 6), vecd_set(0.0))
    return act_or_nan_f64(inside, z)


cdef inline vecd act_hard_tanh_f64(vecd z, vecd a) noexcept nogil:
    return vecd_min(vecd_set(1.0), vecd_max(vecd_set(-1.0), z))


cdef inline vecd act_hard_tanh_slope_f64(vecd z, vecd a) noexcept nogil:
    return act_or_nan_f64(vecd_select(vecd_lt(vecd_abs(z), vecd_set(1.0)), vecd_set(1.0), vecd_set(0.0)), z)


cdef inline vecd act_relu_f64(vecd z, vecd a) noexcept nogil:
    return vecd_max(vecd_set(0.0), z)


cdef inline vecd act_relu_slope_f64(vecd z, vecd a) noexcept nogil:
    return act_or_nan_f64(vecd_select(vecd_lt(vecd_set(0.0), z), vecd_set(1.0), vecd_set(0.0)), z)


cdef inline vecd act_leaky_relu_f64(vecd z, vecd a) noexcept nogil:
    return vecd_select(vecd_lt(vecd_set(0.0), z), z, a * z)


cdef inline vecd act_leaky_relu_slope_f64(vecd z, vecd a) noexcept nogil:
    return act_or_nan_f64(vecd_select(vecd_lt(vecd_set(0.0), z), vecd_set(1.0), a), z)


cdef inline vecd act_elu_f64(vecd z, vecd a) noexcept nogil:
    """z > 0: z; else a (exp(z) - 1)."""
    return vecd_select(vecd_lt(vecd_set(0.0), z), z, a * act_expm1_f64(z))


cdef inline vecd act_elu_slope_f64(vecd z, vecd a) noexcept nogil:
    cdef vecd e = act_exp_f64(z, NULL) * vecd_set(ACT_UNSCALE)
    return vecd_select(vecd_lt(vecd_set(0.0), z), vecd_set(1.0), a * e)


cdef inline vecd act_selu_f64(vecd z, vecd a) noexcept nogil:
    """Klambauer et al. 2017: scale z, or scale alpha (exp(z) - 1)."""
    return vecd_select(vecd_lt(vecd_set(0.0), z), vecd_set(ACT_SELU_SCALE) * z,
                       vecd_set(ACT_SELU_LEFT) * act_expm1_f64(z))


cdef inline vecd act_selu_slope_f64(vecd z, vecd a) noexcept nogil:
    cdef vecd e = act_exp_f64(z, NULL) * vecd_set(ACT_UNSCALE)
    return vecd_select(vecd_lt(vecd_set(0.0), z), vecd_set(ACT_SELU_SCALE), vecd_set(ACT_SELU_LEFT) * e)


# --- slopes from y = phi(z) --------------------------------------------------------------------------------------
cdef inline vecd act_sigmoid_from_y_f64(vecd y, vecd a) noexcept nogil:
    return y * (vecd_set(1.0) - y)


cdef inline vecd act_tanh_from_y_f64(vecd y, vecd a) noexcept nogil:
    return (vecd_set(1.0) - y) * (vecd_set(1.0) + y)


cdef inline vecd act_hard_sigmoid_from_y_f64(vecd y, vecd a) noexcept nogil:
    cdef vecd inside = vecd_select(vecd_lt(y, vecd_set(1.0)), vecd_set(1.0 / 6), vecd_set(0.0))
    return act_or_nan_f64(vecd_select(vecd_lt(vecd_set(0.0), y), inside, vecd_set(0.0)), y)


cdef inline vecd act_softsign_from_y_f64(vecd y, vecd a) noexcept nogil:
    cdef vecd i = vecd_set(1.0) - vecd_abs(y)
    return i * i


cdef inline vecd act_elu_from_y_f64(vecd y, vecd a) noexcept nogil:
    return vecd_select(vecd_lt(vecd_set(0.0), y), vecd_set(1.0), y + a)


cdef inline vecd act_selu_from_y_f64(vecd y, vecd a) noexcept nogil:
    return vecd_select(vecd_lt(vecd_set(0.0), y), vecd_set(ACT_SELU_SCALE), y + vecd_set(ACT_SELU_LEFT))
