"""The largest error of a float32 activation over all 2^32 inputs, in units in the last place.

    python tools/ulp_sweep.py tanh sigmoid          # about a minute each

The oracle is the float64 kernel on the widened input (within 4 units of float64, 8e-9 of a float32 unit).
Every input is tried, infinities, denormals and NaN too; the result is recorded in
docs/explanation/accuracy.md. tests/ takes every few thousandth.
"""

import argparse
import time

import numpy as np

import initcore as ic

CHUNK = 1 << 20
# phi' changes its sign here: within 0.6 of it the error of the slope counts in units of 1/2.
ZERO_OF_SLOPE = {"gelu": -0.7518, "gelu_tanh": -0.7526, "silu": -1.2785, "mish": -1.1924}


def units(got: np.ndarray, want: np.ndarray) -> np.ndarray:
    """|got - want| in units in the last place of float32 at want (NaN against NaN is 0)."""
    exponent = np.frexp(want)[1] - 1
    unit = np.ldexp(1.0, np.maximum(exponent, -126) - 23)
    with np.errstate(invalid="ignore"):
        error = np.abs(got.astype(np.float64) - want) / unit
    with np.errstate(over="ignore"):                # where the exact value is beyond float32, infinity is right
        error[(got == want) | (np.isnan(got) & np.isnan(want)) | (np.isinf(got) & (got == want.astype(got.dtype)))] = 0
    error[np.isnan(error)] = np.inf
    return error


def sweep(name: str, slope: bool = False, step: int = 1) -> tuple[float, float]:
    """Largest error and where it occurs, over every ``step``-th float32."""
    worst, where = -1.0, 0.0
    for start in range(0, 1 << 32, CHUNK * step):
        bits = np.arange(start, min(start + CHUNK * step, 1 << 32), step, dtype=np.uint64).astype(np.uint32)
        z = bits.view(np.float32)
        with np.errstate(invalid="ignore"):         # signalling NaNs among the inputs
            wide = z.astype(np.float64)
        if slope:
            got, want = (ic.kernels.activation_backward(name, v, None) for v in (z, wide))
            error = units(got, want)
            if name in ZERO_OF_SLOPE:
                near = np.abs(wide - ZERO_OF_SLOPE[name]) < 0.6
                error[near] = np.minimum(error[near], np.abs(got[near] - want[near]) / np.spacing(np.float32(0.5)))
        else:
            error = units(ic.kernels.activation_forward(name, z), ic.kernels.activation_forward(name, wide))
        i = int(error.argmax())
        if error[i] > worst:
            worst, where = float(error[i]), float(z[i])
    return worst, where


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--slope", action="store_true", help="phi' instead of phi")
    parser.add_argument("--step", type=int, default=1, help="try every STEP-th float only")
    given = parser.parse_args()
    for name in given.names:
        start = time.perf_counter()
        worst, where = sweep(name, given.slope, given.step)
        print(f"{name}{' slope' if given.slope else ''} on {ic.kernels.isa}: {worst:.4f} units at {where!r} "
              f"({time.perf_counter() - start:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
