"""Exact arithmetic on floating-point numbers: two prime fields drawn at random, in plain NumPy.

Design
A. Every finite float is m 2^e with integers m, e, so it has an image m 2^e mod p for every odd prime p, and equal
   sums of floats have equal images whatever rounding does to them. Two unequal sums of float64 differ by
   N 2^-1074, N an integer below 2^2200, which at most 36 primes above 2^61 divide. There are 5.4e16 primes between
   2^61 and 2^62: for two of them drawn independently of the weights, both images agree with probability below 1e-30
   (1e-29 for ratios of sums, whose difference has twice as many digits).
B. So primes and random words are drawn once a process from the system's entropy (:func:`drawn`): whoever makes
   the weights cannot know them. No answer depends on them, up to that probability.
C. Numbers are uint64 in [0, p), arrays ``(..., 2, n)``: one row a prime. Products are exact in two words and reduced
   by Montgomery's method.
D. Random values are splitmix64 of a counter: reproducible from their name, independent of any global state.

This is the specification of src/variant/ties.pxi and the arithmetic for vectors (biases, cell values).
References: Montgomery 1985; Schwartz 1980 (a random projection of unequal vectors agrees with probability 1/p).
"""

import functools
import os
from dataclasses import dataclass

import numpy as np

from .._types import Array

_ALL = (1 << 64) - 1
_LOW = np.uint64((1 << 32) - 1)
_32 = np.uint64(32)
EXPONENTS = 2048                          # biased exponents of float64, 2047 (not finite) unused


def _product(a: Array, b: Array) -> tuple[Array, Array]:
    """High and low word of ``a b``."""
    a1, a0, b1, b0 = a >> _32, a & _LOW, b >> _32, b & _LOW
    low, left, right = a0 * b0, a1 * b0, a0 * b1
    middle = (low >> _32) + (left & _LOW) + (right & _LOW)
    return a1 * b1 + (left >> _32) + (right >> _32) + (middle >> _32), (low & _LOW) | (middle << _32)


