# The versioned function table: what one instruction-set variant offers, in plain C types.
# Append only: a field never moves, changes type or disappears; TABLE_VERSION grows with each addition.
# Strides are in elements. Every function is pure: no state, no threads, no Python.
# int results: 0 done, -1 out of memory (nothing written), -3 stopped (what is written is of no use).

cdef extern from *:
    """
    #define INITCORE_TABLE_VERSION 4u
    """
    const unsigned int INITCORE_TABLE_VERSION

ctypedef unsigned int u32
ctypedef unsigned long long u64
ctypedef unsigned short u16

# A block of random values in an array of any strides. Its element (i0, i1, ...) has the stream's element number
# base + i0 step[0] + i1 step[1] + ... and stands at out + i0 stride[0] + ... (bytes).
ctypedef struct RandomJob:
    int distribution             # 0 bits, 1 uniform, 2 normal, 3 truncated normal: see random/philox.pxi
    int kind                     # 0 u32, 1 f32, 2 f64, 3 f16, 4 bf16
    int method                   # of the truncated normal
    int ndim
    u32 words[4]
    u64 base
    char* out
    double params[8]
    Py_ssize_t shape[64]
    Py_ssize_t stride[64]
    u64 step[64]

# What a long call asks some twenty times a second: asked(context) other than 0 stops it.
ctypedef struct StopCheck:
    int (*asked)(void* context) noexcept nogil
    void* context

