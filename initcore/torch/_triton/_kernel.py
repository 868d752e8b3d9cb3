"""The arithmetic of stream v1 in Triton, with the bits of the CPU's kernels.

Design
A. It is src/variant/random line by line: every multiply-add written as fma is ``tl.fma``, nothing else may fuse
   (``enable_fp_fusion=False`` at the launch), constants are exact in the precision they are used in.
B. Where numbers follow one another a program makes whole Philox blocks, four words each, and interleaves them; any
   first number will do, what lies outside is masked. Elsewhere (a transposed view) every element makes its block.
C. One table of 39 octaves serves centre and tail of the float32 normal.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _words(block, s0, s1, k0, k1):  # type: ignore[no-untyped-def]
    """The four words of Philox blocks: ten rounds on the counter (block low, block high, s0, s1)."""
    c0 = block.to(tl.uint32)
    c1 = (block >> 32).to(tl.uint32)
    c2 = tl.zeros_like(c0) + s0
    c3 = tl.zeros_like(c0) + s1
    for _ in tl.static_range(10):
        p0 = c0.to(tl.uint64) * 0xD2511F53
        p1 = c2.to(tl.uint64) * 0xCD9E8D57
        c0 = (p1 >> 32).to(tl.uint32) ^ c1 ^ k0
        c2 = (p0 >> 32).to(tl.uint32) ^ c3 ^ k1
        c1 = p1.to(tl.uint32)
        c3 = p0.to(tl.uint32)
        k0 = k0 + tl.full((), 0x9E3779B9, tl.uint32)
        k1 = k1 + tl.full((), 0xBB67AE85, tl.uint32)
    return c0, c1, c2, c3


@triton.jit
def _drawn(number, s0, s1, k0, k1, UNIT: tl.constexpr, BLOCK: tl.constexpr):  # type: ignore[no-untyped-def]
    """A word an element: of ``number`` (UNIT: block numbers, BLOCK / 4 of them, four elements each)."""
    if UNIT:
        w0, w1, w2, w3 = _words(number, s0, s1, k0, k1)
        return tl.interleave(tl.interleave(w0, w2), tl.interleave(w1, w3))
    else:
        w0, w1, w2, w3 = _words(number >> 2, s0, s1, k0, k1)
        lane = (number & 3).to(tl.int32)
        return tl.where(lane < 2, tl.where(lane == 0, w0, w1), tl.where(lane == 2, w2, w3))


@triton.jit
def _ratio_f32(p, table):  # type: ignore[no-untyped-def]
    """Phi^-1(p) / (1/2 - p) / 2^32 from 2^32 p in [2^-8, 2^31]."""
    bits = tl.minimum(p, 2147483520.0).to(tl.int32, bitcast=True)
    t = ((bits & 0x007FFFFF) | 0x3F800000).to(tl.float32, bitcast=True) - 1.5
    row = table + ((bits >> 23) - 119) * 8
    r = tl.load(row + 7)
    for j in tl.static_range(7):
        r = tl.fma(r, t, tl.load(row + (6 - j)))
    return r


@triton.jit
def _polynomial(x, c, DEGREE: tl.constexpr):  # type: ignore[no-untyped-def]
    """sum_j c[j] x^j by Horner's rule."""
    r = tl.zeros_like(x) + tl.load(c + DEGREE)
    for j in tl.static_range(DEGREE):
        r = tl.fma(r, x, tl.zeros_like(x) + tl.load(c + (DEGREE - 1 - j)))
    return r


@triton.jit
def _f64(x, value: tl.constexpr):  # type: ignore[no-untyped-def]
    """A float64 constant in the shape of x."""
    return tl.full(x.shape, value, tl.float64)


@triton.jit
def _log(x, table):  # type: ignore[no-untyped-def]
    """log x."""
    bits = x.to(tl.int64, bitcast=True)
    lifted = bits - 0x3FE6A09E667F3BCD + (1024 << 52)
    k = ((lifted >> 52) & 0xFFF).to(tl.float64) - 1024.0
    f = (bits - ((lifted >> 52) << 52) + (1024 << 52)).to(tl.float64, bitcast=True) - 1.0
    s = f / (f + 2.0)
    v = s * s
    half = f * f * 0.5
    low = tl.fma(s, tl.fma(v, _polynomial(v, table, 7), half), k * _f64(x, 1.9082149292705877e-10))
    return tl.fma(k, _f64(x, 6.93147180369123816490e-01), f - (half - low))


@triton.jit
def _inverse_f64(p, q, table):  # type: ignore[no-untyped-def]
    """z = Phi^-1(p), with the sign of q: q = 1/2 - p, or its negative."""
    size = tl.abs(q)
    y = 4.0 * p * (0.5 + size)
    r = _polynomial(tl.fma(_log(y, table), _f64(p, -0.5), _f64(p, -1.0)), table + 8, 20)
    log_p = tl.minimum(_log(p, table), -5.3)
    root = tl.sqrt(0.0 - log_p)
    near = tl.fma(1.0 / root, _f64(p, 6.970334235685515), _f64(p, -2.027719714762922))
    far = root * _polynomial(near, table + 29, 21)
    far = tl.where(q > 0, 0.0 - far, far)
    return tl.where(y < _f64(p, 0.01831563888873418), far, q * r)