@dataclass(frozen=True)
class Field:
    """The pair of fields of two primes between 2^61 and 2^62, and what Montgomery's method needs of each.

    p, inverse_p, square : ``(2, 1)``: the primes, 1/p mod 2^64, 2^128 mod p.
    powers : ``(2, 2048)``: 2^(e - 1075) mod p for the biased exponent e, times 2^128.
    secret : two words that name the random values of exact sums, one a prime.
    """

    primes: tuple[int, int]
    p: Array
    inverse_p: Array
    square: Array
    powers: Array
    secret: tuple[int, int]

    @classmethod
    def of(cls, primes: tuple[int, int], secret: tuple[int, int] = (0, 1)) -> "Field":
        """The fields of two primes."""
        powers = np.empty((2, EXPONENTS), dtype=np.uint64)
        for row, p in enumerate(primes):
            power = pow(2, -1074, p) * pow(2, 128, p) % p
            for e in range(EXPONENTS):
                if e > 1:                 # 0, the denormals, has the exponent of 1
                    power = 2 * power % p
                powers[row, e] = power
        column = [[p] for p in primes]
        return cls(primes, np.array(column, np.uint64), np.array([[pow(p, -1, 1 << 64)] for p in primes], np.uint64),
                   np.array([[pow(2, 128, p)] for p in primes], np.uint64), powers, secret)

    def _reduced(self, high: Array, low: Array) -> Array:
        """``(high 2^64 + low) / 2^64 mod p`` for high < p."""
        t = _product(low * self.inverse_p, self.p)[0]
        return np.where(high >= t, high - t, high + self.p - t)

    def add(self, a: Array, b: Array) -> Array:
        """``a + b mod p``."""
        s = a + b
        return np.where(s >= self.p, s - self.p, s)

    def negative(self, a: Array) -> Array:
        """``-a mod p``."""
        return np.where(a == 0, a, self.p - a)

    def multiply(self, a: Array, b: Array) -> Array:
        """``a b mod p``."""
        return self._reduced(*_product(self._reduced(*_product(a, b)), self.square))

    def inverse(self, a: Array) -> Array:
        """``a^-1 mod p`` (0 stays 0); +-1 are their own inverses."""
        if self.is_sign(a):
            return a
        rows = a.reshape(-1, 2, a.shape[-1])
        return np.array([[_inverses(row, p) for row, p in zip(pair, self.primes)] for pair in rows.tolist()],
                        dtype=np.uint64).reshape(a.shape)

    def is_sign(self, a: Array) -> bool:
        """Are all elements 1 or -1?"""
        return bool(((a == 1) | (a == self.p - np.uint64(1))).all())

    def sign(self, negative: Array) -> Array:
        """-1 where ``negative``, else 1: shape (2, n)."""
        return np.where(negative, self.p - np.uint64(1), np.uint64(1))

    def size(self, a: Array) -> Array:
        """The canonical one of a and -a: that below p/2 for the first prime (for the second where the first is 0)."""
        return np.where(self.upper(a), self.negative(a), a)

    def upper(self, a: Array) -> Array:
        """Is -a the canonical one of a and -a? Shape (..., 1, n)."""
        above = a > self.p // np.uint64(2)
        return np.where(a[..., :1, :] == 0, above[..., 1:, :], above[..., :1, :])

    def total(self, a: Array) -> Array:
        """``sum_i a_i mod p`` along the last axis."""
        while a.shape[-1] > 1:
            if a.shape[-1] % 2:
                a = np.concatenate([a, np.zeros_like(a[..., :1])], axis=-1)
            a = self.add(a[..., ::2], a[..., 1::2])
        return a[..., 0] if a.shape[-1] else np.zeros(a.shape[:-1], dtype=np.uint64)

    def embed(self, x: Array) -> Array:
        """The images ``(2, n)`` of n finite floats."""
        b = bits(x)
        e, m = (b >> np.uint64(52)) & np.uint64(EXPONENTS - 1), b & np.uint64((1 << 52) - 1)
        m = np.where(e == 0, m, m | np.uint64(1 << 52))
        value = self._reduced(*_product(self._reduced(*_product(m, self.powers[:, e.astype(np.intp)])),
                                        np.ones((2, 1), np.uint64)))
        return np.where(b >> np.uint64(63) != 0, self.negative(value), value)

    def elements(self, w: Array) -> Array:
        """Random words as elements, none zero."""
        return w % (self.p - np.uint64(1)) + np.uint64(1)

    def words(self, k: int, count: int, *name: int) -> Array:
        """Secret random words ``(k, 2, count)``; the two rows have nothing in common."""
        return np.stack([words(k * count, s, *name).reshape(k, count) for s in self.secret], axis=1)


def _inverses(row: list[int], p: int) -> list[int]:
    """``x^-1 mod p`` of each x, 0 of 0: one inverse of all their product, then the others' products (Montgomery 1987).

    >>> _inverses([3, 0, 5], 7)
    [5, 0, 3]
    """
    before, total = [], 1
    for x in row:
        before.append(total)
        total = total * x % p or total
    left, out = pow(total, -1, p), [0] * len(row)
    for i in range(len(row) - 1, -1, -1):
        if row[i] % p:
            out[i] = left * before[i] % p
            left = left * row[i] % p
    return out


@functools.cache
def drawn() -> Field:
    """The fields of this process: primes and secret from the system's entropy."""
    draw = functools.partial(int.from_bytes, byteorder="little")
    primes: list[int] = []
    while len(primes) < 2:
        n = (1 << 61) | draw(os.urandom(8)) >> 3 | 1
        if n not in primes and is_prime(n):
            primes.append(n)
    return Field.of((primes[0], primes[1]), (draw(os.urandom(8)), draw(os.urandom(8))))


def is_prime(n: int) -> bool:
    """Is n < 2^64 prime? Miller's test to the first twelve primes, which is a proof there (Sorenson, Webster 2015)."""
    small = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37)
    if n < 2 or any(n % q == 0 for q in small):
        return n in small
    d = n - 1
    s = (d & -d).bit_length() - 1
    for a in small:
        x = pow(a, d >> s, n)
        if x in (1, n - 1):
            continue
        for _ in range(s - 1):
            x = x * x % n
            if x == n - 1:
                break
        else:
            return False
    return True


def mix(x: Array) -> Array:
    """splitmix64's output function: a bijection of 64-bit words without visible structure."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Array = x ^ (x >> np.uint64(31))
    return mixed


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


def bits(x: Array) -> Array:
    """The float64 bit pattern of floats, -0.0 as 0.0."""
    return (np.asarray(x, dtype=np.float64) + 0.0).view(np.uint64)
