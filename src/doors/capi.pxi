# The C API: each function is a trampoline through the table of the variant in use.

cdef const KernelTable* kernel_table() noexcept nogil:
    return table


cdef int matmul_f32(const float* a, Py_ssize_t a_row, Py_ssize_t a_col, const float* b, Py_ssize_t b_row,
                    Py_ssize_t b_col, float* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k,
                    Py_ssize_t n) noexcept nogil:
    return table.matmul_f32(a, a_row, a_col, b, b_row, b_col, c, c_row, m, k, n)


cdef int matmul_f64(const double* a, Py_ssize_t a_row, Py_ssize_t a_col, const double* b, Py_ssize_t b_row,
                    Py_ssize_t b_col, double* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k,
                    Py_ssize_t n) noexcept nogil:
    return table.matmul_f64(a, a_row, a_col, b, b_row, b_col, c, c_row, m, k, n)


cdef int dense_forward_f32(const float* x, Py_ssize_t x_row, const float* w, Py_ssize_t w_row, const float* b,
                           int activation, double alpha, float* z, Py_ssize_t z_row, float* y, Py_ssize_t y_row,
                           Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out) noexcept nogil:
    return table.dense_forward_f32(x, x_row, 1, w, w_row, 1, b, activation, alpha, z, z_row, y, y_row, batch, fan_in,
                                   fan_out)


cdef int dense_forward_f64(const double* x, Py_ssize_t x_row, const double* w, Py_ssize_t w_row, const double* b,
                           int activation, double alpha, double* z, Py_ssize_t z_row, double* y, Py_ssize_t y_row,
                           Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out) noexcept nogil:
    return table.dense_forward_f64(x, x_row, 1, w, w_row, 1, b, activation, alpha, z, z_row, y, y_row, batch, fan_in,
                                   fan_out)


cdef int dense_backward_f32(const float* x, Py_ssize_t x_row, const float* w, Py_ssize_t w_row, int activation,
                            double alpha, const float* z, Py_ssize_t z_row, const float* y, Py_ssize_t y_row,
                            const float* dy, Py_ssize_t dy_row, float* dx, Py_ssize_t dx_row, float* dw,
                            Py_ssize_t dw_row, float* db, Py_ssize_t batch, Py_ssize_t fan_in,
                            Py_ssize_t fan_out) noexcept nogil:
    return table.dense_backward_f32(x, x_row, 1, w, w_row, 1, activation, alpha, z, z_row, y, y_row, dy, dy_row,
                                    dx, dx_row, dw, dw_row, db, batch, fan_in, fan_out)


cdef int dense_backward_f64(const double* x, Py_ssize_t x_row, const double* w, Py_ssize_t w_row, int activation,
                            double alpha, const double* z, Py_ssize_t z_row, const double* y, Py_ssize_t y_row,
                            const double* dy, Py_ssize_t dy_row, double* dx, Py_ssize_t dx_row, double* dw,
                            Py_ssize_t dw_row, double* db, Py_ssize_t batch, Py_ssize_t fan_in,
                            Py_ssize_t fan_out) noexcept nogil:
    return table.dense_backward_f64(x, x_row, 1, w, w_row, 1, activation, alpha, z, z_row, y, y_row, dy, dy_row,
                                    dx, dx_row, dw, dw_row, db, batch, fan_in, fan_out)


cdef void activation_forward_f32(int activation, double alpha, const float* z, float* y, Py_ssize_t n) noexcept nogil:
    table.activation_forward_f32(activation, alpha, z, y, n)


cdef void activation_forward_f64(int activation, double alpha, const double* z, double* y,
                                 Py_ssize_t n) noexcept nogil:
    table.activation_forward_f64(activation, alpha, z, y, n)


cdef void activation_backward_f32(int activation, double alpha, const float* z, const float* dy, float* dz,
                                  Py_ssize_t n) noexcept nogil:
    table.activation_backward_f32(activation, alpha, z, dy, dz, n)


cdef void activation_backward_f64(int activation, double alpha, const double* z, const double* dy, double* dz,
                                  Py_ssize_t n) noexcept nogil:
    table.activation_backward_f64(activation, alpha, z, dy, dz, n)


cdef void tanh_forward_f32(const float* z, float* y, Py_ssize_t n) noexcept nogil:
    table.activation_forward_f32(ACT_TANH, 0.0, z, y, n)


cdef void tanh_forward_f64(const double* z, double* y, Py_ssize_t n) noexcept nogil:
    table.activation_forward_f64(ACT_TANH, 0.0, z, y, n)


cdef void tanh_backward_f32(const float* z, const float* dy, float* dz, Py_ssize_t n) noexcept nogil:
    table.activation_backward_f32(ACT_TANH, 0.0, z, dy, dz, n)


cdef void tanh_backward_f64(const double* z, const double* dy, double* dz, Py_ssize_t n) noexcept nogil:
    table.activation_backward_f64(ACT_TANH, 0.0, z, dy, dz, n)


cdef void sigmoid_forward_f32(const float* z, float* y, Py_ssize_t n) noexcept nogil:
    table.activation_forward_f32(ACT_SIGMOID, 0.0, z, y, n)


cdef void sigmoid_forward_f64(const double* z, double* y, Py_ssize_t n) noexcept nogil:
    table.activation_forward_f64(ACT_SIGMOID, 0.0, z, y, n)


cdef void sigmoid_backward_f32(const float* z, const float* dy, float* dz, Py_ssize_t n) noexcept nogil:
    table.activation_backward_f32(ACT_SIGMOID, 0.0, z, dy, dz, n)


cdef void sigmoid_backward_f64(const double* z, const double* dy, double* dz, Py_ssize_t n) noexcept nogil:
    table.activation_backward_f64(ACT_SIGMOID, 0.0, z, dy, dz, n)


cdef double mse_f32(const float* prediction, const float* target, float* grad, Py_ssize_t rows,
                    Py_ssize_t cols) noexcept nogil:
    return table.mse_f32(prediction, target, grad, rows, cols)


cdef double mse_f64(const double* prediction, const double* target, double* grad, Py_ssize_t rows,
                    Py_ssize_t cols) noexcept nogil:
    return table.mse_f64(prediction, target, grad, rows, cols)


cdef double softmax_cross_entropy_f32(const float* logits, const Py_ssize_t* labels, const float* target, float* grad,
                                      Py_ssize_t rows, Py_ssize_t cols) noexcept nogil:
    return table.softmax_cross_entropy_f32(logits, labels, target, grad, rows, cols)


cdef double softmax_cross_entropy_f64(const double* logits, const Py_ssize_t* labels, const double* target,
                                      double* grad, Py_ssize_t rows, Py_ssize_t cols) noexcept nogil:
    return table.softmax_cross_entropy_f64(logits, labels, target, grad, rows, cols)


cdef double binary_cross_entropy_f32(const float* logits, const float* target, float* grad, Py_ssize_t rows,
                                     Py_ssize_t cols) noexcept nogil:
    return table.binary_cross_entropy_f32(logits, target, grad, rows, cols)


cdef double binary_cross_entropy_f64(const double* logits, const double* target, double* grad, Py_ssize_t rows,
                                     Py_ssize_t cols) noexcept nogil:
    return table.binary_cross_entropy_f64(logits, target, grad, rows, cols)


cdef void random_bits(const u32* words, u64 start, u32* out, Py_ssize_t n) noexcept nogil:
    table.random_bits(words, start, out, n)
