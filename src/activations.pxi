# phi and phi' of every activation. Codes are positions in initcore/activations.py `_TABLE`.

from libc.math cimport (exp as c_exp, expm1 as c_expm1, log1p as c_log1p, tanh as c_tanh, erf as c_erf, erfc as c_erfc,
                        atan as c_atan, sin as c_sin, cos as c_cos, fabs as c_fabs, sqrt as c_sqrt)

cdef enum:
    ACT_IDENTITY
    ACT_SIGMOID
    ACT_TANH
    ACT_HARD_SIGMOID
    ACT_HARD_TANH
    ACT_SOFTSIGN
    ACT_ARCTAN
    ACT_ERF
    ACT_SOFTPLUS
    ACT_RELU
    ACT_LEAKY_RELU
    ACT_ELU
    ACT_SELU
    ACT_GELU
    ACT_GELU_TANH
    ACT_SILU
    ACT_MISH
    ACT_SIN


cdef inline double act_sigmoid(double z) noexcept nogil:
    cdef double e = c_exp(-c_fabs(z))
    return (1.0 if z >= 0 else e) / (1.0 + e)


cdef inline double act_dsigmoid(double z) noexcept nogil:
    cdef double e = c_exp(-c_fabs(z))
    return e / ((1.0 + e) * (1.0 + e))


cdef double act_phi(int code, double alpha, double z) noexcept nogil:
    cdef double e, num, den
    if z != z:
        return z
    if code == ACT_IDENTITY:
        return z
    if code == ACT_SIGMOID:
        return act_sigmoid(z)
    if code == ACT_TANH:
        return c_tanh(z)
    if code == ACT_HARD_SIGMOID:
        return 0.0 if z <= -3 else 1.0 if z >= 3 else z / 6 + 0.5
    if code == ACT_HARD_TANH:
        return -1.0 if z < -1 else 1.0 if z > 1 else z
    if code == ACT_SOFTSIGN:
        return (1.0 if z > 0 else -1.0) if c_fabs(z) > 1e300 else z / (1 + c_fabs(z))
    if code == ACT_ARCTAN:
        return c_atan(z)
    if code == ACT_ERF:
        return c_erf(z)
    if code == ACT_SOFTPLUS:
        return (z if z > 0 else 0.0) + c_log1p(c_exp(-c_fabs(z)))
    if code == ACT_RELU:
        return z if z > 0 else 0.0
    if code == ACT_LEAKY_RELU:
        return z if z > 0 else alpha * z
    if code == ACT_ELU:
        return z if z > 0 else alpha * c_expm1(z)
    if code == ACT_SELU:
        return 1.0507009873554804934193349852946 * (z if z > 0 else 1.6732632423543772848170429916717 * c_expm1(z))
    if code == ACT_GELU:
        return -0.0 if z < -40 else z * (0.5 * c_erfc(-z * 0.70710678118654752440))
    if code == ACT_GELU_TANH:
        return -0.0 if z < -40 else z * act_sigmoid(1.5957691216057307 * (z + 0.044715 * z * z * z))
    if code == ACT_SILU:
        return -0.0 if z < -800 else z * act_sigmoid(z)
    if code == ACT_MISH:
        if z < -800:
            return -0.0
        e = c_exp(-c_fabs(z))
        num = 1 + 2 * e if z >= 0 else e * e + 2 * e
        return z * num / (num + (2 * e * e if z >= 0 else 2.0))
    if code == ACT_SIN:
        return c_sin(alpha * z)
    return z


cdef double act_dphi(int code, double alpha, double z) noexcept nogil:
    cdef double e, num, den, u
    if z != z:
        return z
    if code == ACT_IDENTITY:
        return 1.0
    if code == ACT_SIGMOID:
        return act_dsigmoid(z)
    if code == ACT_TANH:
        return 4 * act_dsigmoid(2 * z)
    if code == ACT_HARD_SIGMOID:
        return 1.0 / 6 if c_fabs(z) < 3 else 0.0
    if code == ACT_HARD_TANH:
        return 1.0 if c_fabs(z) < 1 else 0.0
    if code == ACT_SOFTSIGN:
        return 1 / ((1 + c_fabs(z)) * (1 + c_fabs(z)))
    if code == ACT_ARCTAN:
        return 1 / (1 + z * z)
    if code == ACT_ERF:
        return 1.1283791670955125739 * c_exp(-z * z)
    if code == ACT_SOFTPLUS:
        return act_sigmoid(z)
    if code == ACT_RELU:
        return 1.0 if z > 0 else 0.0
    if code == ACT_LEAKY_RELU:
        return 1.0 if z > 0 else alpha
    if code == ACT_ELU:
        return 1.0 if z > 0 else alpha * c_exp(z)
    if code == ACT_SELU:
        return 1.0507009873554804934193349852946 * (1.0 if z > 0 else 1.6732632423543772848170429916717 * c_exp(z))
    if code == ACT_GELU:
        if c_fabs(z) > 40:
            return 1.0 if z > 0 else -0.0
        return 0.5 * c_erfc(-z * 0.70710678118654752440) + z * 0.39894228040143267794 * c_exp(-0.5 * z * z)
    if code == ACT_GELU_TANH:
        if c_fabs(z) > 40:
            return 1.0 if z > 0 else -0.0
        u = 1.5957691216057307 * (z + 0.044715 * z * z * z)
        return act_sigmoid(u) + z * act_dsigmoid(u) * 1.5957691216057307 * (1 + 0.134145 * z * z)
    if code == ACT_SILU:
        if c_fabs(z) > 800:
            return 1.0 if z > 0 else -0.0
        return act_sigmoid(z) + z * act_dsigmoid(z)
    if code == ACT_MISH:
        if c_fabs(z) > 800:
            return 1.0 if z > 0 else -0.0
        e = c_exp(-c_fabs(z))
        num = 1 + 2 * e if z >= 0 else e * e + 2 * e
        den = num + (2 * e * e if z >= 0 else 2.0)
        # 1 - t^2 with t = num/den, times the sigmoid
        u = (2 * e * e if z >= 0 else 2.0) * (2 * num + (2 * e * e if z >= 0 else 2.0)) / (den * den)
        return num / den + z * u * act_sigmoid(z)
    if code == ACT_SIN:
        return alpha * c_cos(alpha * z)
    return 1.0


