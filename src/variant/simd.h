/* The vector type and the few operations Cython cannot spell: the only C of initcore.
 *
 * Design
 * A. `vecf`/`vecd` are GCC/Clang vector-extension types, so that Cython's own + - * / become vector
 *    instructions on any target; elsewhere they are plain scalars with one lane (correct, slow).
 * B. Nothing is contracted behind our back (-ffp-contract=off). `*_muladd` fuses where the instruction set
 *    has FMA (results differ by variant, used in products); `*_fma` is the exact fused operation everywhere
 *    (bits equal on every variant, slower without hardware; used where bits are promised).
 * C. Masks are integer vectors, all ones or all zeros; `*_select` blends with them.
 */
#ifndef INITCORE_SIMD_H
#define INITCORE_SIMD_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <math.h>

#if defined(__GNUC__) || defined(__clang__)
#  if defined(__AVX512F__)
#    define VECTOR_BYTES 64
#  elif defined(__AVX__)
#    define VECTOR_BYTES 32
#  else
#    define VECTOR_BYTES 16          /* what SSE2 and NEON have: a wider type is taken apart through memory */
#  endif
#  define INITCORE_INLINE static inline __attribute__((always_inline))
#  define VECTOR(type) __attribute__((vector_size(VECTOR_BYTES))) type
typedef float    vecf   __attribute__((vector_size(VECTOR_BYTES)));
typedef double   vecd   __attribute__((vector_size(VECTOR_BYTES)));
typedef int32_t  veci32 __attribute__((vector_size(VECTOR_BYTES)));
typedef int64_t  veci64 __attribute__((vector_size(VECTOR_BYTES)));
typedef uint32_t vecu32 __attribute__((vector_size(VECTOR_BYTES)));
typedef uint64_t vecu64 __attribute__((vector_size(VECTOR_BYTES)));
#  define LANES_F32 (VECTOR_BYTES / 4)
#  define LANES_F64 (VECTOR_BYTES / 8)
#  define LANE(v, i) ((v)[i])
#  define MASK32(c) ((veci32)(c))
#  define MASK64(c) ((veci64)(c))
#else
#  define INITCORE_INLINE static inline
typedef float vecf; typedef double vecd; typedef int32_t veci32; typedef int64_t veci64;
typedef uint32_t vecu32; typedef uint64_t vecu64;
#  define LANES_F32 1
#  define LANES_F64 1
#  define LANE(v, i) (v)
#  define MASK32(c) (-(int32_t)(c))
#  define MASK64(c) (-(int64_t)(c))
#endif

#if defined(__SSE2__)
#  include <immintrin.h>
#elif defined(__aarch64__) && defined(__GNUC__)
#  include <arm_neon.h>
#  define INITCORE_NEON 1
#endif

/* `cdef inline` of the kernels means inline: a literal argument then makes its own loop (Cython's default is a hint). */
#if (defined(__GNUC__) || defined(__clang__)) && defined(INITCORE_ISA)
#  undef CYTHON_INLINE
#  define CYTHON_INLINE inline __attribute__((always_inline))
#endif

/* Unaligned loads and stores, broadcasts, bit casts. */
INITCORE_INLINE vecf vecf_load(const float *p) { vecf v; memcpy(&v, p, sizeof v); return v; }
INITCORE_INLINE vecd vecd_load(const double *p) { vecd v; memcpy(&v, p, sizeof v); return v; }
INITCORE_INLINE void vecf_store(float *p, vecf v) { memcpy(p, &v, sizeof v); }
INITCORE_INLINE void vecd_store(double *p, vecd v) { memcpy(p, &v, sizeof v); }
INITCORE_INLINE vecf vecf_set(float x) { vecf z; memset(&z, 0, sizeof z); return x - z; }   /* exact; + is not for -0 */
INITCORE_INLINE vecd vecd_set(double x) { vecd z; memset(&z, 0, sizeof z); return x - z; }
INITCORE_INLINE veci32 vecf_bits(vecf v) { veci32 r; memcpy(&r, &v, sizeof r); return r; }
INITCORE_INLINE vecf vecf_from_bits(veci32 v) { vecf r; memcpy(&r, &v, sizeof r); return r; }
INITCORE_INLINE veci64 vecd_bits(vecd v) { veci64 r; memcpy(&r, &v, sizeof r); return r; }
INITCORE_INLINE vecd vecd_from_bits(veci64 v) { vecd r; memcpy(&r, &v, sizeof r); return r; }

/* mask ? a : b, lane by lane. */
#if defined(__AVX512F__) && VECTOR_BYTES == 64
INITCORE_INLINE vecf vecf_select(veci32 m, vecf a, vecf b) {
    return (vecf)_mm512_mask_blend_ps(_mm512_movepi32_mask((__m512i)m), (__m512)b, (__m512)a); }
INITCORE_INLINE vecd vecd_select(veci64 m, vecd a, vecd b) {
    return (vecd)_mm512_mask_blend_pd(_mm512_movepi64_mask((__m512i)m), (__m512d)b, (__m512d)a); }
#elif defined(__AVX2__) && defined(__FMA__)
INITCORE_INLINE vecf vecf_select(veci32 m, vecf a, vecf b) {
    return (vecf)_mm256_blendv_ps((__m256)b, (__m256)a, (__m256)m); }
INITCORE_INLINE vecd vecd_select(veci64 m, vecd a, vecd b) {
    return (vecd)_mm256_blendv_pd((__m256d)b, (__m256d)a, (__m256d)m); }
#else
INITCORE_INLINE vecf vecf_select(veci32 m, vecf a, vecf b) {
    return vecf_from_bits((m & vecf_bits(a)) | (~m & vecf_bits(b))); }
INITCORE_INLINE vecd vecd_select(veci64 m, vecd a, vecd b) {
    return vecd_from_bits((m & vecd_bits(a)) | (~m & vecd_bits(b))); }
#endif
INITCORE_INLINE veci32 vecf_lt(vecf a, vecf b) { return MASK32(a < b); }
INITCORE_INLINE veci64 vecd_lt(vecd a, vecd b) { return MASK64(a < b); }
INITCORE_INLINE veci32 vecf_ne(vecf a, vecf b) { return MASK32(a != b); }
INITCORE_INLINE veci64 vecd_ne(vecd a, vecd b) { return MASK64(a != b); }

