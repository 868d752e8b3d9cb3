"""Fit the coefficients of the inverse normal distribution and print src/variant/random/inverse_normal.h.

Chebyshev interpolation in 45-digit arithmetic (mpmath), then the monomials of the scaled variable. The worst
relative error of each fit, before rounding the coefficients, stands beside it in the header.
"""

from collections.abc import Callable, Iterable

import mpmath as mp
import numpy as np

mp.mp.dps = 45
SQRT2 = mp.sqrt(2)


def quantile_of_log(log_p: mp.mpf) -> mp.mpf:
    """x > 0 with log Q(x) = log_p, by Newton's method."""
    root = mp.sqrt(-2 * log_p)
    x = root - mp.log(root * mp.sqrt(2 * mp.pi)) / root if root > 2 else mp.mpf(1)
    for _ in range(40):
        q = mp.erfc(x / SQRT2) / 2
        step = (mp.log(q) - log_p) * q / mp.npdf(x)
        x += step
        if abs(step) < mp.mpf(10) ** -40:
            break
    return x


def ratio(p: mp.mpf) -> mp.mpf:
    """-Phi^-1(p) / (1/2 - p), even and smooth at p = 1/2."""
    q = mp.mpf(1) / 2 - p
    return mp.sqrt(2 * mp.pi) * (1 + mp.pi / 3 * q**2) if abs(q) < mp.mpf(10) ** -12 else quantile_of_log(mp.log(p)) / q


def ratio_of_w(w: mp.mpf) -> mp.mpf:
    """The same from w = -log(4 p (1 - p))."""
    q = mp.sqrt(-mp.expm1(-w)) / 2
    return ratio(mp.exp(-w) / 4 / (mp.mpf(1) / 2 + q))


def mills(y: mp.mpf) -> mp.mpf:
    """x Q(x) / phi(x) from y = 1 / x^2."""
    x = 1 / mp.sqrt(y)
    return x * mp.erfc(x / SQRT2) / 2 / mp.npdf(x)


def atanh_rest(v: mp.mpf) -> mp.mpf:
    """2 (atanh(s) / s - 1) / s^2 from v = s^2."""
    s = mp.sqrt(v)
    return 2 * (mp.atanh(s) / s - 1) / v


def fit(f: Callable, low: mp.mpf, high: mp.mpf, degree: int, variable: Callable) -> tuple[list, mp.mpf]:
    """Coefficients, constant first, of f on [low, high] as a polynomial in variable(x); worst relative error."""
    n = degree + 1
    nodes = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * k + 1) / (2 * n)) for k in range(n)]
    a = mp.matrix(n, n)
    y = mp.matrix(n, 1)
    for i, x in enumerate(nodes):
        for j in range(n):
            a[i, j] = variable(x) ** j
        y[i] = f(x)
    c = list(mp.lu_solve(a, y))
    between = [low + (high - low) * (k + mp.mpf(1) / 2) / 101 for k in range(101)]
    return c, max(abs(mp.polyval(c[::-1], variable(x)) / f(x) - 1) for x in between)


def emit(kind: str, name: str, values: Iterable, note: str) -> None:
    """One C array."""
    if kind == "float":
        text = [float(np.float32(float(v))).hex() + "f" for v in values]
    else:
        text = [float(v).hex() for v in values]
    print(f"/* {note} */\nstatic const {kind} {name}[{len(text)}] = {{")
    for i in range(0, len(text), 4):
        print("    " + ", ".join(text[i:i + 4]) + ",")
    print("};")


def constant(name: str, value: mp.mpf) -> None:
    print(f"#define {name} {float(value).hex()}")


def main() -> None:
    print("/* Coefficients of the inverse normal distribution and the logarithm: written by "
          "tools/fit_inverse_normal.py. */\n#ifndef INITCORE_INVERSE_NORMAL_H\n#define INITCORE_INVERSE_NORMAL_H\n")
    # float32: one polynomial for each octave of p, in t = mantissa - 3/2. p and q come scaled by 2^32.
    degree, octaves = 7, {}
    worst = mp.mpf(0)
    for e in range(-8, 31):
        c, error = fit(lambda m, e=e: ratio(m * mp.mpf(2) ** (e - 32)), mp.mpf(1), mp.mpf(2), degree,
                       lambda m: m - mp.mpf(3) / 2)
        octaves[e], worst = [-x * mp.mpf(2) ** -32 for x in c], max(worst, error)
    note = f"worst relative error {mp.nstr(worst, 2)}"
    slots = {(127 + e) & 7: octaves[e] for e in range(23, 31)}
    emit("float", "INVERSE_CENTRE_F32", [slots[s][j] for j in range(degree + 1) for s in range(8)],
         f"Phi^-1(p) / (1/2 - p) / 2^32, octaves 2^23 .. 2^31 of 2^32 p by coefficient, then exponent & 7; {note}")
    emit("float", "INVERSE_TAIL_F32", [c for e in range(-8, 23) for c in octaves[e]],
         f"The same, octaves 2^-8 .. 2^23, row by row; {note}")
    # float64.
    c, error = fit(atanh_rest, mp.mpf(10) ** -14, mp.mpf("0.02944"), 7, lambda v: v)
    emit("double", "LOG_F64", c, f"2 (atanh(s) / s - 1) / s^2 in s^2; {mp.nstr(error, 2)}")
    end = mp.mpf(4)
    c, error = fit(ratio_of_w, mp.mpf(10) ** -14, end, 20, lambda w: w / 2 - 1)
    emit("double", "INVERSE_CENTRE_F64", [-x for x in c],
         f"Phi^-1(p) / (1/2 - p) in w / 2 - 1, w = -log(4 p (1 - p)) in [0, 4]; {mp.nstr(error, 2)}")
    low, high = 1 / mp.sqrt(46), 1 / mp.sqrt(mp.mpf("5.3"))
    scale, shift = mp.mpf(float(2 / (high - low))), mp.mpf(float((high + low) / (high - low)))
    c, error = fit(lambda r: quantile_of_log(-1 / r**2) * r, low, high, 21, lambda r: r * scale - shift)
    constant("INVERSE_TAIL_SCALE", scale)
    constant("INVERSE_TAIL_SHIFT", shift)
    emit("double", "INVERSE_TAIL_F64", c,
         f"x r, log Q(x) = -1 / r^2, in r SCALE - SHIFT, -log Q in [5.3, 46]; {mp.nstr(error, 2)}")
    c, error = fit(mills, mp.mpf(10) ** -12, mp.mpf(1) / 80, 11, lambda y: y)
    emit("double", "MILLS_F64", c, f"x Q(x) / phi(x) in 1 / x^2, x^2 >= 80; {mp.nstr(error, 2)}")
    print("\n#endif")


if __name__ == "__main__":
    main()
