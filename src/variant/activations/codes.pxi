# Every activation forward and backward: which function a code runs. The codes are those of the C API; their order is
# that of `_TABLE` in initcore/activations. A new activation has one line in each choice below.

from initcore.kernels cimport (ACT_IDENTITY, ACT_SIGMOID, ACT_TANH, ACT_HARD_SIGMOID, ACT_HARD_TANH, ACT_SOFTSIGN,
                               ACT_ARCTAN, ACT_ERF, ACT_SOFTPLUS, ACT_RELU, ACT_LEAKY_RELU, ACT_ELU, ACT_SELU,
                               ACT_GELU, ACT_GELU_TANH, ACT_SILU, ACT_MISH, ACT_SIN)


cdef void activation_forward_f32(int code, double alpha, const float* z, float* y, Py_ssize_t n) noexcept nogil:
    """y := phi(z)."""
    if code == ACT_TANH and VECTOR_TABLES:
        act_tanh_each_f32(z, y, n)
    elif code == ACT_TANH:
        act_each_f32(act_tanh_f32, alpha, z, NULL, y, n)
    elif code == ACT_SIGMOID:
        act_each_f32(act_sigmoid_f32, alpha, z, NULL, y, n)
    elif code == ACT_RELU:
        act_each_f32(act_relu_f32, alpha, z, NULL, y, n)
    elif code == ACT_LEAKY_RELU:
        act_each_f32(act_leaky_relu_f32, alpha, z, NULL, y, n)
    elif code == ACT_HARD_SIGMOID:
        act_each_f32(act_hard_sigmoid_f32, alpha, z, NULL, y, n)
    elif code == ACT_HARD_TANH:
        act_each_f32(act_hard_tanh_f32, alpha, z, NULL, y, n)
    elif code == ACT_SOFTSIGN:
        act_each_f32(act_softsign_f32, alpha, z, NULL, y, n)
    elif code == ACT_ARCTAN:
        act_each_f32(act_arctan_f32, alpha, z, NULL, y, n)
    elif code == ACT_ERF:
        act_each_f32(act_erf_f32, alpha, z, NULL, y, n)
    elif code == ACT_SOFTPLUS:
        act_each_f32(act_softplus_f32, alpha, z, NULL, y, n)
    elif code == ACT_ELU:
        act_each_f32(act_elu_f32, alpha, z, NULL, y, n)
    elif code == ACT_SELU:
        act_each_f32(act_selu_f32, alpha, z, NULL, y, n)
    elif code == ACT_GELU and VECTOR_FUSES:
        act_each_f32(act_gelu_f32, alpha, z, NULL, y, n)
    elif code == ACT_GELU:                              # without FMA, float32 would be 4.0 units off
        act_each_wide(act_gelu_f64, alpha, z, NULL, y, n)
    elif code == ACT_GELU_TANH:
        act_each_f32(act_gelu_tanh_f32, alpha, z, NULL, y, n)
    elif code == ACT_SILU:
        act_each_f32(act_silu_f32, alpha, z, NULL, y, n)
    elif code == ACT_MISH and VECTOR_FUSES:
        act_each_f32(act_mish_f32, alpha, z, NULL, y, n)
    elif code == ACT_MISH:                              # 4.1 units
        act_each_wide(act_mish_f64, alpha, z, NULL, y, n)
    elif code == ACT_SIN and alpha == 1:
        act_each_f32(act_sin_f32, alpha, z, NULL, y, n)
    elif code == ACT_SIN:
        act_each_wide(act_sin_f64, alpha, z, NULL, y, n)
    elif y != z:
        memmove(y, z, n * sizeof(float))