/* The first n lanes of a vector in memory, 0 < n <= lanes; VECTOR_PARTS: in one instruction, else not used. */
#if defined(__AVX512F__) && VECTOR_BYTES == 64
#  define VECTOR_PARTS 1
INITCORE_INLINE vecf vecf_load_part(const float *p, ptrdiff_t n) {
    return (vecf)_mm512_maskz_loadu_ps((__mmask16)(0xffffu >> (16 - n)), p); }
INITCORE_INLINE vecd vecd_load_part(const double *p, ptrdiff_t n) {
    return (vecd)_mm512_maskz_loadu_pd((__mmask8)(0xffu >> (8 - n)), p); }
INITCORE_INLINE void vecf_store_part(float *p, vecf v, ptrdiff_t n) {
    _mm512_mask_storeu_ps(p, (__mmask16)(0xffffu >> (16 - n)), (__m512)v); }
INITCORE_INLINE void vecd_store_part(double *p, vecd v, ptrdiff_t n) {
    _mm512_mask_storeu_pd(p, (__mmask8)(0xffu >> (8 - n)), (__m512d)v); }
#else
#  define VECTOR_PARTS 0
INITCORE_INLINE vecf vecf_load_part(const float *p, ptrdiff_t n) { (void)n; return vecf_load(p); }
INITCORE_INLINE vecd vecd_load_part(const double *p, ptrdiff_t n) { (void)n; return vecd_load(p); }
INITCORE_INLINE void vecf_store_part(float *p, vecf v, ptrdiff_t n) { (void)n; vecf_store(p, v); }
INITCORE_INLINE void vecd_store_part(double *p, vecd v, ptrdiff_t n) { (void)n; vecd_store(p, v); }
#endif

/* A cache line that is soon written. */
INITCORE_INLINE void fetch_to_write(const void *p) {
#if defined(__GNUC__) || defined(__clang__)
    __builtin_prefetch(p, 1);
#else
    (void)p;
#endif
}

/* Rows of the product's tile; how many steps early its panel is fetched into the first-level cache. */
#if defined(__AVX512F__) && VECTOR_BYTES == 64
#  define TILE_ROWS 8
#  define TILE_AHEAD 8
INITCORE_INLINE void fetch_ahead(const void *p) {
    __builtin_prefetch(p); __builtin_prefetch((const char *)p + VECTOR_BYTES); }
#elif defined(INITCORE_NEON)
#  define TILE_ROWS 8                   /* sixteen accumulators of thirty-two registers */
#  define TILE_AHEAD 8
INITCORE_INLINE void fetch_ahead(const void *p) { __builtin_prefetch(p); }
#elif defined(__AVX2__)
#  define TILE_ROWS 6
#  define TILE_AHEAD 8
INITCORE_INLINE void fetch_ahead(const void *p) { __builtin_prefetch(p); }
#else
#  define TILE_ROWS 6
#  define TILE_AHEAD 0
INITCORE_INLINE void fetch_ahead(const void *p) { (void)p; }
#endif

/* Whether the hardware fuses. Where it does not, a few kernels take a longer, as accurate way. */
#if defined(__FMA__) || defined(INITCORE_NEON)
#  define VECTOR_FUSES 1
#else
#  define VECTOR_FUSES 0
#endif

/* Whether the baseline may use the FMA instructions of the CPU it finds itself on: forced there, it makes the same bits
   faster. Asked once, by the module's initialisation; INITCORE_NO_FMA=1 keeps to additions and products. */
