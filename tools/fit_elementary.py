"""Prints the polynomials of src/variant/elementary.pxi and the tables of tanh in src/variant/activations/f32.pxi.

    python tools/fit_elementary.py          # needs mpmath; about a minute

Minimax fits by the Remez exchange, weighted so that the error counts relative to the function; where an interval
is long (erf, erfc) interpolation at Chebyshev nodes. Coefficients are printed highest power first, then the largest
relative error in units of 2^-53 or 2^-24.
"""

from collections.abc import Callable

import mpmath as mp
import numpy as np

mp.mp.dps = 45
Function = Callable[[mp.mpf], mp.mpf]


def remez(f: Function, a: mp.mpf, b: mp.mpf, degree: int, weight: Function) -> tuple[list, mp.mpf]:
    """The polynomial p with the least max |weight (f - p)| on [a, b]: coefficients, lowest first, and that error."""
    n = degree + 1
    nodes = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * i / n) for i in range(n + 1)]
    grid = [(a + b) / 2 - (b - a) / 2 * mp.cos(mp.pi * i / (40 * n)) for i in range(40 * n + 1)]
    for _ in range(12):
        m, r = mp.matrix(n + 1, n + 1), mp.matrix(n + 1, 1)
        for i, x in enumerate(nodes):
            for j in range(n):
                m[i, j] = x ** j
            m[i, n], r[i] = (-1) ** i / weight(x), f(x)
        c = list(mp.lu_solve(m, r))[:n]
        error = [weight(x) * (f(x) - mp.polyval(c[::-1], x)) for x in grid]
        runs = [[0]]
        for k in range(1, len(grid)):
            if (error[k] > 0) == (error[k - 1] > 0):
                runs[-1].append(k)
            else:
                runs.append([k])
        peaks = [max(run, key=lambda k: abs(error[k])) for run in runs]
        while len(peaks) > n + 1:
            peaks.pop(0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1)
        if len(peaks) < n + 1 or [grid[k] for k in peaks] == nodes:
            break
        nodes = [grid[k] for k in peaks]
    return c, max(abs(e) for e in error)


def interpolate(f: Function, a: mp.mpf, b: mp.mpf, degree: int) -> tuple[list, mp.mpf]:
    """The polynomial through f at Chebyshev's nodes, and its largest relative error."""
    n = degree + 1
    m, r = mp.matrix(n, n), mp.matrix(n, 1)
    for i in range(n):
        x = (a + b) / 2 + (b - a) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * n))
        for j in range(n):
            m[i, j] = x ** j
        r[i] = f(x)
    c = list(mp.lu_solve(m, r))
    points = [a + (b - a) * k / 400 for k in range(401)]
    return c, max(abs(mp.polyval(c[::-1], x) / f(x) - 1) for x in points)


def show(name: str, fit: tuple[list, mp.mpf], bits: int) -> None:
    c, error = fit
    text = [float(v).hex() if bits == 53 else repr(float(np.float32(float(v)))) for v in c[::-1]]
    print(f"{name}  ({mp.nstr(error * mp.mpf(2) ** bits, 3)})\n    " + ", ".join(text), flush=True)


def series(odd: Function) -> Function:
    """v -> (odd(t)/t - 1)/v, t = sqrt(v): the p of odd(t) = t + t v p(v)."""
    def p(v: mp.mpf) -> mp.mpf:
        t = mp.sqrt(max(v, mp.mpf(10) ** -12))
        return (odd(t) / t - 1) / (t * t)
    return p


def erfcx(t: mp.mpf) -> mp.mpf:
    return mp.exp(t * t) * mp.erfc(t)


def rounded_centre(near: float, steps: int) -> np.float32:
    """The float within so many units of `near` whose tanh is closest to a float."""
    candidates = np.float32(near) + np.arange(-steps, steps) * np.spacing(np.float32(near))
    exact = np.tanh(candidates.astype(np.longdouble))
    return candidates[np.argmin(np.abs(exact - exact.astype(np.float32)))]


