"""The CUDA kernel on a GPU: bits against the CPU's, times against torch's: `python -m benchmarks.torch_gpu [--json]`.

Checks `--values` (10^9) values of every distribution bit for bit, then times fills of 2^30 elements (float32; half of
it in float64) beside `normal_`, `uniform_`, `trunc_normal_` and a plain `zero_`: minima of ten rounds, each between two
CUDA events. `--json` keeps the result with the card's name under benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

WANTED = {"normal_": 1.0, "uniform_": 1.4, "trunc_normal_": 3.0}
GIVEN = {"normal_": {"std": 0.02}, "uniform_": {"a": -0.5, "b": 0.5},
         "trunc_normal_": {"std": 0.02, "a": -0.04, "b": 0.04}}


def differing(torch, it, name, values, dtype):
    """How many of the first `values` values differ from the CPU's, piece by piece."""
    step, bad = 1 << 24, 0
    bits = torch.int16 if dtype.itemsize == 2 else torch.int32 if dtype.itemsize == 4 else torch.int64
    from initcore import random
    from initcore.torch import _draw
    key = random.Key(0)
    draw = {"normal_": lambda: _draw.normal(0.0, 0.02), "uniform_": lambda: _draw.uniform(-0.5, 0.5, dtype),
            "trunc_normal_": lambda: _draw.truncated(0.0, 0.02, -0.04, 0.04, dtype)}[name]()
    from initcore.torch._places.place import View
    for first in range(0, values, step):
        n = min(step, values - first)
        ours, theirs = torch.empty(n, dtype=dtype, device="cuda"), torch.empty(n, dtype=dtype)
        for tensor in (ours, theirs):
            _draw.fill(draw, [View(tensor, first, (1,))], key, dtype)
        bad += int((ours.cpu().view(bits) != theirs.view(bits)).sum())
    return bad


def fastest(torch, call, rounds=10):
    """Milliseconds of the fastest of several calls."""
    call()
    best = float("inf")
    for _ in range(rounds):
        start, stop = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        call()
        stop.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(stop))
    return best


def main() -> int:
    """Check, time, print; exit code 1 where a bit differs, 2 without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--values", type=int, default=10**9)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    try:
        import torch
    except ImportError:
        torch = None
    if torch is None or not torch.cuda.is_available():
        print("no CUDA device: nothing was run", file=sys.stderr)
        return 2
    import initcore.torch as it
    card = torch.cuda.get_device_name()
    result = {"card": card, "torch": torch.__version__, "values": args.values, "bits": {}, "times": []}
    for dtype in (torch.float32, torch.bfloat16, torch.float16, torch.float64):
        for name in WANTED:
            few = args.values if dtype is torch.float32 else args.values // 10
            bad = differing(torch, it, name, few, dtype)
            result["bits"][f"{name} {dtype}"] = {"values": few, "differ": bad}
            print(f"{name:15} {dtype!s:15} {few:>11} values, {bad} differ", flush=True)
    print(f"\n{card}\n{'2^30 values':15} {'dtype':10} {'ours ms':>8} {'torch ms':>9} {'ratio':>6} {'wanted':>6}")
    for dtype, count in ((torch.float32, 1 << 30), (torch.bfloat16, 1 << 30), (torch.float64, 1 << 29)):
        w = torch.empty(count, dtype=dtype, device="cuda")
        zero = fastest(torch, w.zero_)
        for name, wanted in WANTED.items():
            ours = fastest(torch, lambda name=name, w=w: getattr(it.init, name)(w, rng=0, **GIVEN[name]))
            theirs = fastest(torch, lambda name=name, w=w: getattr(torch.nn.init, name)(w, **GIVEN[name]), 3)
            ratio = theirs / ours
            result["times"].append({"name": name, "dtype": str(dtype), "ours_ms": ours, "torch_ms": theirs,
                                    "ratio": ratio, "wanted": wanted, "zero_ms": zero})
            print(f"{name:15} {str(dtype)[6:]:10} {ours:8.3f} {theirs:9.3f} {ratio:6.2f} {wanted:6.1f}", flush=True)
        del w
    if args.json:
        path = Path(__file__).parent / "results" / f"torch_gpu-{card.replace(' ', '_')}.json"
        path.write_text(json.dumps(result, indent=1) + "\n")
        print(f"wrote {path}")
    return int(any(found["differ"] for found in result["bits"].values()))


if __name__ == "__main__":
    sys.exit(main())