#if defined(__x86_64__) && (defined(__GNUC__) || defined(__clang__)) && VECTOR_BYTES == 16 && !VECTOR_FUSES
#  include <stdlib.h>
static int fma_found = 0;
static inline void fma_ask(void) {
    const char *refused = getenv("INITCORE_NO_FMA");
    __builtin_cpu_init();
    fma_found = __builtin_cpu_supports("avx") && __builtin_cpu_supports("fma")
                && (refused == NULL || *refused == 0 || *refused == '0');
}
#  define FMA_FOUND __builtin_expect(fma_found, 1)
#  define FMA_INSTRUCTION(name, type) \
    INITCORE_INLINE type name##_there(type a, type b, type c) { \
        __asm__("v" #name " %2, %1, %0" : "+x"(c) : "x"(a), "x"(b)); return c; }
FMA_INSTRUCTION(fmadd231ss, float)
FMA_INSTRUCTION(fmadd231ps, __m128)
FMA_INSTRUCTION(fmadd231pd, __m128d)
#else
#  define fma_ask() ((void)0)
#endif

/* a * b + c rounded once, on every variant. The product of two float32 is exact in float64. The sum, rounded to float64
   and then to float32, is rounded rightly unless it has become the midpoint of two float32 (the bits below float32's
   last are 100...0), or is so small that float32's last bit is another one: such a sum, one in 2^29, is asked of libm. */
#if VECTOR_FUSES
INITCORE_INLINE float float_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
#else
INITCORE_INLINE float float_fma(float a, float b, float c) {
#  ifdef FMA_FOUND
    if (FMA_FOUND) return fmadd231ss_there(a, b, c);
#  endif
    double sum = (double)a * b + c;
    uint64_t bits; memcpy(&bits, &sum, 8);
    if ((bits & 0x1fffffffu) != 0x10000000u && (bits << 1 >> 1) >= UINT64_C(0x3810000000000000)) return (float)sum;
    return fmaf(a, b, c);
}
#endif
INITCORE_INLINE vecf vecf_fma(vecf a, vecf b, vecf c) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (vecf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined(INITCORE_NEON)
    return (vecf)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#elif LANES_F32 == 1
    return float_fma(a, b, c);
#elif defined(__SSE2__) && VECTOR_BYTES == 16
#  define UPPER(v) _mm_cvtps_pd(_mm_movehl_ps((__m128)(v), (__m128)(v)))
#  define LOWER(v) _mm_cvtps_pd((__m128)(v))
#  ifdef FMA_FOUND
    if (FMA_FOUND) return (vecf)fmadd231ps_there((__m128)a, (__m128)b, (__m128)c);
#  endif
    __m128d low = _mm_add_pd(_mm_mul_pd(LOWER(a), LOWER(b)), LOWER(c));
    __m128d high = _mm_add_pd(_mm_mul_pd(UPPER(a), UPPER(b)), UPPER(c));
    __m128i tails = _mm_castps_si128(_mm_shuffle_ps(_mm_castpd_ps(low), _mm_castpd_ps(high), 0x88));
    __m128i tops = _mm_castps_si128(_mm_shuffle_ps(_mm_castpd_ps(low), _mm_castpd_ps(high), 0xdd));
    __m128i doubt = _mm_or_si128(
        _mm_cmpeq_epi32(_mm_and_si128(tails, _mm_set1_epi32(0x1fffffff)), _mm_set1_epi32(0x10000000)),
        _mm_cmplt_epi32(_mm_and_si128(tops, _mm_set1_epi32(INT32_MAX)), _mm_set1_epi32(0x38100000)));
    if (__builtin_expect(_mm_movemask_epi8(doubt) != 0, 0)) {
        vecf r; for (int i = 0; i < LANES_F32; i++) r[i] = fmaf(a[i], b[i], c[i]);
        return r;
    }
    return (vecf)_mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
#else
    vecf r; for (int i = 0; i < LANES_F32; i++) r[i] = float_fma(a[i], b[i], c[i]);
    return r;
#endif
}
#if defined(__SSE2__) && VECTOR_BYTES == 16 && !VECTOR_FUSES
/* float64's fma from additions and products alone (Boldo and Melquiond 2008): a b = u + v exactly (Dekker), then the
   three numbers are added, the middle sum rounded to odd so that the last rounding is as of the exact sum. Operands whose
   parts could overflow or underflow are asked of libm. */
INITCORE_INLINE __m128d fma_sum(__m128d a, __m128d b, __m128d *error) {
    __m128d s = _mm_add_pd(a, b), t = _mm_sub_pd(s, a);
    *error = _mm_add_pd(_mm_sub_pd(a, _mm_sub_pd(s, t)), _mm_sub_pd(b, t));
    return s;
}
INITCORE_INLINE __m128i fma_unfit(__m128d a, int least, int most) {   /* bounds of the upper words of |a|; 0 is fit */
    __m128i top = _mm_and_si128(_mm_castpd_si128(a), _mm_set_epi32(INT32_MAX, 0, INT32_MAX, 0));
    return _mm_or_si128(_mm_cmpgt_epi32(top, _mm_set_epi32(most, 0, most, 0)),
                        _mm_and_si128(_mm_cmplt_epi32(top, _mm_set_epi32(least, 0, least, 0)),
                                      _mm_castpd_si128(_mm_cmpneq_pd(a, _mm_setzero_pd()))));
}
INITCORE_INLINE vecd fma_apart(__m128d a, __m128d b, __m128d c) {
    __m128d split = _mm_set1_pd(134217729.0), u = _mm_mul_pd(a, b), s, t, v, w, e, f, g, h, x, z;
    __m128i odd, step;
    s = _mm_mul_pd(a, split); s = _mm_sub_pd(s, _mm_sub_pd(s, a));
    t = _mm_mul_pd(b, split); t = _mm_sub_pd(t, _mm_sub_pd(t, b));
    x = _mm_sub_pd(a, s); z = _mm_sub_pd(b, t);
    v = _mm_add_pd(_mm_add_pd(_mm_sub_pd(_mm_mul_pd(s, t), u), _mm_mul_pd(s, z)), _mm_mul_pd(x, t));
    v = _mm_add_pd(v, _mm_mul_pd(x, z));
    w = fma_sum(c, v, &e);
    g = fma_sum(u, w, &f);
    h = fma_sum(e, f, &x);
    step = _mm_srai_epi32(_mm_castpd_si128(_mm_xor_pd(h, x)), 31);      /* towards the exact sum: -1 or 1 */
    step = _mm_or_si128(_mm_shuffle_epi32(step, 0xf5), _mm_set1_epi64x(1));
    odd = _mm_sub_epi64(_mm_and_si128(_mm_castpd_si128(h), _mm_set1_epi64x(1)), _mm_set1_epi64x(1));
    step = _mm_and_si128(_mm_and_si128(step, odd), _mm_castpd_si128(_mm_cmpneq_pd(x, _mm_setzero_pd())));
    return (vecd)_mm_add_pd(g, _mm_castsi128_pd(_mm_add_epi64(_mm_castpd_si128(h), step)));
}
#endif
INITCORE_INLINE vecd vecd_fma(vecd a, vecd b, vecd c) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__)
    return (vecd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif defined(INITCORE_NEON)
    return (vecd)vfmaq_f64((float64x2_t)c, (float64x2_t)a, (float64x2_t)b);
#elif LANES_F64 == 1
    return fma(a, b, c);
#else
#  ifdef FMA_FOUND
    if (FMA_FOUND) return (vecd)fmadd231pd_there((__m128d)a, (__m128d)b, (__m128d)c);
#  endif
#  if defined(__SSE2__) && VECTOR_BYTES == 16
    __m128i unfit = _mm_or_si128(_mm_or_si128(fma_unfit((__m128d)a, 0x27000000, 0x58f00000),      /* 2^-399 .. 2^400 */
                                              fma_unfit((__m128d)b, 0x27000000, 0x58f00000)),
                                 fma_unfit((__m128d)c, 0, 0x78000000));                         /* .. 2^897 */
    if (__builtin_expect(_mm_movemask_epi8(unfit) == 0, 1)) return fma_apart((__m128d)a, (__m128d)b, (__m128d)c);
#  endif
    vecd r; for (int i = 0; i < LANES_F64; i++) r[i] = fma(a[i], b[i], c[i]);
    return r;
#endif
}

/* a * b + c, rounded once where the hardware fuses, twice elsewhere. */
#if VECTOR_FUSES
#  define vecf_muladd vecf_fma
#  define vecd_muladd vecd_fma
#else
INITCORE_INLINE vecf vecf_muladd(vecf a, vecf b, vecf c) { return a * b + c; }
INITCORE_INLINE vecd vecd_muladd(vecd a, vecd b, vecd c) { return a * b + c; }
#endif

