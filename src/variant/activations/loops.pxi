# The loops every activation runs in.
#
# Design
# A. One loop per element type (float, widened float, double); the activation is a function pointer that is a constant
#    at every call, so the compiler makes one inlined loop of each.
# B. What does not fill a vector at the end goes through a padded buffer and the same vector code: the same input
#    gives the same bits at every place and for every n. Nothing is aligned; in place is allowed.
# C. No function is called within the inner loop, else the constants of f would lie on the stack instead of in
#    registers; the buffer is filled outside of it and makes a second turn of it.

ctypedef vecf (*act_f32)(vecf, vecf) noexcept nogil
ctypedef vecd (*act_f64)(vecd, vecd) noexcept nogil

cdef extern from *:
    """
    /* The loops have one call of f each: a loop inlined where f is a constant inlines f as well. */
    #if defined(__GNUC__) || defined(__clang__)
    static inline __attribute__((always_inline)) void act_each_f32(
        vecf (*f)(vecf, vecf), double alpha, const float *z, const float *dy, float *out, Py_ssize_t n);
    static inline __attribute__((always_inline)) void act_each_f64(
        vecd (*f)(vecd, vecd), double alpha, const double *z, const double *dy, double *out, Py_ssize_t n);
    static inline __attribute__((always_inline)) void act_each_wide(
        vecd (*f)(vecd, vecd), double alpha, const float *z, const float *dy, float *out, Py_ssize_t n);
    #endif
    """


cdef inline void act_each_f32 "act_each_f32"(
        act_f32 f, double alpha, const float* z, const float* dy, float* out, Py_ssize_t n) noexcept nogil:
    """out := f(z), times dy where dy is not NULL."""
    cdef vecf y, a = vecf_set(<float> alpha)
    cdef Py_ssize_t i, whole = n // LANES_F32 * LANES_F32, rest = n - whole, stop = whole
    cdef float zb[LANES_F32]
    cdef float db[LANES_F32]
    cdef const float* zp = z
    cdef const float* dp = dy
    cdef float* op = out
    while True:
        for i from 0 <= i < stop by LANES_F32:
            y = f(vecf_load(zp + i), a)
            if dy != NULL:
                y = vecf_load(dp + i) * y
            vecf_store(op + i, y)
        if op != out or rest == 0:
            break
        memset(zb, 0, sizeof(zb))
        memset(db, 0, sizeof(db))
        memcpy(zb, z + whole, rest * sizeof(float))
        if dy != NULL:
            memcpy(db, dy + whole, rest * sizeof(float))
        zp, dp, op, stop = zb, db, zb, LANES_F32
    if rest:
        memcpy(out + whole, zb, rest * sizeof(float))


cdef inline void act_each_f64 "act_each_f64"(
        act_f64 f, double alpha, const double* z, const double* dy, double* out, Py_ssize_t n) noexcept nogil:
    """out := f(z), times dy where dy is not NULL."""
    cdef vecd y, a = vecd_set(alpha)
    cdef Py_ssize_t i, whole = n // LANES_F64 * LANES_F64, rest = n - whole, stop = whole
    cdef double zb[LANES_F64]
    cdef double db[LANES_F64]
    cdef const double* zp = z
    cdef const double* dp = dy
    cdef double* op = out
    while True:
        for i from 0 <= i < stop by LANES_F64:
            y = f(vecd_load(zp + i), a)
            if dy != NULL:
                y = vecd_load(dp + i) * y
            vecd_store(op + i, y)
        if op != out or rest == 0:
            break
        memset(zb, 0, sizeof(zb))
        memset(db, 0, sizeof(db))
        memcpy(zb, z + whole, rest * sizeof(double))
        if dy != NULL:
            memcpy(db, dy + whole, rest * sizeof(double))
        zp, dp, op, stop = zb, db, zb, LANES_F64
    if rest:
        memcpy(out + whole, zb, rest * sizeof(double))


cdef inline void act_each_wide "act_each_wide"(
        act_f64 f, double alpha, const float* z, const float* dy, float* out, Py_ssize_t n) noexcept nogil:
    """act_each_f32 for an f on doubles: the result (with dy, the product) is rounded to float once."""
    cdef vecd y, a = vecd_set(alpha)
    cdef Py_ssize_t i, whole = n // LANES_F64 * LANES_F64, rest = n - whole, stop = whole
    cdef float zb[LANES_F64]
    cdef float db[LANES_F64]
    cdef const float* zp = z
    cdef const float* dp = dy
    cdef float* op = out
    while True:
        for i from 0 <= i < stop by LANES_F64:
            y = f(vecd_load_f32(zp + i), a)
            if dy != NULL:
                y = vecd_load_f32(dp + i) * y
            vecd_store_f32(op + i, y)
        if op != out or rest == 0:
            break
        memset(zb, 0, sizeof(zb))
        memset(db, 0, sizeof(db))
        memcpy(zb, z + whole, rest * sizeof(float))
        if dy != NULL:
            memcpy(db, dy + whole, rest * sizeof(float))
        zp, dp, op, stop = zb, db, zb, LANES_F64
    if rest:
        memcpy(out + whole, zb, rest * sizeof(float))