cdef void activation_backward_f32(int code, double alpha, const float* z, const float* dy, float* dz,
                                  Py_ssize_t n) noexcept nogil:
    """dz := dy phi'(z); dy NULL stands for ones."""
    if code == ACT_TANH:
        act_each_f32(act_tanh_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_SIGMOID:
        act_each_f32(act_sigmoid_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_RELU:
        act_each_f32(act_relu_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_LEAKY_RELU:
        act_each_f32(act_leaky_relu_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_HARD_SIGMOID:
        act_each_f32(act_hard_sigmoid_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_HARD_TANH:
        act_each_f32(act_hard_tanh_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_SOFTSIGN:
        act_each_f32(act_softsign_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_ARCTAN:
        act_each_f32(act_arctan_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_ERF:
        act_each_f32(act_erf_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_SOFTPLUS:
        act_each_f32(act_sigmoid_f32, alpha, z, dy, dz, n)
    elif code == ACT_ELU:
        act_each_f32(act_elu_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_SELU:
        act_each_f32(act_selu_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_GELU and VECTOR_FUSES:
        act_each_f32(act_gelu_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_GELU:                              # without FMA, float32 would be 4.3 units off
        act_each_wide(act_gelu_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_GELU_TANH and VECTOR_FUSES:
        act_each_f32(act_gelu_tanh_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_GELU_TANH:                         # 4.8 units
        act_each_wide(act_gelu_tanh_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_SILU:
        act_each_f32(act_silu_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_MISH:                              # float32 would be 5.5 units off
        act_each_wide(act_mish_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_SIN and alpha == 1:
        act_each_f32(act_sin_slope_f32, alpha, z, dy, dz, n)
    elif code == ACT_SIN:
        act_each_wide(act_sin_slope_f64, alpha, z, dy, dz, n)
    else:
        act_each_f32(act_identity_slope_f32, alpha, z, dy, dz, n)


cdef void activation_forward_f64(int code, double alpha, const double* z, double* y, Py_ssize_t n) noexcept nogil:
    """y := phi(z)."""
    if code == ACT_TANH and VECTOR_TABLES:
        act_each_f64(act_tanh_table_f64, alpha, z, NULL, y, n)
    elif code == ACT_TANH:
        act_each_f64(act_tanh_f64, alpha, z, NULL, y, n)
    elif code == ACT_SIGMOID:
        act_each_f64(act_sigmoid_f64, alpha, z, NULL, y, n)
    elif code == ACT_RELU:
        act_each_f64(act_relu_f64, alpha, z, NULL, y, n)
    elif code == ACT_LEAKY_RELU:
        act_each_f64(act_leaky_relu_f64, alpha, z, NULL, y, n)
    elif code == ACT_HARD_SIGMOID:
        act_each_f64(act_hard_sigmoid_f64, alpha, z, NULL, y, n)
    elif code == ACT_HARD_TANH:
        act_each_f64(act_hard_tanh_f64, alpha, z, NULL, y, n)
    elif code == ACT_SOFTSIGN:
        act_each_f64(act_softsign_f64, alpha, z, NULL, y, n)
    elif code == ACT_ARCTAN:
        act_each_f64(act_arctan_f64, alpha, z, NULL, y, n)
    elif code == ACT_ERF:
        act_each_f64(act_erf_f64, alpha, z, NULL, y, n)
    elif code == ACT_SOFTPLUS:
        act_each_f64(act_softplus_f64, alpha, z, NULL, y, n)
    elif code == ACT_ELU:
        act_each_f64(act_elu_f64, alpha, z, NULL, y, n)
    elif code == ACT_SELU:
        act_each_f64(act_selu_f64, alpha, z, NULL, y, n)
    elif code == ACT_GELU:
        act_each_f64(act_gelu_f64, alpha, z, NULL, y, n)
    elif code == ACT_GELU_TANH:
        act_each_f64(act_gelu_tanh_f64, alpha, z, NULL, y, n)
    elif code == ACT_SILU:
        act_each_f64(act_silu_f64, alpha, z, NULL, y, n)
    elif code == ACT_MISH:
        act_each_f64(act_mish_f64, alpha, z, NULL, y, n)
    elif code == ACT_SIN:
        act_each_f64(act_sin_f64, alpha, z, NULL, y, n)
    elif y != z:
        memmove(y, z, n * sizeof(double))


cdef void activation_backward_f64(int code, double alpha, const double* z, const double* dy, double* dz,
                                  Py_ssize_t n) noexcept nogil:
    """dz := dy phi'(z); dy NULL stands for ones."""
    if code == ACT_TANH:
        act_each_f64(act_tanh_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_SIGMOID:
        act_each_f64(act_sigmoid_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_RELU:
        act_each_f64(act_relu_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_LEAKY_RELU:
        act_each_f64(act_leaky_relu_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_HARD_SIGMOID:
        act_each_f64(act_hard_sigmoid_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_HARD_TANH:
        act_each_f64(act_hard_tanh_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_SOFTSIGN:
        act_each_f64(act_softsign_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_ARCTAN:
        act_each_f64(act_arctan_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_ERF:
        act_each_f64(act_erf_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_SOFTPLUS:
        act_each_f64(act_sigmoid_f64, alpha, z, dy, dz, n)
    elif code == ACT_ELU:
        act_each_f64(act_elu_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_SELU:
        act_each_f64(act_selu_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_GELU:
        act_each_f64(act_gelu_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_GELU_TANH:
        act_each_f64(act_gelu_tanh_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_SILU:
        act_each_f64(act_silu_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_MISH:
        act_each_f64(act_mish_slope_f64, alpha, z, dy, dz, n)
    elif code == ACT_SIN:
        act_each_f64(act_sin_slope_f64, alpha, z, dy, dz, n)
    else:
        act_each_f64(act_identity_slope_f64, alpha, z, dy, dz, n)


cdef int activation_backward_from_y_f32(int code, double alpha, const float* y, const float* dy, float* dz,
                                        Py_ssize_t n) noexcept nogil:
    """dz := dy phi'(z) from y = phi(z); 0 done, -2 where y does not determine the slope (nothing written)."""
    if (code == ACT_LEAKY_RELU or code == ACT_ELU) and not alpha > 0:
        return -2
    if code == ACT_IDENTITY:
        act_each_f32(act_identity_slope_f32, alpha, y, dy, dz, n)
    elif code == ACT_SIGMOID:
        act_each_f32(act_sigmoid_from_y_f32, alpha, y, dy, dz, n)
    elif code == ACT_TANH:
        act_each_f32(act_tanh_from_y_f32, alpha, y, dy, dz, n)
    elif code == ACT_HARD_SIGMOID:
        act_each_f32(act_hard_sigmoid_from_y_f32, alpha, y, dy, dz, n)
    elif code == ACT_HARD_TANH:
        act_each_f32(act_hard_tanh_slope_f32, alpha, y, dy, dz, n)
    elif code == ACT_SOFTSIGN:
        act_each_f32(act_softsign_from_y_f32, alpha, y, dy, dz, n)
    elif code == ACT_RELU:
        act_each_f32(act_relu_slope_f32, alpha, y, dy, dz, n)
    elif code == ACT_LEAKY_RELU:
        act_each_f32(act_leaky_relu_slope_f32, alpha, y, dy, dz, n)
    elif code == ACT_ELU:
        act_each_f32(act_elu_from_y_f32, alpha, y, dy, dz, n)
    elif code == ACT_SELU:
        act_each_f32(act_selu_from_y_f32, alpha, y, dy, dz, n)
    else:
        return -2
    return 0


cdef int activation_backward_from_y_f64(int code, double alpha, const double* y, const double* dy, double* dz,
                                        Py_ssize_t n) noexcept nogil:
    """dz := dy phi'(z) from y = phi(z); 0 done, -2 where y does not determine the slope (nothing written)."""
    if (code == ACT_LEAKY_RELU or code == ACT_ELU) and not alpha > 0:
        return -2
    if code == ACT_IDENTITY:
        act_each_f64(act_identity_slope_f64, alpha, y, dy, dz, n)
    elif code == ACT_SIGMOID:
        act_each_f64(act_sigmoid_from_y_f64, alpha, y, dy, dz, n)
    elif code == ACT_TANH:
        act_each_f64(act_tanh_from_y_f64, alpha, y, dy, dz, n)
    elif code == ACT_HARD_SIGMOID:
        act_each_f64(act_hard_sigmoid_from_y_f64, alpha, y, dy, dz, n)
    elif code == ACT_HARD_TANH:
        act_each_f64(act_hard_tanh_slope_f64, alpha, y, dy, dz, n)
    elif code == ACT_SOFTSIGN:
        act_each_f64(act_softsign_from_y_f64, alpha, y, dy, dz, n)
    elif code == ACT_RELU:
        act_each_f64(act_relu_slope_f64, alpha, y, dy, dz, n)
    elif code == ACT_LEAKY_RELU:
        act_each_f64(act_leaky_relu_slope_f64, alpha, y, dy, dz, n)
    elif code == ACT_ELU:
        act_each_f64(act_elu_from_y_f64, alpha, y, dy, dz, n)
    elif code == ACT_SELU:
        act_each_f64(act_selu_from_y_f64, alpha, y, dy, dz, n)
    else:
        return -2
    return 0


cdef void fill_activations(KernelTable* t) noexcept:
    t.activation_forward_f32 = activation_forward_f32
    t.activation_forward_f64 = activation_forward_f64
    t.activation_backward_f32 = activation_backward_f32
    t.activation_backward_f64 = activation_backward_f64
    t.activation_backward_from_y_f32 = activation_backward_from_y_f32
    t.activation_backward_from_y_f64 = activation_backward_from_y_f64