/* dst[j, i] := src[i, j] of a square block as wide as a 32-byte vector: 8x8 float32, 4x4 float64, 16x16 of 16 bits. */
#if defined(__has_builtin)
#  if __has_builtin(__builtin_shufflevector)
#    define INITCORE_SHUFFLE 1
#  endif
#endif
#ifdef INITCORE_SHUFFLE
typedef float  transpose_f __attribute__((vector_size(32)));
typedef double transpose_d __attribute__((vector_size(32)));
typedef float  transpose_half_f __attribute__((vector_size(16)));
typedef double transpose_half_d __attribute__((vector_size(16)));
#  define SHUFFLED(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
/* Half a row here and half a row there: crossing the halves in the load leaves shuffles within them. */
INITCORE_INLINE transpose_f transpose_load_f(const float *low, const float *high) {
    transpose_half_f a, b; memcpy(&a, low, 16); memcpy(&b, high, 16); return SHUFFLED(a, b, 0, 1, 2, 3, 4, 5, 6, 7); }
INITCORE_INLINE transpose_d transpose_load_d(const double *low, const double *high) {
    transpose_half_d a, b; memcpy(&a, low, 16); memcpy(&b, high, 16); return SHUFFLED(a, b, 0, 1, 2, 3); }
INITCORE_INLINE void transpose_store_f(float *p, transpose_f v) { memcpy(p, &v, sizeof v); }
INITCORE_INLINE void transpose_store_d(double *p, transpose_d v) { memcpy(p, &v, sizeof v); }
/* Four columns of eight rows. */
INITCORE_INLINE void transpose_half_f32(const float *src, ptrdiff_t src_row, float *dst, ptrdiff_t dst_row) {
    const float *low = src + 4 * src_row;
    transpose_f r0 = transpose_load_f(src, low), r1 = transpose_load_f(src + src_row, low + src_row);
    transpose_f r2 = transpose_load_f(src + 2 * src_row, low + 2 * src_row);
    transpose_f r3 = transpose_load_f(src + 3 * src_row, low + 3 * src_row);
    transpose_f a0 = SHUFFLED(r0, r1, 0, 8, 1, 9, 4, 12, 5, 13), a1 = SHUFFLED(r2, r3, 0, 8, 1, 9, 4, 12, 5, 13);
    transpose_f a2 = SHUFFLED(r0, r1, 2, 10, 3, 11, 6, 14, 7, 15), a3 = SHUFFLED(r2, r3, 2, 10, 3, 11, 6, 14, 7, 15);
    transpose_store_f(dst, SHUFFLED(a0, a1, 0, 1, 8, 9, 4, 5, 12, 13));
    transpose_store_f(dst + dst_row, SHUFFLED(a0, a1, 2, 3, 10, 11, 6, 7, 14, 15));
    transpose_store_f(dst + 2 * dst_row, SHUFFLED(a2, a3, 0, 1, 8, 9, 4, 5, 12, 13));
    transpose_store_f(dst + 3 * dst_row, SHUFFLED(a2, a3, 2, 3, 10, 11, 6, 7, 14, 15));
}
INITCORE_INLINE void transpose_f32(const float *src, ptrdiff_t src_row, float *dst, ptrdiff_t dst_row) {
    transpose_half_f32(src, src_row, dst, dst_row);
    transpose_half_f32(src + 4, src_row, dst + 4 * dst_row, dst_row);
}
INITCORE_INLINE void transpose_f64(const double *src, ptrdiff_t src_row, double *dst, ptrdiff_t dst_row) {
    for (int i = 0; i < 4; i += 2) {                /* two columns of four rows */
        transpose_d r0 = transpose_load_d(src + i, src + 2 * src_row + i);
        transpose_d r1 = transpose_load_d(src + src_row + i, src + 3 * src_row + i);
        transpose_store_d(dst + i * dst_row, SHUFFLED(r0, r1, 0, 4, 2, 6));
        transpose_store_d(dst + (i + 1) * dst_row, SHUFFLED(r0, r1, 1, 5, 3, 7));
    }
}
typedef uint16_t transpose_h __attribute__((vector_size(32)));
typedef uint32_t transpose_w __attribute__((vector_size(32)));
typedef uint64_t transpose_q __attribute__((vector_size(32)));
typedef uint16_t transpose_half_h __attribute__((vector_size(16)));
INITCORE_INLINE transpose_h transpose_load_h(const uint16_t *low, const uint16_t *high) {
    transpose_half_h a, b; memcpy(&a, low, 16); memcpy(&b, high, 16);
    return SHUFFLED(a, b, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15); }
INITCORE_INLINE void transpose_store_h(uint16_t *p, transpose_q v) { memcpy(p, &v, sizeof v); }
#  define LOW_H(a, b) (transpose_w)SHUFFLED(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 8, 24, 9, 25, 10, 26, 11, 27)
#  define HIGH_H(a, b) (transpose_w)SHUFFLED(a, b, 4, 20, 5, 21, 6, 22, 7, 23, 12, 28, 13, 29, 14, 30, 15, 31)
#  define LOW_W(a, b) (transpose_q)SHUFFLED(a, b, 0, 8, 1, 9, 4, 12, 5, 13)
#  define HIGH_W(a, b) (transpose_q)SHUFFLED(a, b, 2, 10, 3, 11, 6, 14, 7, 15)
INITCORE_INLINE void transpose_u16(const uint16_t *src, ptrdiff_t src_row, uint16_t *dst, ptrdiff_t dst_row) {
    for (int j = 0; j < 16; j += 8) {               /* eight columns of sixteen rows */
        transpose_h r[8]; transpose_w a[8]; transpose_q b[8];
        for (int i = 0; i < 8; i++) r[i] = transpose_load_h(src + i * src_row + j, src + (i + 8) * src_row + j);
        for (int i = 0; i < 8; i += 2) { a[i] = LOW_H(r[i], r[i + 1]); a[i + 1] = HIGH_H(r[i], r[i + 1]); }
        for (int i = 0; i < 8; i += 4) for (int h = 0; h < 2; h++) {
            b[i + 2 * h] = LOW_W(a[i + h], a[i + h + 2]); b[i + 2 * h + 1] = HIGH_W(a[i + h], a[i + h + 2]); }
        for (int i = 0; i < 4; i++) {
            transpose_store_h(dst + (j + 2 * i) * dst_row, SHUFFLED(b[i], b[i + 4], 0, 4, 2, 6));
            transpose_store_h(dst + (j + 2 * i + 1) * dst_row, SHUFFLED(b[i], b[i + 4], 1, 5, 3, 7)); }
    }
}
#else
INITCORE_INLINE void transpose_f32(const float *src, ptrdiff_t src_row, float *dst, ptrdiff_t dst_row) {
    for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) dst[j * dst_row + i] = src[i * src_row + j]; }