def tanh_tables() -> None:
    """tanh(c + r) = T + r P(r) for 32 intervals of |x|, t = 1 + 1.64 |x| halving its octaves thrice: c, T, P.

    Place i of a table is the interval whose t has i in the lowest exponent and the highest three mantissa bits.
    """
    rows: list[list[float]] = [[]] * 32
    at = mp.mpf("1e-7")
    worst = mp.mpf(0)
    for octave in range(4):
        for step in range(8):
            t = [mp.mpf(2) ** octave * (1 + mp.mpf(step + k) / 8) for k in (0, 1)]
            a, b = ((v - 1) / mp.mpf("1.64") for v in t)
            first = octave == step == 0
            c = mp.mpf(0) if first else mp.mpf(float(rounded_centre(float((a + b) / 2), int(3e5 * (b - a)))))
            value = mp.mpf(float(np.float32(float(mp.tanh(c)))))
            if first:
                fit, error = remez(lambda r: (mp.tanh(r + at) / (r + at) - 1) / (r + at), a, b, 2,
                                   lambda r: (r + at) ** 2 / mp.tanh(r + at))
                fit = [mp.mpf(1), *fit]
            else:
                fit, error = remez(lambda r, c=c: (mp.tanh(c + r) - mp.tanh(c)) / r if abs(r) > at ** 2
                                   else 1 - mp.tanh(c) ** 2, a - c, b - c, 3,
                                   lambda r, c=c: abs(r) / mp.tanh(c + r) + at)
            worst = max(worst, error)
            rows[(3 + octave) % 4 * 8 + step] = [float(np.float32(float(v))) for v in (c, value, *fit)]
    print(f"tanh in 32 intervals  ({mp.nstr(worst * 2 ** 24, 3)})")
    for column in zip(*rows, strict=True):
        print("    " + ", ".join(f"{v!r}f" for v in column), flush=True)


def main() -> None:
    tiny = mp.mpf("1e-9")
    half_ln2 = mp.log(2) / 2 * mp.mpf("1.0001")

    def quadratic(x: mp.mpf) -> mp.mpf:
        return (mp.expm1(x) - x) / x ** 2 if abs(x) > mp.mpf("1e-12") else mp.mpf("0.5") + x / 6

    for degree, bits in ((9, 53), (4, 24)):
        show("expm1", remez(quadratic, -half_ln2, half_ln2, degree, lambda x: abs(x) + mp.mpf("1e-6")), bits)
    log1p = series(lambda d: 2 * mp.atanh(d / 2))
    for degree, bits in ((9, 53), (3, 24)):
        show("log1p", remez(log1p, mp.mpf(0), mp.mpf(4) / 9, degree, lambda v: v + tiny), bits)
    for degree, bits in ((10, 53), (4, 24)):
        show("atan", remez(series(mp.atan), mp.mpf(0), (mp.sqrt(2) - 1) ** 2 * mp.mpf("1.0001"), degree,
                           lambda v: v + tiny), bits)
    for degree, bits in ((7, 53), (3, 24)):
        show("sin", remez(series(mp.sin), mp.mpf(0), (mp.pi / 2) ** 2 * mp.mpf("1.0005"), degree,
                          lambda v: (v + tiny) * mp.sqrt(v + tiny) / mp.sin(mp.sqrt(v + tiny))), bits)
    for centre, far, degree, bits in ((4, "28.3", 22, 53), (3, "10.4", 10, 24)):
        k, t = mp.mpf(centre), mp.mpf(far)
        show("erfcx", interpolate(lambda w, k=k: (lambda u: (1 + 2 * u) * erfcx(u))(k * (1 + w) / (1 - w)),
                                  mp.mpf(-1), (t - k) / (t + k), degree), bits)
    for degree, bits in ((11, 53), (6, 24)):
        show("erf", interpolate(lambda v: mp.erf(mp.sqrt(v)) / mp.sqrt(v) if v > tiny ** 3 else 2 / mp.sqrt(mp.pi),
                                mp.mpf(0), mp.mpf(1), degree), bits)
    print("tanh: centre, value, slope")
    for near in (1.2015, 2.403, 3.6044, 4.806, 6.0073, 7.17, 8.318):
        best = rounded_centre(near, 20_000)
        t = mp.tanh(mp.mpf(float(best)))
        print("   ", float(best), float(np.float32(float(t))), float(np.float32(float(1 - t * t))))
    tanh_tables()


if __name__ == "__main__":
    main()
