# The declarations of simd.h: vector types that Cython sees as numbers, so that + - * / stay readable.

cdef extern from "variant/simd.h" nogil:
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
    enum: VECTOR_PARTS
    vecf vecf_load_part(const float* p, Py_ssize_t n)
    vecd vecd_load_part(const double* p, Py_ssize_t n)
    void vecf_store_part(float* p, vecf v, Py_ssize_t n)
    void vecd_store_part(double* p, vecd v, Py_ssize_t n)
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
    void fma_ask()
    float float_fma(float a, float b, float c)
    vecf vecf_fma(vecf a, vecf b, vecf c)
    vecd vecd_fma(vecd a, vecd b, vecd c)
    vecf vecf_muladd(vecf a, vecf b, vecf c)
    vecd vecd_muladd(vecd a, vecd b, vecd c)
    enum: TILE_ROWS
    enum: TILE_AHEAD
    void fetch_ahead(const void* p)
    void fetch_to_write(const void* p)
    void transpose_f32(const float* src, Py_ssize_t src_row, float* dst, Py_ssize_t dst_row)
    void transpose_f64(const double* src, Py_ssize_t src_row, double* dst, Py_ssize_t dst_row)
    void transpose_u16(const u16* src, Py_ssize_t src_row, u16* dst, Py_ssize_t dst_row)
    # words and conversions of philox.pxi
    enum: PHILOX_GROUP
    enum: PHILOX_VECTORS
    enum: NORMAL_STEP
    enum: LANE_PARTS
    vecu64 vecu64_set(unsigned long long x)
    vecu32 vecu32_load(const unsigned int* p)
    void vecu32_store(unsigned int* p, vecu32 v)
    vecd vecd_sqrt(vecd x)
    vecu64 vecu64_mul32(vecu64 a, vecu64 b)
    void vecu64_hold(vecu64* a, vecu64* b, vecu64* c, vecu64* d)
    vecu64 philox_blocks(unsigned long long block)
    void philox_pack(vecu64 c0, vecu64 c1, vecu64 c2, vecu64 c3, vecu32* out)
    vecu64 vecu64_from_words(vecu32 w, int upper)
    vecd vecd_from_u32(vecu64 w)
    vecd vecd_half(vecf v, int upper)
    vecd vecd_lookup(const double* t, const int* index)
    vecd vecd_single(vecd x)
    veci64 vecd_midpoint(vecd x)
    vecf vecf_from_i32(veci32 v)
    vecf vecf_from_vecd(vecd low, vecd high)
    unsigned int veci32_mask(veci32 m)
    unsigned int veci64_mask(veci64 m)
    vecf vecf_choose(vecf p, vecf limit, vecf a, vecf b, unsigned int* below)
    int lowest_bit(unsigned long long bits)
    void vecf_store_half(unsigned short* p, vecf v)
    void vecf_store_bfloat(unsigned short* p, vecf v)
    # elementwise functions
    enum: VECTOR_FUSES
    vecf vecf_max(vecf a, vecf b)
    vecf vecf_min(vecf a, vecf b)
    vecd vecd_max(vecd a, vecd b)
    vecd vecd_min(vecd a, vecd b)
    veci32 veci32_set(int x)
    veci64 veci64_set(long long x)
    vecf vecf_abs(vecf v)
    vecd vecd_abs(vecd v)
    vecf vecf_copysign(vecf a, vecf s)
    vecd vecd_copysign(vecd a, vecd s)
    vecf vecf_lookup8(const float* t, veci32 index)
    enum: VECTOR_TABLES
    vecf vecf_lookup32(vecf low, vecf high, veci32 index)
    vecd vecd_lookup16(const double* t, veci64 index)
    vecf vecf_quotient(vecf a, vecf b)
    vecd vecd_quotient(vecd a, vecd b)
    vecd vecd_load_f32(const float* p)
    void vecd_store_f32(float* p, vecd v)
    vecf vecf_product_error(vecf a, vecf b, vecf p)
    vecd vecd_product_error(vecd a, vecd b, vecd p)