INITCORE_INLINE void transpose_f64(const double *src, ptrdiff_t src_row, double *dst, ptrdiff_t dst_row) {
    for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++) dst[j * dst_row + i] = src[i * src_row + j]; }
INITCORE_INLINE void transpose_u16(const uint16_t *src, ptrdiff_t src_row, uint16_t *dst, ptrdiff_t dst_row) {
    for (int i = 0; i < 16; i++) for (int j = 0; j < 16; j++) dst[j * dst_row + i] = src[i * src_row + j]; }
#endif

/* --- elementwise functions ------------------------------------------------------------------- */

/* a > b ? a : b and a < b ? a : b; b where either is NaN (so write the limit first, the data second). */
#if LANES_F32 == 1
INITCORE_INLINE vecf vecf_max(vecf a, vecf b) { return a > b ? a : b; }
INITCORE_INLINE vecf vecf_min(vecf a, vecf b) { return a < b ? a : b; }
INITCORE_INLINE vecd vecd_max(vecd a, vecd b) { return a > b ? a : b; }
INITCORE_INLINE vecd vecd_min(vecd a, vecd b) { return a < b ? a : b; }
#elif defined(__AVX512F__) && VECTOR_BYTES == 64
INITCORE_INLINE vecf vecf_max(vecf a, vecf b) { return (vecf)_mm512_max_ps((__m512)a, (__m512)b); }
INITCORE_INLINE vecf vecf_min(vecf a, vecf b) { return (vecf)_mm512_min_ps((__m512)a, (__m512)b); }
INITCORE_INLINE vecd vecd_max(vecd a, vecd b) { return (vecd)_mm512_max_pd((__m512d)a, (__m512d)b); }
INITCORE_INLINE vecd vecd_min(vecd a, vecd b) { return (vecd)_mm512_min_pd((__m512d)a, (__m512d)b); }
#elif defined(__AVX2__) && defined(__FMA__)
INITCORE_INLINE vecf vecf_max(vecf a, vecf b) { return (vecf)_mm256_max_ps((__m256)a, (__m256)b); }
INITCORE_INLINE vecf vecf_min(vecf a, vecf b) { return (vecf)_mm256_min_ps((__m256)a, (__m256)b); }
INITCORE_INLINE vecd vecd_max(vecd a, vecd b) { return (vecd)_mm256_max_pd((__m256d)a, (__m256d)b); }
INITCORE_INLINE vecd vecd_min(vecd a, vecd b) { return (vecd)_mm256_min_pd((__m256d)a, (__m256d)b); }
#elif defined(__SSE2__) && VECTOR_BYTES == 16
INITCORE_INLINE vecf vecf_max(vecf a, vecf b) { return (vecf)_mm_max_ps((__m128)a, (__m128)b); }
INITCORE_INLINE vecf vecf_min(vecf a, vecf b) { return (vecf)_mm_min_ps((__m128)a, (__m128)b); }
INITCORE_INLINE vecd vecd_max(vecd a, vecd b) { return (vecd)_mm_max_pd((__m128d)a, (__m128d)b); }
INITCORE_INLINE vecd vecd_min(vecd a, vecd b) { return (vecd)_mm_min_pd((__m128d)a, (__m128d)b); }
#else
INITCORE_INLINE vecf vecf_max(vecf a, vecf b) { return vecf_select(vecf_lt(b, a), a, b); }
INITCORE_INLINE vecf vecf_min(vecf a, vecf b) { return vecf_select(vecf_lt(a, b), a, b); }
INITCORE_INLINE vecd vecd_max(vecd a, vecd b) { return vecd_select(vecd_lt(b, a), a, b); }
INITCORE_INLINE vecd vecd_min(vecd a, vecd b) { return vecd_select(vecd_lt(a, b), a, b); }
#endif

/* |v|; |a| with the sign of s (NaN keeps its payload). */
INITCORE_INLINE veci32 veci32_set(int32_t x) { veci32 z; memset(&z, 0, sizeof z); return z + x; }
INITCORE_INLINE veci64 veci64_set(int64_t x) { veci64 z; memset(&z, 0, sizeof z); return z + x; }
INITCORE_INLINE vecf vecf_abs(vecf v) { return vecf_from_bits(vecf_bits(v) & veci32_set(INT32_MAX)); }
INITCORE_INLINE vecd vecd_abs(vecd v) { return vecd_from_bits(vecd_bits(v) & veci64_set(INT64_MAX)); }
INITCORE_INLINE vecf vecf_copysign(vecf a, vecf s) {
    veci32 m = veci32_set(INT32_MIN); return vecf_from_bits((vecf_bits(a) & ~m) | (vecf_bits(s) & m)); }
INITCORE_INLINE vecd vecd_copysign(vecd a, vecd s) {
    veci64 m = veci64_set(INT64_MIN); return vecd_from_bits((vecd_bits(a) & ~m) | (vecd_bits(s) & m)); }

/* t[index mod 8], lane by lane. */
INITCORE_INLINE vecf vecf_lookup8(const float *t, veci32 index) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecf)_mm512_permutexvar_ps((__m512i)index,
                                       _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(t)),
                                                          _mm256_loadu_ps(t), 1));
#elif defined(__AVX2__)
    return (vecf)_mm256_permutevar8x32_ps(_mm256_loadu_ps(t), (__m256i)index);
#elif LANES_F32 == 1
    return t[index & 7];
#else
    vecf r; for (int i = 0; i < LANES_F32; i++) r[i] = t[index[i] & 7];
    return r;
#endif
}

/* t[index mod 16], lane by lane: one instruction where VECTOR_TABLES, not used elsewhere. */
INITCORE_INLINE vecd vecd_lookup16(const double *t, veci64 index) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecd)_mm512_permutex2var_pd(_mm512_loadu_pd(t), (__m512i)index, _mm512_loadu_pd(t + 8));
#elif LANES_F64 == 1
    return t[index & 15];
#else
    vecd r; for (int i = 0; i < LANES_F64; i++) r[i] = t[index[i] & 15];
    return r;
#endif
}

