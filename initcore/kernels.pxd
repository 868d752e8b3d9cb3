# The C API of initcore: `from initcore cimport kernels`.
#
# Plain pointers, Py_ssize_t sizes, strides in elements, concrete names <op>_<direction>_<f32|f64>; no fused types, no
# memoryviews, no NumPy. Append-only: a name never changes its signature (tests/data/c_api.json holds them).
# Every function is pure, needs no GIL, starts no thread and keeps no state, so any number of threads may call it on
# buffers that do not overlap. int results: 0 done, -1 out of memory (outputs are of no use), -2 not available.
# dense_backward uses dw as its workspace before it fills it.
# Arrays are row-major; *_row is the distance between rows. Names of arguments say the shapes:
# x (batch, fan_in), w (fan_in, fan_out), b (fan_out), z, y, dy (batch, fan_out).

from initcore._table cimport KernelTable, u32, u64

cdef enum InitcoreActivation:
    # The codes of initcore.activations; `alpha` is the slope of leaky_relu, the alpha of elu, the frequency of sin.
    ACT_IDENTITY = 0
    ACT_SIGMOID = 1
    ACT_TANH = 2
    ACT_HARD_SIGMOID = 3
    ACT_HARD_TANH = 4
    ACT_SOFTSIGN = 5
    ACT_ARCTAN = 6
    ACT_ERF = 7
    ACT_SOFTPLUS = 8
    ACT_RELU = 9
    ACT_LEAKY_RELU = 10
    ACT_ELU = 11
    ACT_SELU = 12
    ACT_GELU = 13
    ACT_GELU_TANH = 14
    ACT_SILU = 15
    ACT_MISH = 16
    ACT_SIN = 17

# The table of the variant in use; also in the capsule initcore.kernels.capsule ("initcore.kernel_table").
cdef const KernelTable* kernel_table() noexcept nogil

# c[i, j] := sum_k a[i, k] b[k, j]
cdef int matmul_f32(const float* a, Py_ssize_t a_row, Py_ssize_t a_col, const float* b, Py_ssize_t b_row,
                    Py_ssize_t b_col, float* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k,
                    Py_ssize_t n) noexcept nogil
cdef int matmul_f64(const double* a, Py_ssize_t a_row, Py_ssize_t a_col, const double* b, Py_ssize_t b_row,
                    Py_ssize_t b_col, double* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k,
                    Py_ssize_t n) noexcept nogil

# z := x w + b (stored where z is not NULL), y := phi(z). b may be NULL.
cdef int dense_forward_f32(const float* x, Py_ssize_t x_row, const float* w, Py_ssize_t w_row, const float* b,
                           int activation, double alpha, float* z, Py_ssize_t z_row, float* y, Py_ssize_t y_row,
                           Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out) noexcept nogil
cdef int dense_forward_f64(const double* x, Py_ssize_t x_row, const double* w, Py_ssize_t w_row, const double* b,
                           int activation, double alpha, double* z, Py_ssize_t z_row, double* y, Py_ssize_t y_row,
                           Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out) noexcept nogil

# dz := dy phi'(z), from z or, where z is NULL, from y; dx := dz w', dw := x' dz, db := sum_rows dz.
# dx, or dw and db together, may be NULL: that part is not computed.
cdef int dense_backward_f32(const float* x, Py_ssize_t x_row, const float* w, Py_ssize_t w_row, int activation,
                            double alpha, const float* z, Py_ssize_t z_row, const float* y, Py_ssize_t y_row,
                            const float* dy, Py_ssize_t dy_row, float* dx, Py_ssize_t dx_row, float* dw,
                            Py_ssize_t dw_row, float* db, Py_ssize_t batch, Py_ssize_t fan_in,
                            Py_ssize_t fan_out) noexcept nogil
cdef int dense_backward_f64(const double* x, Py_ssize_t x_row, const double* w, Py_ssize_t w_row, int activation,
                            double alpha, const double* z, Py_ssize_t z_row, const double* y, Py_ssize_t y_row,
                            const double* dy, Py_ssize_t dy_row, double* dx, Py_ssize_t dx_row, double* dw,
                            Py_ssize_t dw_row, double* db, Py_ssize_t batch, Py_ssize_t fan_in,
                            Py_ssize_t fan_out) noexcept nogil

# y := phi(z); in place allowed
cdef void activation_forward_f32(int activation, double alpha, const float* z, float* y, Py_ssize_t n) noexcept nogil
cdef void activation_forward_f64(int activation, double alpha, const double* z, double* y, Py_ssize_t n) noexcept nogil
# dz := dy phi'(z); dy NULL stands for ones; in place allowed
cdef void activation_backward_f32(int activation, double alpha, const float* z, const float* dy, float* dz,
                                  Py_ssize_t n) noexcept nogil
cdef void activation_backward_f64(int activation, double alpha, const double* z, const double* dy, double* dz,
                                  Py_ssize_t n) noexcept nogil

# y := tanh(z), y := 1/(1 + exp(-z)); dz := dy phi'(z)
cdef void tanh_forward_f32(const float* z, float* y, Py_ssize_t n) noexcept nogil
cdef void tanh_forward_f64(const double* z, double* y, Py_ssize_t n) noexcept nogil
cdef void tanh_backward_f32(const float* z, const float* dy, float* dz, Py_ssize_t n) noexcept nogil
cdef void tanh_backward_f64(const double* z, const double* dy, double* dz, Py_ssize_t n) noexcept nogil
cdef void sigmoid_forward_f32(const float* z, float* y, Py_ssize_t n) noexcept nogil
cdef void sigmoid_forward_f64(const double* z, double* y, Py_ssize_t n) noexcept nogil
cdef void sigmoid_backward_f32(const float* z, const float* dy, float* dz, Py_ssize_t n) noexcept nogil
cdef void sigmoid_backward_f64(const double* z, const double* dy, double* dz, Py_ssize_t n) noexcept nogil

# Losses of contiguous (rows, cols) arrays: value returned, gradient written to grad.
# mse and binary cross entropy: mean over elements; softmax cross entropy: mean over rows, from class
# indices (labels) or from probabilities (target), the other NULL.
cdef double mse_f32(const float* prediction, const float* target, float* grad, Py_ssize_t rows,
                    Py_ssize_t cols) noexcept nogil
cdef double mse_f64(const double* prediction, const double* target, double* grad, Py_ssize_t rows,
                    Py_ssize_t cols) noexcept nogil
cdef double softmax_cross_entropy_f32(const float* logits, const Py_ssize_t* labels, const float* target, float* grad,
                                      Py_ssize_t rows, Py_ssize_t cols) noexcept nogil
cdef double softmax_cross_entropy_f64(const double* logits, const Py_ssize_t* labels, const double* target,
                                      double* grad, Py_ssize_t rows, Py_ssize_t cols) noexcept nogil
cdef double binary_cross_entropy_f32(const float* logits, const float* target, float* grad, Py_ssize_t rows,
                                     Py_ssize_t cols) noexcept nogil
cdef double binary_cross_entropy_f64(const double* logits, const double* target, double* grad, Py_ssize_t rows,
                                     Py_ssize_t cols) noexcept nogil

# Stream v1: raw Philox4x32-10 words start .. start + n of the key words (k0, k1, s0, s1)
cdef void random_bits(const u32* words, u64 start, u32* out, Py_ssize_t n) noexcept nogil