ctypedef struct KernelTable:
    u32 version
    u32 size                     # sizeof(KernelTable) in bytes
    const char* isa              # "base", "x86_v3", ...
    const char* compiler
    const char* flags

    # --- dense/ ------------------------------------------------------------------------
    # c[i, j] := sum_k a[i, k] b[k, j]
    int (*matmul_f32)(const float* a, Py_ssize_t a_row, Py_ssize_t a_col,
                      const float* b, Py_ssize_t b_row, Py_ssize_t b_col,
                      float* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n) noexcept nogil
    int (*matmul_f64)(const double* a, Py_ssize_t a_row, Py_ssize_t a_col,
                      const double* b, Py_ssize_t b_row, Py_ssize_t b_col,
                      double* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n) noexcept nogil
    # z := x w + b, y := phi(z). b and z may be NULL. z, y have rows of adjacent elements.
    int (*dense_forward_f32)(const float* x, Py_ssize_t x_row, Py_ssize_t x_col,
                             const float* w, Py_ssize_t w_row, Py_ssize_t w_col, const float* b,
                             int activation, double alpha, float* z, Py_ssize_t z_row, float* y, Py_ssize_t y_row,
                             Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out) noexcept nogil
    int (*dense_forward_f64)(const double* x, Py_ssize_t x_row, Py_ssize_t x_col,
                             const double* w, Py_ssize_t w_row, Py_ssize_t w_col, const double* b,
                             int activation, double alpha, double* z, Py_ssize_t z_row, double* y, Py_ssize_t y_row,
                             Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out) noexcept nogil
    # dz := dy phi'(z), from z (accurate) or, where z is NULL, from y (-2 where y does not tell);
    # dx := dz w', dw := x' dz, db := sum_rows dz.
    # dx, or dw and db together, may be NULL: then that part is not computed.
    int (*dense_backward_f32)(const float* x, Py_ssize_t x_row, Py_ssize_t x_col,
                              const float* w, Py_ssize_t w_row, Py_ssize_t w_col,
                              int activation, double alpha, const float* z, Py_ssize_t z_row,
                              const float* y, Py_ssize_t y_row, const float* dy, Py_ssize_t dy_row,
                              float* dx, Py_ssize_t dx_row, float* dw, Py_ssize_t dw_row, float* db,
                              Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out) noexcept nogil
    int (*dense_backward_f64)(const double* x, Py_ssize_t x_row, Py_ssize_t x_col,
                              const double* w, Py_ssize_t w_row, Py_ssize_t w_col,
                              int activation, double alpha, const double* z, Py_ssize_t z_row,
                              const double* y, Py_ssize_t y_row, const double* dy, Py_ssize_t dy_row,
                              double* dx, Py_ssize_t dx_row, double* dw, Py_ssize_t dw_row, double* db,
                              Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out) noexcept nogil

    # --- activations/ -----------------------------------------------------------------
    # y := phi(z); in place allowed. Codes: initcore.activations.
    void (*activation_forward_f32)(int code, double alpha, const float* z, float* y, Py_ssize_t n) noexcept nogil
    void (*activation_forward_f64)(int code, double alpha, const double* z, double* y, Py_ssize_t n) noexcept nogil
    # dz := dy phi'(z); dy NULL stands for ones (the slope itself); in place allowed.
    void (*activation_backward_f32)(int code, double alpha, const float* z, const float* dy, float* dz,
                                    Py_ssize_t n) noexcept nogil
    void (*activation_backward_f64)(int code, double alpha, const double* z, const double* dy, double* dz,
                                    Py_ssize_t n) noexcept nogil
    # dz := dy phi'(z) from y = phi(z), for the codes where y determines the slope (returns 0), else -2.
    int (*activation_backward_from_y_f32)(int code, double alpha, const float* y, const float* dy, float* dz,
                                          Py_ssize_t n) noexcept nogil
    int (*activation_backward_from_y_f64)(int code, double alpha, const double* y, const double* dy, double* dz,
                                          Py_ssize_t n) noexcept nogil

    # --- losses.pxi ------------------------------------------------------------------
    # value returned (mean over rows, float64), gradient written; contiguous rows x cols.
    double (*mse_f32)(const float* pred, const float* target, float* grad,
                      Py_ssize_t rows, Py_ssize_t cols) noexcept nogil
    double (*mse_f64)(const double* pred, const double* target, double* grad,
                      Py_ssize_t rows, Py_ssize_t cols) noexcept nogil
    # labels (class indices) or target (probabilities): the other is NULL.
    double (*softmax_cross_entropy_f32)(const float* logits, const Py_ssize_t* labels, const float* target,
                                        float* grad, Py_ssize_t rows, Py_ssize_t cols) noexcept nogil
    double (*softmax_cross_entropy_f64)(const double* logits, const Py_ssize_t* labels, const double* target,
                                        double* grad, Py_ssize_t rows, Py_ssize_t cols) noexcept nogil
    double (*binary_cross_entropy_f32)(const float* logits, const float* target, float* grad,
                                       Py_ssize_t rows, Py_ssize_t cols) noexcept nogil
    double (*binary_cross_entropy_f64)(const double* logits, const double* target, double* grad,
                                       Py_ssize_t rows, Py_ssize_t cols) noexcept nogil

    # --- random/ ----------------------------------------------------------------------
    # Stream v1: element i of the stream `words` (k0, k1, s0, s1); out[0:n] are elements start .. start + n.
    void (*random_bits)(const u32* words, u64 start, u32* out, Py_ssize_t n) noexcept nogil
    # Elements first .. first + count, in C order, of the block a RandomJob describes.
    void (*random_fill)(const RandomJob* job, u64 first, u64 count) noexcept nogil

    # --- signals.pxi -----------------------------------------------------------------
    # out (13, cols) := sums over rows of z, z^2, a^2, |d|, d, d^2, ln|d|, [|d| < limits[0]], [|d| < limits[1]],
    # [z < limits[2] or z > limits[3]], [d = 0], [z > 0], |a - limits[4]|/limits[5], with d = phi'(z), a = phi(z).
    # histogram (32), or NULL: counts of a in bins floor((a - limits[6]) limits[7]), clamped.
    void (*signals_f32)(int code, double alpha, const float* z, Py_ssize_t z_row, const float* a, Py_ssize_t a_row,
                        Py_ssize_t rows, Py_ssize_t cols, const double* limits, double* out,
                        u64* histogram) noexcept nogil
    void (*signals_f64)(int code, double alpha, const double* z, Py_ssize_t z_row, const double* a, Py_ssize_t a_row,
                        Py_ssize_t rows, Py_ssize_t cols, const double* limits, double* out,
                        u64* histogram) noexcept nogil

    # --- ties.pxi --------------------------------------------------------------------
    # A matrix of n sources by m units with row and column strides. f, a, e, plus, minus zeroed by the caller.
    # f[k, j] += sum_i v[k, i] w[i, j] (k = 0, 1), a[j] += sum_i max_k |v[k, i] w[i, j]| up to rounding.
    void (*ties_project_f32)(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                             const double* v, double* f, double* a) noexcept nogil
    void (*ties_project_f64)(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                             const double* v, double* f, double* a) noexcept nogil
    # e[h, j] = sum_i r[h, i] w[i, j] mod p[h mod 2], h < k = 2 or 4; r < p; p, 1/p mod 2^64 and powers[2][2048] of two.
    void (*ties_fields_f32)(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                            const u64* r, Py_ssize_t k, const u64* p, const u64* inverse, const u64* powers,
                            u64* e) noexcept nogil
    void (*ties_fields_f64)(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                            const u64* r, Py_ssize_t k, const u64* p, const u64* inverse, const u64* powers,
                            u64* e) noexcept nogil
    # plus[h, j] = sum_i mix(colour[h, i] + bits(sign_i w[i, j])) mod 2^64, minus (may be NULL) of -sign_i.
    void (*ties_multisets_f32)(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                               const u64* colour, Py_ssize_t k, const double* sign,
                               u64* plus, u64* minus) noexcept nogil
    void (*ties_multisets_f64)(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                               const u64* colour, Py_ssize_t k, const double* sign,
                               u64* plus, u64* minus) noexcept nogil
    # 1 all equal, 0 not all equal, -1 some not finite.
    int (*ties_look_f32)(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m) noexcept nogil
    int (*ties_look_f64)(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m) noexcept nogil

    # --- dense/, that can be stopped: as above; stop may be NULL. Version 2 ---------------
    int (*matmul_until_f32)(const float* a, Py_ssize_t a_row, Py_ssize_t a_col, const float* b, Py_ssize_t b_row,
                            Py_ssize_t b_col, float* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
                            const StopCheck* stop) noexcept nogil
    int (*matmul_until_f64)(const double* a, Py_ssize_t a_row, Py_ssize_t a_col, const double* b, Py_ssize_t b_row,
                            Py_ssize_t b_col, double* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
                            const StopCheck* stop) noexcept nogil
    int (*dense_forward_until_f32)(const float* x, Py_ssize_t x_row, Py_ssize_t x_col, const float* w,
                                   Py_ssize_t w_row, Py_ssize_t w_col, const float* b, int activation,
                                   double alpha, float* z, Py_ssize_t z_row, float* y, Py_ssize_t y_row,
                                   Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out,
                                   const StopCheck* stop) noexcept nogil
    int (*dense_forward_until_f64)(const double* x, Py_ssize_t x_row, Py_ssize_t x_col, const double* w,
                                   Py_ssize_t w_row, Py_ssize_t w_col, const double* b, int activation,
                                   double alpha, double* z, Py_ssize_t z_row, double* y, Py_ssize_t y_row,
                                   Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out,
                                   const StopCheck* stop) noexcept nogil
    int (*dense_backward_until_f32)(const float* x, Py_ssize_t x_row, Py_ssize_t x_col, const float* w,
                                    Py_ssize_t w_row, Py_ssize_t w_col, int activation, double alpha, const float* z,
                                    Py_ssize_t z_row, const float* y, Py_ssize_t y_row, const float* dy,
                                    Py_ssize_t dy_row, float* dx, Py_ssize_t dx_row, float* dw, Py_ssize_t dw_row,
                                    float* db, Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out,
                                    const StopCheck* stop) noexcept nogil
    int (*dense_backward_until_f64)(const double* x, Py_ssize_t x_row, Py_ssize_t x_col, const double* w,
                                    Py_ssize_t w_row, Py_ssize_t w_col, int activation, double alpha, const double* z,
                                    Py_ssize_t z_row, const double* y, Py_ssize_t y_row, const double* dy,
                                    Py_ssize_t dy_row, double* dx, Py_ssize_t dx_row, double* dw, Py_ssize_t dw_row,
                                    double* db, Py_ssize_t batch, Py_ssize_t fan_in, Py_ssize_t fan_out,
                                    const StopCheck* stop) noexcept nogil

    # --- weights.pxi -----------------------------------------------------------------
    # Over the n sources of each of m units: mean, variance, and a hash equal for equal columns (0 = -0). totals:
    # largest finite |w|; how many are finite, finite and not 0, not 0 and below tiny, not 0 and below small.
    void (*weights_statistics_f32)(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                                   double tiny, double small, double* mean, double* variance, u32* hashes,
                                   double* totals) noexcept nogil
    void (*weights_statistics_f64)(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                                   double tiny, double small, double* mean, double* variance, u32* hashes,
                                   double* totals) noexcept nogil
    # first[j] := sum_i u[i] w[i, j], second[j] := sum_i v[i] w[i, j]^2.
    void (*weights_sums_f32)(const float* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                             const double* u, const double* v, double* first, double* second) noexcept nogil
    void (*weights_sums_f64)(const double* w, Py_ssize_t row, Py_ssize_t col, Py_ssize_t n, Py_ssize_t m,
                             const double* u, const double* v, double* first, double* second) noexcept nogil

    # --- dense/, added to what is there: c[i, j] := c[i, j] + sum_k a[i, k] b[k, j]. Version 3 ---------
    int (*matmul_add_f32)(const float* a, Py_ssize_t a_row, Py_ssize_t a_col, const float* b, Py_ssize_t b_row,
                          Py_ssize_t b_col, float* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
                          const StopCheck* stop) noexcept nogil
    int (*matmul_add_f64)(const double* a, Py_ssize_t a_row, Py_ssize_t a_col, const double* b, Py_ssize_t b_row,
                          Py_ssize_t b_col, double* c, Py_ssize_t c_row, Py_ssize_t m, Py_ssize_t k, Py_ssize_t n,
                          const StopCheck* stop) noexcept nogil

    # --- losses.pxi, in parts: `rows` of `of` rows; the total so far goes in, that with them comes out. Version 4 ----
    double (*mse_part_f32)(const float* pred, const float* target, float* grad, Py_ssize_t rows, Py_ssize_t cols,
                           Py_ssize_t of, double total) noexcept nogil
    double (*mse_part_f64)(const double* pred, const double* target, double* grad, Py_ssize_t rows, Py_ssize_t cols,
                           Py_ssize_t of, double total) noexcept nogil
    double (*softmax_cross_entropy_part_f32)(const float* logits, const Py_ssize_t* labels, const float* target,
                                             float* grad, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t of,
                                             double total) noexcept nogil
    double (*softmax_cross_entropy_part_f64)(const double* logits, const Py_ssize_t* labels, const double* target,
                                             double* grad, Py_ssize_t rows, Py_ssize_t cols, Py_ssize_t of,
                                             double total) noexcept nogil
    double (*binary_cross_entropy_part_f32)(const float* logits, const float* target, float* grad, Py_ssize_t rows,
                                            Py_ssize_t cols, Py_ssize_t of, double total) noexcept nogil
    double (*binary_cross_entropy_part_f64)(const double* logits, const double* target, double* grad, Py_ssize_t rows,
                                            Py_ssize_t cols, Py_ssize_t of, double total) noexcept nogil

    # --- end -------------------------------------------------------------------------
