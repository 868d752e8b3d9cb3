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

#include <stddef.h>
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
INITCORE_INLINE vecf vecf_set(float x) { vecf z; memset(&z, 0, sizeof z); return x - z; }   /* exact; + is not for -0 */
INITCORE_INLINE vecd vecd_set(double x) { vecd z; memset(&z, 0, sizeof z); return x - z; }
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

/* dst[j, i] := src[i, j] of a square block as wide as a 32-byte vector: 8x8 float32, 4x4 float64. */
#if defined(__has_builtin)
#  if __has_builtin(__builtin_shufflevector)
#    define INITCORE_SHUFFLE 1
#  endif
#endif
#ifdef INITCORE_SHUFFLE
typedef float  transpose_f __attribute__((vector_size(32)));
typedef double transpose_d __attribute__((vector_size(32)));
#  define SHUFFLE8(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
INITCORE_INLINE void transpose_f32(const float *src, ptrdiff_t src_row, float *dst, ptrdiff_t dst_row) {
    transpose_f r[8], t[8];
    for (int i = 0; i < 8; i++) memcpy(&r[i], src + i * src_row, sizeof r[i]);
    for (int i = 0; i < 8; i += 2) {
        t[i] = SHUFFLE8(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        t[i + 1] = SHUFFLE8(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15); }
    for (int i = 0; i < 8; i += 4) {
        r[i] = SHUFFLE8(t[i], t[i + 2], 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 1] = SHUFFLE8(t[i], t[i + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        r[i + 2] = SHUFFLE8(t[i + 1], t[i + 3], 0, 1, 8, 9, 4, 5, 12, 13);
        r[i + 3] = SHUFFLE8(t[i + 1], t[i + 3], 2, 3, 10, 11, 6, 7, 14, 15); }
    for (int i = 0; i < 4; i++) {
        t[i] = SHUFFLE8(r[i], r[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        t[i + 4] = SHUFFLE8(r[i], r[i + 4], 4, 5, 6, 7, 12, 13, 14, 15); }
    for (int i = 0; i < 8; i++) memcpy(dst + i * dst_row, &t[i], sizeof t[i]);
}
INITCORE_INLINE void transpose_f64(const double *src, ptrdiff_t src_row, double *dst, ptrdiff_t dst_row) {
    transpose_d r[4], t[4];
    for (int i = 0; i < 4; i++) memcpy(&r[i], src + i * src_row, sizeof r[i]);
    for (int i = 0; i < 4; i += 2) {
        t[i] = SHUFFLE8(r[i], r[i + 1], 0, 4, 2, 6);
        t[i + 1] = SHUFFLE8(r[i], r[i + 1], 1, 5, 3, 7); }
    for (int i = 0; i < 2; i++) {
        r[i] = SHUFFLE8(t[i], t[i + 2], 0, 1, 4, 5);
        r[i + 2] = SHUFFLE8(t[i], t[i + 2], 2, 3, 6, 7); }
    for (int i = 0; i < 4; i++) memcpy(dst + i * dst_row, &r[i], sizeof r[i]);
}
#else
INITCORE_INLINE void transpose_f32(const float *src, ptrdiff_t src_row, float *dst, ptrdiff_t dst_row) {
    for (int i = 0; i < 8; i++) for (int j = 0; j < 8; j++) dst[j * dst_row + i] = src[i * src_row + j]; }
INITCORE_INLINE void transpose_f64(const double *src, ptrdiff_t src_row, double *dst, ptrdiff_t dst_row) {
    for (int i = 0; i < 4; i++) for (int j = 0; j < 4; j++) dst[j * dst_row + i] = src[i * src_row + j]; }
#endif

#endif