/* a / b but for one rounding in thousands, for finite a and b whose inverse is normal: Newton's iteration from a 14-bit estimate where a
   division is the bottleneck and the rest of the work is too little to hide it. */
#if defined(__AVX512F__) && VECTOR_BYTES == 64
INITCORE_INLINE vecf vecf_quotient(vecf a, vecf b) {
    vecf r = (vecf)_mm512_rcp14_ps((__m512)b), q;
    r = vecf_fma(vecf_fma(-b, r, vecf_set(1)), r, r);
    q = a * r;
    return vecf_fma(vecf_fma(-b, q, a), r, q);
}
INITCORE_INLINE vecd vecd_quotient(vecd a, vecd b) {
    vecd r = (vecd)_mm512_rcp14_pd((__m512d)b), q;
    r = vecd_fma(vecd_fma(-b, r, vecd_set(1)), r, r);
    q = a * r;
    return vecd_fma(vecd_fma(-b, q, a), r, q);
}
#else
INITCORE_INLINE vecf vecf_quotient(vecf a, vecf b) { return a / b; }
INITCORE_INLINE vecd vecd_quotient(vecd a, vecd b) { return a / b; }
#endif

/* Entry index mod 32 of the table low, high: one instruction where VECTOR_TABLES, not used elsewhere. */
#if defined(__AVX512F__) && VECTOR_BYTES == 64
#  define VECTOR_TABLES 1
INITCORE_INLINE vecf vecf_lookup32(vecf low, vecf high, veci32 index) {
    return (vecf)_mm512_permutex2var_ps((__m512)low, (__m512i)index, (__m512)high); }
#else
#  define VECTOR_TABLES 0
INITCORE_INLINE vecf vecf_lookup32(vecf low, vecf high, veci32 index) { (void)high; (void)index; return low; }
#endif

/* LANES_F64 floats widened to doubles, and doubles rounded to floats. */
INITCORE_INLINE vecd vecd_load_f32(const float *p) {
#if LANES_F64 == 1
    return (double)*p;
#else
    typedef float half __attribute__((vector_size(VECTOR_BYTES / 2)));
    half h; memcpy(&h, p, sizeof h); return __builtin_convertvector(h, vecd);
#endif
}
INITCORE_INLINE void vecd_store_f32(float *p, vecd v) {
#if LANES_F64 == 1
    *p = (float)v;
#else
    typedef float half __attribute__((vector_size(VECTOR_BYTES / 2)));
    half h = __builtin_convertvector(v, half); memcpy(p, &h, sizeof h);
#endif
}

/* a * b - p for p = round(a * b), exactly (but for underflow): Dekker's product where nothing fuses. */
INITCORE_INLINE vecf vecf_product_error(vecf a, vecf b, vecf p) {
#if VECTOR_FUSES
    return vecf_fma(a, b, -p);
#else
    veci32 high = veci32_set(-(1 << 12));
    vecf ah = vecf_from_bits(vecf_bits(a) & high), bh = vecf_from_bits(vecf_bits(b) & high);
    vecf al = a - ah, bl = b - bh;
    return ((ah * bh - p) + (ah * bl + al * bh)) + al * bl;
#endif
}
INITCORE_INLINE vecd vecd_product_error(vecd a, vecd b, vecd p) {
#if VECTOR_FUSES
    return vecd_fma(a, b, -p);
#else
    veci64 high = veci64_set(-(INT64_C(1) << 27));
    vecd ah = vecd_from_bits(vecd_bits(a) & high), bh = vecd_from_bits(vecd_bits(b) & high);
    vecd al = a - ah, bl = b - bh;
    return ((ah * bh - p) + (ah * bl + al * bh)) + al * bl;
#endif
}

/* ---- Words and conversions of philox.pxi ------------------------------------------------------------------ */

#define PHILOX_GROUP (16 * LANES_F64)                   /* words made at a time: 4 * LANES_F64 blocks */
#define PHILOX_VECTORS (PHILOX_GROUP / LANES_F32)
#if defined(__AVX512F__) && VECTOR_BYTES == 64
#  define NORMAL_STEP 4                                 /* vectors of normal values made in step */
#else
#  define NORMAL_STEP 2
#endif
#define LANE_PARTS (LANES_F32 / LANES_F64)              /* vecd a vecf widens to */

INITCORE_INLINE vecu64 vecu64_set(uint64_t x) { vecu64 z; memset(&z, 0, sizeof z); return z + x; }
INITCORE_INLINE vecu32 vecu32_load(const uint32_t *p) { vecu32 v; memcpy(&v, p, sizeof v); return v; }
INITCORE_INLINE void vecu32_store(uint32_t *p, vecu32 v) { memcpy(p, &v, sizeof v); }
INITCORE_INLINE vecd vecd_sqrt(vecd x) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecd)_mm512_sqrt_pd((__m512d)x);
#elif defined(__AVX__) && VECTOR_BYTES == 32
    return (vecd)_mm256_sqrt_pd((__m256d)x);
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return (vecd)_mm_sqrt_pd((__m128d)x);
#elif defined(INITCORE_NEON)
    return (vecd)vsqrtq_f64((float64x2_t)x);
#elif LANES_F64 == 1
    return sqrt(x);
#else
    vecd r; for (int i = 0; i < LANES_F64; i++) r[i] = sqrt(x[i]);
    return r;
#endif
}
/* Low 32 bits of each lane times low 32 bits, 64-bit product. */
INITCORE_INLINE vecu64 vecu64_mul32(vecu64 a, vecu64 b) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecu64)_mm512_mul_epu32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__) && VECTOR_BYTES == 32
    return (vecu64)_mm256_mul_epu32((__m256i)a, (__m256i)b);
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return (vecu64)_mm_mul_epu32((__m128i)a, (__m128i)b);
#elif defined(INITCORE_NEON)
    return (vecu64)vmull_u32(vmovn_u64((uint64x2_t)a), vmovn_u64((uint64x2_t)b));
#else
    return (a & 0xffffffffull) * (b & 0xffffffffull);
#endif
}

/* Hold a, b, c, d at this point of the program: without it the compiler runs interleaved chains one after another. */
INITCORE_INLINE void vecu64_hold(vecu64 *a, vecu64 *b, vecu64 *c, vecu64 *d) {
#if defined(__AVX2__)
    __asm__("" : "+x"(*a), "+x"(*b), "+x"(*c), "+x"(*d));
#else
    (void)a; (void)b; (void)c; (void)d;
#endif
}