cdef void activation_forward_f32(int code, double alpha, const float* z, float* y, Py_ssize_t n) noexcept nogil:
    """y := phi(z)."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = <float> act_phi(code, alpha, z[i])


cdef void activation_forward_f64(int code, double alpha, const double* z, double* y, Py_ssize_t n) noexcept nogil:
    """y := phi(z)."""
    cdef Py_ssize_t i
    for i in range(n):
        y[i] = act_phi(code, alpha, z[i])


cdef void activation_backward_f32(int code, double alpha, const float* z, const float* dy, float* dz,
                                  Py_ssize_t n) noexcept nogil:
    """dz := dy phi'(z); dy NULL stands for ones."""
    cdef Py_ssize_t i
    for i in range(n):
        dz[i] = (dy[i] if dy != NULL else <float> 1.0) * <float> act_dphi(code, alpha, z[i])


cdef void activation_backward_f64(int code, double alpha, const double* z, const double* dy, double* dz,
                                  Py_ssize_t n) noexcept nogil:
    """dz := dy phi'(z); dy NULL stands for ones."""
    cdef Py_ssize_t i
    for i in range(n):
        dz[i] = (dy[i] if dy != NULL else 1.0) * act_dphi(code, alpha, z[i])


cdef double act_dphi_from_y(int code, double alpha, double y) noexcept nogil:
    if y != y:
        return y
    if code == ACT_SIGMOID:
        return y * (1 - y)
    if code == ACT_TANH:
        return (1 - y) * (1 + y)
    if code == ACT_HARD_SIGMOID:
        return 1.0 / 6 if 0 < y < 1 else 0.0
    if code == ACT_HARD_TANH:
        return 1.0 if -1 < y < 1 else 0.0
    if code == ACT_SOFTSIGN:
        return (1 - c_fabs(y)) * (1 - c_fabs(y))
    if code == ACT_RELU:
        return 1.0 if y > 0 else 0.0
    if code == ACT_LEAKY_RELU:
        return 1.0 if y > 0 else alpha
    if code == ACT_ELU:
        return 1.0 if y > 0 else y + alpha
    if code == ACT_SELU:
        return (1.0507009873554804934193349852946 if y > 0
                else y + 1.0507009873554804934193349852946 * 1.6732632423543772848170429916717)
    return 1.0


cdef inline bint act_y_determines(int code, double alpha) noexcept nogil:
    if code == ACT_LEAKY_RELU or code == ACT_ELU:
        return alpha > 0
    return code <= ACT_SOFTSIGN or code == ACT_RELU or code == ACT_SELU


cdef int activation_backward_from_y_f32(int code, double alpha, const float* y, const float* dy, float* dz,
                                        Py_ssize_t n) noexcept nogil:
    """dz := dy phi'(z) from y = phi(z); 0 done, -2 where y does not determine the slope."""
    cdef Py_ssize_t i
    if not act_y_determines(code, alpha):
        return -2
    for i in range(n):
        dz[i] = (dy[i] if dy != NULL else <float> 1.0) * <float> act_dphi_from_y(code, alpha, y[i])
    return 0


cdef int activation_backward_from_y_f64(int code, double alpha, const double* y, const double* dy, double* dz,
                                        Py_ssize_t n) noexcept nogil:
    """dz := dy phi'(z) from y = phi(z); 0 done, -2 where y does not determine the slope."""
    cdef Py_ssize_t i
    if not act_y_determines(code, alpha):
        return -2
    for i in range(n):
        dz[i] = (dy[i] if dy != NULL else 1.0) * act_dphi_from_y(code, alpha, y[i])
    return 0


cdef void fill_activations(KernelTable* t) noexcept:
    t.activation_forward_f32 = activation_forward_f32
    t.activation_forward_f64 = activation_forward_f64
    t.activation_backward_f32 = activation_backward_f32
    t.activation_backward_f64 = activation_backward_f64
    t.activation_backward_from_y_f32 = activation_backward_from_y_f32
    t.activation_backward_from_y_f64 = activation_backward_from_y_f64
