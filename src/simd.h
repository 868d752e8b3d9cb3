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
INITCORE_INLINE vecf vecf_select(veci32 m, vecf a, vecf b) {
    return vecf_from_bits((m & vecf_bits(a)) | (~m & vecf_bits(b))); }
INITCORE_INLINE vecd vecd_select(veci64 m, vecd a, vecd b) {
    return vecd_from_bits((m & vecd_bits(a)) | (~m & vecd_bits(b))); }
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

#endif