/* Block numbers block + 0, 1, ... in the lane order that philox_pack undoes. */
INITCORE_INLINE vecu64 philox_blocks(uint64_t block) {
#if LANES_F64 == 8
    vecu64 order = {0, 4, 1, 5, 2, 6, 3, 7}; return order + block;
#elif LANES_F64 == 4
    vecu64 order = {0, 2, 1, 3}; return order + block;
#elif LANES_F64 == 2
    vecu64 order = {0, 1}; return order + block;
#else
    return block;
#endif
}

/* The low halves of c0 .. c3, block after block: 4 * LANES_F64 words. */
INITCORE_INLINE void philox_pack(vecu64 c0, vecu64 c1, vecu64 c2, vecu64 c3, vecu32 *out) {
#if LANES_F64 == 1
    out[0] = (uint32_t)c0; out[1] = (uint32_t)c1; out[2] = (uint32_t)c2; out[3] = (uint32_t)c3;
#else
    /* Twice the even 32-bit elements of two vectors, within 128 bits (spelled out: the compilers take longer ways). */
#  if defined(__AVX512F__) && VECTOR_BYTES == 64
#    define SHUFFLE(a, b, how) (vecu32)_mm512_shuffle_ps((__m512)(a), (__m512)(b), how)
    vecu32 x = SHUFFLE(c0, c1, 0x88), y = SHUFFLE(c2, c3, 0x88);
    out[0] = SHUFFLE(x, y, 0x88);
    out[1] = SHUFFLE(x, y, 0xdd);
#  elif defined(__AVX__)
#    define SHUFFLE(a, b, how) (vecu32)_mm256_shuffle_ps((__m256)(a), (__m256)(b), how)
    vecu32 x = SHUFFLE(c0, c1, 0x88), y = SHUFFLE(c2, c3, 0x88);
    out[0] = SHUFFLE(x, y, 0x88);
    out[1] = SHUFFLE(x, y, 0xdd);
#  elif defined(__SSE2__)
#    define SHUFFLE(a, b, how) (vecu32)_mm_shuffle_ps((__m128)(a), (__m128)(b), how)
    vecu32 x = SHUFFLE(c0, c1, 0x88), y = SHUFFLE(c2, c3, 0x88);
    out[0] = SHUFFLE(x, y, 0x88);
    out[1] = SHUFFLE(x, y, 0xdd);
#  elif defined(INITCORE_NEON)
    uint32x4_t x = vtrn1q_u32((uint32x4_t)c0, (uint32x4_t)c1), y = vtrn1q_u32((uint32x4_t)c2, (uint32x4_t)c3);
    out[0] = (vecu32)vzip1q_u64((uint64x2_t)x, (uint64x2_t)y);
    out[1] = (vecu32)vzip2q_u64((uint64x2_t)x, (uint64x2_t)y);
#  else
    for (int i = 0; i < LANES_F64; i++) {            /* 16-byte vectors: a block each */
        vecu32 v = {(uint32_t)c0[i], (uint32_t)c1[i], (uint32_t)c2[i], (uint32_t)c3[i]};
        out[i] = v;
    }
#  endif
#endif
}

/* The words in the lower or upper half of the lanes, zero-extended (all of them where there is one lane). */
INITCORE_INLINE vecu64 vecu64_from_words(vecu32 w, int upper) {
#if LANES_F64 == 1
    (void)upper; return w;
#elif defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecu64)_mm512_cvtepu32_epi64(upper ? _mm512_extracti64x4_epi64((__m512i)w, 1)
                                               : _mm512_castsi512_si256((__m512i)w));
#elif defined(__AVX2__)
    return (vecu64)_mm256_cvtepu32_epi64(upper ? _mm256_extracti128_si256((__m256i)w, 1)
                                               : _mm256_castsi256_si128((__m256i)w));
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return (vecu64)(upper ? _mm_unpackhi_epi32((__m128i)w, _mm_setzero_si128())
                          : _mm_unpacklo_epi32((__m128i)w, _mm_setzero_si128()));
#elif defined(INITCORE_NEON)
    return (vecu64)(upper ? vmovl_high_u32((uint32x4_t)w) : vmovl_u32(vget_low_u32((uint32x4_t)w)));
#else
    vecu64 r; for (int i = 0; i < LANES_F64; i++) r[i] = w[i + upper * LANES_F64];
    return r;
#endif
}

/* Exact float64 of integers below 2^32. */
INITCORE_INLINE vecd vecd_from_u32(vecu64 w) {
    return vecd_from_bits((veci64)(w | 0x4330000000000000ull)) - 4503599627370496.0; }

/* Float32's arithmetic done in float64 where nothing fuses: half a vecf widened, two numbers side by side, the nearest
   float32, and where that is doubtful since x is the midpoint of two (but for denormal ones). */
INITCORE_INLINE vecd vecd_half(vecf v, int upper) {
#if LANES_F64 == 1
    (void)upper; return (double)v;
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return (vecd)_mm_cvtps_pd(upper ? _mm_movehl_ps((__m128)v, (__m128)v) : (__m128)v);
#else
    vecd r; for (int i = 0; i < LANES_F64; i++) r[i] = v[i + upper * LANES_F64];
    return r;
#endif
}
INITCORE_INLINE vecd vecd_lookup(const double *t, const int *index) {
#if defined(__SSE2__) && VECTOR_BYTES == 16
    return (vecd)_mm_loadh_pd(_mm_load_sd(t + index[0]), t + index[1]);
#elif LANES_F64 == 1
    return t[*index];
#else
    vecd r; for (int i = 0; i < LANES_F64; i++) r[i] = t[index[i]];
    return r;
#endif
}
INITCORE_INLINE vecd vecd_single(vecd x) {
#if defined(__SSE2__) && VECTOR_BYTES == 16
    return (vecd)_mm_cvtps_pd(_mm_cvtpd_ps((__m128d)x));
#elif LANES_F64 == 1
    return (double)(float)x;
#else
    vecd r; for (int i = 0; i < LANES_F64; i++) r[i] = (double)(float)x[i];
    return r;
#endif
}
INITCORE_INLINE veci64 vecd_midpoint(vecd x) {
#if defined(__SSE2__) && VECTOR_BYTES == 16        /* 64-bit lanes have no comparison; a half that is all ones will do */
    return (veci64)_mm_cmpeq_epi32(_mm_and_si128((__m128i)x, _mm_set1_epi64x(0x1fffffff)),
                                   _mm_set1_epi64x(-0xf0000000LL));
#else
    return MASK64((vecd_bits(x) & 0x1fffffff) == 0x10000000);
#endif
}

