/* The vector type and the few operations Cython cannot spell: the only C of initcore.
 *
 * Design
 * A. `vecf`/`vecd` are GCC/Clang vector-extension types, so that Cython's own + - * / become vector
 *    instructions on any target; elsewhere they are plain scalars with one lane (correct, slow).
 * B. Nothing is contracted behind our back (-ffp-contract=off). `*_muladd` fuses where the instruction set
 *    has FMA (results differ by variant, used in products); `*_fma` is the exact fused operation everywhere
 *    (bits equal on every variant, slow without hardware; used where bits are promised).
 * C. Masks are integer vectors, all ones or all zeros; `*_select` blends with them.
 */
#ifndef INITCORE_SIMD_H
#define INITCORE_SIMD_H

#include <stdint.h>
#include <string.h>
#include <math.h>

#if defined(__GNUC__) || defined(__clang__)
#  if defined(__AVX512F__)
#    define VECTOR_BYTES 64
#  else
#    define VECTOR_BYTES 32
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

#if defined(__FMA__)
#  include <immintrin.h>
#endif

/* Unaligned loads and stores, broadcasts, bit casts. */
INITCORE_INLINE vecf vecf_load(const float *p) { vecf v; memcpy(&v, p, sizeof v); return v; }
INITCORE_INLINE vecd vecd_load(const double *p) { vecd v; memcpy(&v, p, sizeof v); return v; }
INITCORE_INLINE void vecf_store(float *p, vecf v) { memcpy(p, &v, sizeof v); }
INITCORE_INLINE void vecd_store(double *p, vecd v) { memcpy(p, &v, sizeof v); }
INITCORE_INLINE vecf vecf_set(float x) { vecf z; memset(&z, 0, sizeof z); return z + x; }
INITCORE_INLINE vecd vecd_set(double x) { vecd z; memset(&z, 0, sizeof z); return z + x; }
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

/* a * b + c rounded once, on every variant. */
INITCORE_INLINE vecf vecf_fma(vecf a, vecf b, vecf c) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecf)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif defined(__FMA__)
    return (vecf)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif LANES_F32 == 1
    return fmaf(a, b, c);
#else
    vecf r; for (int i = 0; i < LANES_F32; i++) r[i] = fmaf(a[i], b[i], c[i]);
    return r;
#endif
}
INITCORE_INLINE vecd vecd_fma(vecd a, vecd b, vecd c) {
#if defined(__AVX512F__) && VECTOR_BYTES == 64
    return (vecd)_mm512_fmadd_pd((__m512d)a, (__m512d)b, (__m512d)c);
#elif defined(__FMA__)
    return (vecd)_mm256_fmadd_pd((__m256d)a, (__m256d)b, (__m256d)c);
#elif LANES_F64 == 1
    return fma(a, b, c);
#else
    vecd r; for (int i = 0; i < LANES_F64; i++) r[i] = fma(a[i], b[i], c[i]);
    return r;
#endif
}

/* a * b + c, rounded once where the hardware fuses, twice elsewhere. */
#if defined(__FMA__)
#  define vecf_muladd vecf_fma
#  define vecd_muladd vecd_fma
#else
INITCORE_INLINE vecf vecf_muladd(vecf a, vecf b, vecf c) { return a * b + c; }
INITCORE_INLINE vecd vecd_muladd(vecd a, vecd b, vecd c) { return a * b + c; }
#endif

/* --- elementwise functions ------------------------------------------------------------------- */

/* Whether muladd is one rounding: where it is two, a few kernels take a longer, as accurate way. */
#if defined(__FMA__)
#  define VECTOR_FUSES 1
#else
#  define VECTOR_FUSES 0
#endif

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

/* Whether any lane of a mask is set. */
INITCORE_INLINE int vecf_any(veci32 m) {
#if LANES_F32 == 1
    return m != 0;
#else
    int32_t r = 0; for (int i = 0; i < LANES_F32; i++) r |= m[i];
    return r != 0;
#endif
}
INITCORE_INLINE int vecd_any(veci64 m) {
#if LANES_F64 == 1
    return m != 0;
#else
    int64_t r = 0; for (int i = 0; i < LANES_F64; i++) r |= m[i];
    return r != 0;
#endif
}

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

#endif