@triton.jit(do_not_specialize=["first", "step", "place", "n", "row_step", "row_place", "k0", "k1", "s0", "s1"])
def fill_kernel(out, octaves, doubles, params, first, step, place, n, row_step, row_place,  # type: ignore[no-untyped-def]
          k0, k1, s0, s1,
          DIST: tl.constexpr, F64: tl.constexpr, BF16: tl.constexpr, UNIT: tl.constexpr,
          EVEN: tl.constexpr, BLOCK: tl.constexpr):
    """Row program_id(1): n elements, numbers ``first + row row_step + j step``, places ``row row_place + j place``."""
    row = tl.program_id(1).to(tl.int64)
    start = (first + row * row_step).to(tl.uint64)
    j = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    k0, k1, s0, s1 = k0.to(tl.uint32), k1.to(tl.uint32), s0.to(tl.uint32), s1.to(tl.uint32)
    if UNIT:
        number = (start >> 2) + tl.program_id(0).to(tl.uint64) * (BLOCK // 4) + tl.arange(0, BLOCK // 4).to(tl.uint64)
        j = j - (start & 3).to(tl.int64)
    else:
        number = start + (j * step).to(tl.uint64)
    w = _drawn(number, s0, s1, k0, k1, UNIT, BLOCK)
    keep = (j >= 0) & (j < n)
    at = out + row * row_place + (j if EVEN else j * place)
    if DIST == 0:
        tl.store(at, w.to(tl.int32, bitcast=True), mask=keep)
    else:
        a, b = tl.load(params), tl.load(params + 1)
        low, high = tl.load(params + 2), tl.load(params + 3)
        if F64:
            rest = _drawn(number, s0, s1 ^ tl.full((), 0x80000000, tl.uint32), k0, k1, UNIT, BLOCK)
            if DIST == 1:
                y = w.to(tl.float64) * 2.3283064365386963e-10 + (rest >> 11).to(tl.float64) * 1.1102230246251565e-16
                x = tl.minimum(a + b * y, low)
            elif DIST == 2:
                upper, lower = (w & 0x7FFFFFFF).to(tl.float64), rest.to(tl.float64) + 0.5
                p = upper * 2.3283064365386963e-10 + lower * 5.421010862427522e-20
                q_high, q_low = _f64(w, 2147483647.0) - upper, 4294967296.0 - lower
                q = q_high * 2.3283064365386963e-10 + q_low * 5.421010862427522e-20
                x = a + b * _inverse_f64(p, tl.where((w >> 31) != 0, 0.0 - q, q), doubles)
            else:
                upper, lower = w.to(tl.float64), rest.to(tl.float64) + 0.5
                u = upper * 2.3283064365386963e-10 + lower * 5.421010862427522e-20
                v_high, v_low = _f64(w, 4294967295.0) - upper, 4294967296.0 - lower
                v = v_high * 2.3283064365386963e-10 + v_low * 5.421010862427522e-20
                x = a + b * _between(u, v, params, doubles)
        else:
            a, b = a.to(tl.float32), b.to(tl.float32)
            if DIST == 1:
                x = tl.minimum(a + b * ((w >> 8).to(tl.float32) * 5.9604644775390625e-08), low.to(tl.float32))
            elif DIST == 2:
                m = w & 0x7FFFFFFF
                p = m.to(tl.float32)
                p = tl.where(p < 8388608.0, p + 0.5, p)
                q = (0x7FFFFFFF - m).to(tl.float32) + 0.5
                x = a + b * (tl.where((w >> 31) != 0, 0.0 - q, q) * _ratio_f32(p, octaves))
            else:
                if DIST == 3:
                    u = w.to(tl.float64) + 0.5
                    share = tl.zeros_like(u) + tl.load(params + 6)
                    below = tl.fma(share, u, tl.zeros_like(u) + tl.load(params + 4))
                    above = tl.fma(share, 4294967296.0 - u, tl.zeros_like(u) + tl.load(params + 5))
                    q = (2147483648.0 - below).to(tl.float32)
                    p = tl.minimum(below.to(tl.float32), above.to(tl.float32))
                    z = q * _ratio_f32(p, octaves)
                else:
                    u = (w.to(tl.float64) + 0.5) * 2.3283064365386963e-10
                    v = (_f64(w, 4294967295.5) - w.to(tl.float64)) * 2.3283064365386963e-10
                    z = _between(u, v, params, doubles).to(tl.float32)
                x = a + b * tl.minimum(tl.maximum(z, low.to(tl.float32)), high.to(tl.float32))
        if BF16:                                        # to nearest, ties to even
            raw = x.to(tl.uint32, bitcast=True)
            raw = (raw + 0x7FFF + ((raw >> 16) & 1)) >> 16
            tl.store(at, raw.to(tl.uint16).to(tl.bfloat16, bitcast=True), mask=keep)
        else:
            tl.store(at, x.to(out.dtype.element_ty), mask=keep)


@triton.jit
def _between(u, v, params, table):  # type: ignore[no-untyped-def]
    """z between the bounds params[2], params[3] from u and v = 1 - u: Phi(lower), Q(upper), the share follow."""
    share = tl.zeros_like(u) + tl.load(params + 6)
    p = tl.fma(share, u, tl.zeros_like(u) + tl.load(params + 4))
    q = 0.5 - p
    p = tl.minimum(p, tl.fma(share, v, tl.zeros_like(u) + tl.load(params + 5)))
    z = _inverse_f64(p, q, table)
    return tl.minimum(tl.maximum(z, tl.load(params + 2)), tl.load(params + 3))