/* Float32 of signed integers, rounded to nearest. */
INITCORE_INLINE vecf vecf_from_i32(veci32 v) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_convertvector(v, vecf);
#else
    return (float)v;
#endif
}

/* Two float64 vectors rounded to one float32 vector (one lane: `high` is not read). */
INITCORE_INLINE vecf vecf_from_vecd(vecd low, vecd high) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecf)_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps((__m512d)low)),
                                    _mm512_cvtpd_ps((__m512d)high), 1);
#elif defined(__AVX2__) && VECTOR_BYTES == 32
    return (vecf)_mm256_insertf128_ps(_mm256_castps128_ps256(_mm256_cvtpd_ps((__m256d)low)),
                                      _mm256_cvtpd_ps((__m256d)high), 1);
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return (vecf)_mm_movelh_ps(_mm_cvtpd_ps((__m128d)low), _mm_cvtpd_ps((__m128d)high));
#elif defined(INITCORE_NEON)
    return (vecf)vcvt_high_f32_f64(vcvt_f32_f64((float64x2_t)low), (float64x2_t)high);
#elif LANES_F64 == 1
    (void)high; return (float)low;
#else
    vecf r; for (int i = 0; i < LANES_F64; i++) { r[i] = (float)low[i]; r[i + LANES_F64] = (float)high[i]; }
    return r;
#endif
}

/* One bit a lane. */
INITCORE_INLINE unsigned veci32_mask(veci32 m) {
#if defined(__AVX512DQ__) && VECTOR_BYTES == 64
    return (unsigned)_mm512_movepi32_mask((__m512i)m);
#elif defined(__AVX2__) && VECTOR_BYTES == 32
    return (unsigned)_mm256_movemask_ps((__m256)m);
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return (unsigned)_mm_movemask_ps((__m128)m);
#elif defined(INITCORE_NEON)
    uint32x4_t bit = {1, 2, 4, 8}; return vaddvq_u32(vandq_u32((uint32x4_t)m, bit));
#elif LANES_F32 == 1
    return (unsigned)m & 1u;
#else
    unsigned r = 0; for (int i = 0; i < LANES_F32; i++) r |= ((unsigned)m[i] & 1u) << i;
    return r;
#endif
}
INITCORE_INLINE unsigned veci64_mask(veci64 m) {
#if defined(__AVX512DQ__) && VECTOR_BYTES == 64
    return (unsigned)_mm512_movepi64_mask((__m512i)m);
#elif defined(__AVX2__) && VECTOR_BYTES == 32
    return (unsigned)_mm256_movemask_pd((__m256d)m);
#elif defined(__SSE2__) && VECTOR_BYTES == 16
    return (unsigned)_mm_movemask_pd((__m128d)m);
#elif LANES_F64 == 1
    return (unsigned)m & 1u;
#else
    unsigned r = 0; for (int i = 0; i < LANES_F64; i++) r |= ((unsigned)m[i] & 1u) << i;
    return r;
#endif
}
/* Where p < limit a, else b, and a bit for each lane where that is so. */
INITCORE_INLINE vecf vecf_choose(vecf p, vecf limit, vecf a, vecf b, unsigned *below) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    __mmask16 k = _mm512_cmp_ps_mask((__m512)p, (__m512)limit, _CMP_LT_OQ);
    *below = k;
    return (vecf)_mm512_mask_blend_ps(k, (__m512)b, (__m512)a);
#else
    veci32 m = vecf_lt(p, limit);
    *below = veci32_mask(m);
    return vecf_select(m, a, b);
#endif
}
INITCORE_INLINE int lowest_bit(uint64_t bits) {
#if defined(__GNUC__) || defined(__clang__)
    return __builtin_ctzll(bits);
#else
    int n = 0; while (!(bits & 1u)) { bits >>= 1; n++; } return n;
#endif
}

/* Half precision, rounded to nearest, ties to even; overflow gives infinity. No NaN comes in. */
INITCORE_INLINE uint16_t half_bits(float f) {
    uint32_t b, sign; memcpy(&b, &f, 4);
    sign = (b >> 16) & 0x8000u; b &= 0x7fffffffu;
    if (b >= 0x47800000u) return (uint16_t)(sign | 0x7c00u);
    if (b < 0x38800000u) {                      /* below 2^-14: adding 1/2 rounds at the last place, 2^-24 */
        float x; memcpy(&x, &b, 4); x += 0.5f; memcpy(&b, &x, 4);
        return (uint16_t)(sign | (b - 0x3f000000u));
    }
    return (uint16_t)(sign | ((b - 0x38000000u + 0xfffu + ((b >> 13) & 1u)) >> 13));
}
INITCORE_INLINE void vecf_store_half(uint16_t *p, vecf v) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph((__m512)v, 0));
#elif defined(__F16C__) && VECTOR_BYTES == 32
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph((__m256)v, 0));
#else
    uint16_t lane[LANES_F32];               /* p need not be aligned */
    for (int i = 0; i < LANES_F32; i++) lane[i] = half_bits(LANE(v, i));
    memcpy(p, lane, sizeof lane);
#endif
}
INITCORE_INLINE void vecf_store_bfloat(uint16_t *p, vecf v) {
    vecu32 b = (vecu32)vecf_bits(v);
    b = (b + 0x7fffu + ((b >> 16) & 1u)) >> 16;
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtepi32_epi16((__m512i)b));
#elif defined(__AVX2__) && VECTOR_BYTES == 32
    _mm_storeu_si128((__m128i *)p, _mm_packus_epi32(_mm256_castsi256_si128((__m256i)b),
                                                   _mm256_extracti128_si256((__m256i)b, 1)));
#else
    uint16_t lane[LANES_F32];
    for (int i = 0; i < LANES_F32; i++) lane[i] = (uint16_t)LANE(b, i);
    memcpy(p, lane, sizeof lane);
#endif
}

#endif
