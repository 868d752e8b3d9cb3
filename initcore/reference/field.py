"""Exact arithmetic on floating-point numbers: the field F_p with p = 2^61 - 1, in plain NumPy.

Design
A. Every finite float is m 2^e with integers m, e. Since 2^61 = 1 in F_p, the map m 2^e -> m 2^(e mod 61) mod p
   respects sums and products: equal sums of floats have equal images, whatever rounding does to them.
   Unequal ones collide for a random projection with probability 1/p = 4.3e-19.
B. Numbers are uint64 in [0, p). Products split into 31-bit halves, so nothing needs 128 bits.
C. Random values are splitmix64 of a counter: reproducible, independent of any global state.

This is the specification of src/variant/ties.pxi and the arithmetic for vectors (biases, cell values).
"""

import numpy as np

Array = np.ndarray
P = (1 << 61) - 1
_P = np.uint64(P)
_ALL = (1 << 64) - 1
_MASK31 = np.uint64((1 << 31) - 1)
_MASK30 = np.uint64((1 << 30) - 1)


def reduce(x: Array) -> Array:
    """``x mod p`` for any uint64."""
    x = (x & _P) + (x >> np.uint64(61))
    return x - np.where(x >= _P, _P, np.uint64(0))


def add(a: Array, b: Array) -> Array:
    """``a + b mod p``."""
    return reduce(a + b)


def negative(a: Array) -> Array:
    """``-a mod p``."""
    return np.where(a == 0, a, _P - a)


def multiply(a: Array, b: Array) -> Array:
    """``a b mod p``: halves of 31 and 30 bits, 2^62 = 2 and 2^61 = 1."""
    a1, a0 = a >> np.uint64(31), a & _MASK31
    b1, b0 = b >> np.uint64(31), b & _MASK31
    cross = a1 * b0 + a0 * b1
    return reduce(reduce(a1 * b1 * np.uint64(2) + (cross >> np.uint64(30)) + ((cross & _MASK30) << np.uint64(31)))
                  + reduce(a0 * b0))


def inverse(a: Array) -> Array:
    """``a^(p-2) mod p`` (0 stays 0); +-1 are their own inverses, equal values are worked out once."""
    plain = (a == 1) | (a == _P - np.uint64(1))
    if plain.all():
        return a
    base, back = np.unique(a, return_inverse=True)
    if len(base) <= 100:
        few = np.array([pow(int(x), P - 2, P) for x in base], dtype=np.uint64)
        return few[back].reshape(a.shape)
    result, k = np.ones_like(base), P - 2
    while k:
        if k & 1:
            result = multiply(result, base)
        base, k = multiply(base, base), k >> 1
    return result[back].reshape(a.shape)


def total(a: Array, axis: int = 0) -> Array:
    """``sum_i a_i mod p`` along an axis of fewer than 2^32 elements."""
    low = np.sum(a & _MASK31, axis=axis, dtype=np.uint64)
    high = np.sum(a >> np.uint64(31), axis=axis, dtype=np.uint64)
    return reduce(reduce(np.asarray(low)) + multiply(reduce(np.asarray(high)), np.asarray(1 << 31, np.uint64)))


def embed(x: Array) -> Array:
    """The image of floats in F_p (float32 or float64, finite)."""
    mantissa, exponent = np.frexp(np.asarray(x, dtype=np.float64))
    integer = np.abs(np.ldexp(mantissa, 53)).astype(np.uint64)          # x = +- integer 2^(exponent - 53)
    shift = ((exponent.astype(np.int64) - 53) % 61).astype(np.uint64)
    value = multiply(integer, np.uint64(1) << shift)
    return np.where(mantissa < 0, negative(value), value)


def mix(x: Array) -> Array:
    """splitmix64's output function: a bijection of 64-bit words without visible structure."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def words(n: int, *seed: int) -> Array:
    """n random 64-bit words named by some integers."""
    state = 0x9E3779B97F4A7C15
    for s in seed:
        state = _mix_int((state ^ s * 0xD1342543DE82EF95) & _ALL)
    return mix(np.uint64(state) + np.arange(1, n + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def _mix_int(x: int) -> int:
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 & _ALL
    x = (x ^ (x >> 27)) * 0x94D049BB133111EB & _ALL
    return x ^ (x >> 31)


def uniform(w: Array) -> Array:
    """Words as float64 in [-1, 1), none within 2^-53 of 0."""
    return ((w >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0 ** -52 - 1.0


def element(w: Array) -> Array:
    """Words as elements of F_p, none zero."""
    return w % np.uint64(P - 1) + np.uint64(1)


def bits(x: Array) -> Array:
    """The float64 bit pattern of floats, -0.0 as 0.0."""
    return (np.asarray(x, dtype=np.float64) + 0.0).view(np.uint64)
