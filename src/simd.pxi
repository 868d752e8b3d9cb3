# The declarations of simd.h: vector types that Cython sees as numbers, so that + - * / stay readable.

cdef extern from "simd.h" nogil:
    ctypedef float vecf
    ctypedef double vecd
    ctypedef int veci32
    ctypedef long long veci64
    ctypedef unsigned int vecu32
    ctypedef unsigned long long vecu64
    enum: LANES_F32
    enum: LANES_F64
    vecf vecf_load(const float* p)
    vecd vecd_load(const double* p)
    void vecf_store(float* p, vecf v)
    void vecd_store(double* p, vecd v)
    vecf vecf_set(float x)
    vecd vecd_set(double x)
    veci32 vecf_bits(vecf v)
    vecf vecf_from_bits(veci32 v)
    veci64 vecd_bits(vecd v)
    vecd vecd_from_bits(veci64 v)
    vecf vecf_select(veci32 mask, vecf a, vecf b)
    vecd vecd_select(veci64 mask, vecd a, vecd b)
    veci32 vecf_lt(vecf a, vecf b)
    veci64 vecd_lt(vecd a, vecd b)
    veci32 vecf_ne(vecf a, vecf b)
    veci64 vecd_ne(vecd a, vecd b)
    vecf vecf_fma(vecf a, vecf b, vecf c)
    vecd vecd_fma(vecd a, vecd b, vecd c)
    vecf vecf_muladd(vecf a, vecf b, vecf c)
    vecd vecd_muladd(vecd a, vecd b, vecd c)
    void transpose_f32(const float* src, Py_ssize_t src_row, float* dst, Py_ssize_t dst_row)
    void transpose_f64(const double* src, Py_ssize_t src_row, double* dst, Py_ssize_t dst_row)
