"""Seeded fuzzing of the compiled functions and the public array functions: ``python tools/fuzz.py --minutes 10``.

Every call is drawn from (seed, number), so that ``--only NUMBER`` makes it again. Arrays come in all sizes from 0 on,
precisions, orders, strides, misaligned, read-only, overlapping, and some arguments are nonsense. What must hold:

A. A call gives a result or an exception of initcore.errors (or MemoryError), never another and never a crash.
B. Inputs are what they were; outputs too where the call was refused; memory beside an output always.
C. The result is bit for bit that of the same call on plain copies, on one thread.

Under AddressSanitizer and UndefinedBehaviorSanitizer (tools/sanitize.sh) the same calls look for faults that no
result shows. ``--record FILE`` writes what was run, as JSON.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import initcore as ic
from initcore import errors
from initcore.reference import field

K = ic.kernels
F32, F64, U64 = np.float32, np.float64, np.uint64
_field = field.drawn()
FIELD = {"p": _field.p.ravel(), "inverse": _field.inverse_p.ravel(), "powers": _field.powers}
JUNK: list[Any] = [None, True, -1, 0, 3, 10 ** 30, 1.5, float("nan"), float("inf"), "", "text", b"x", (), (1,), (1, 2),
                   [], [[1.0], [2.0, 3.0]], {}, object(), len, np.zeros(3, int), np.zeros(0), np.zeros((2, 2, 2), F32),
                   np.array([None]), np.broadcast_to(F32(1), (1 << 40, 1 << 10)), np.zeros(3, "M8[s]"), 10 ** 400]
SIZES = [0, 1, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 97, 130, 300]


class Draw:
    """One call's random choices, and the memory it may write."""

    def __init__(self, seed: int, number: int) -> None:
        self.rng = np.random.default_rng([seed, number])
        self.guards: list[tuple[np.ndarray, np.ndarray]] = []
        self.odd = self.rng.random() < 0.5              # otherwise every array is plain

    def chance(self, p: float) -> bool:
        return bool(self.rng.random() < p)

    def pick(self, options: Any) -> Any:
        return options[int(self.rng.integers(len(options)))]

    def size(self) -> int:
        return int(self.pick(SIZES))

    def values(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Ordinary numbers, now and then with extreme ones among them."""
        a = np.asarray(self.rng.standard_normal(shape)) * self.pick([1, 1, 1, 1e-3, 30, 1e4])
        if self.chance(0.1) and a.size:
            a.flat[int(self.rng.integers(a.size))] = self.pick([np.nan, np.inf, -np.inf, 0.0, -0.0, 1e38, 1e-40, 1e300])
        with np.errstate(all="ignore"):
            return np.asarray(a).astype(dtype)

    def laid(self, a: np.ndarray) -> np.ndarray:
        """The same numbers in some other place and order."""
        if not self.odd:
            return a
        way = self.pick(["plain", "F", "reversed", "wide", "misaligned", "frozen", "packed", "broadcast"])
        if way == "F":
            a = np.asfortranarray(a)
        elif way == "reversed" and a.ndim:
            a = a[::-1].copy()[::-1]
        elif way == "wide" and a.ndim:
            wide = np.zeros((*a.shape[:-1], 3 * a.shape[-1]), a.dtype)
            wide[..., ::3] = a
            a = wide[..., ::3]
        elif way == "misaligned":
            raw = np.zeros(a.nbytes + 3, np.uint8)
            moved = raw[3:].view(a.dtype).reshape(a.shape)
            moved[...] = a
            a = moved
        elif way == "packed":
            records = np.zeros(a.shape, [("tag", "u1"), ("value", a.dtype)])
            records["value"] = a
            a = records["value"]
        elif way == "broadcast" and a.ndim > 1 and a.shape[0]:
            a[:] = a[:1]
            a = np.broadcast_to(a[:1].copy(), a.shape)
        elif way == "frozen":
            a.flags.writeable = False
        return a

    def out(self, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
        """Memory for a result, with guards around it."""
        way = self.pick(["plain", "F", "reversed", "wide", "misaligned"]) if self.odd else "plain"
        stretch = 2 if way == "wide" else 1
        count = int(np.prod(shape)) * stretch
        size = np.dtype(dtype).itemsize
        raw = self.rng.integers(0, 256, (count + 32) * size + 1, dtype=np.uint8)
        start = 16 * size + (way == "misaligned")
        whole = raw[start:start + count * size].view(dtype)
        inside = np.zeros(raw.size, bool)
        inside[start:start + count * size] = True
        if way == "wide" and shape:
            whole = whole.reshape(*shape[:-1], shape[-1] * 2)
            inside[start:start + count * size].reshape(-1, 2, size)[:, 1] = False
            view = whole[..., ::2]
        elif way == "F":
            view = whole.reshape(shape[::-1]).T
        elif way == "reversed" and shape:
            view = whole.reshape(shape)[::-1]
        else:
            view = whole[:int(np.prod(shape))].reshape(shape)
        self.guards.append((raw, raw[~inside].copy()))
        self.masks = [*getattr(self, "masks", []), ~inside]
        return view

    def guarded(self) -> bool:
        """Whether what lies beside the outputs is what it was."""
        return all((raw[mask] == before).all() for (raw, before), mask in zip(self.guards, getattr(self, "masks", [])))


Call = tuple[Callable[..., Any], dict[str, Any], dict[str, Any]]        # function, its arguments, its outputs


def names(d: Draw) -> Any:
    """An activation."""
    return d.pick([*ic.activations.names, "leaky_relu_0.3", "elu_2", "sin_30", "swish"])


def products(d: Draw) -> Call:
    """matmul and dense layers."""
    m, k, n = d.size(), d.size(), d.size()
    dtype, half = d.pick([F32, F32, F64]), d.odd and d.chance(0.05)
    x, w, b, dy = (d.laid(d.values(s, np.float16 if half else dtype)) for s in ((m, k), (k, n), (n,), (m, n)))
    work = F32 if half else dtype
    common = {"threads": d.pick([None, 1, 2, 3])}
    which = d.pick(["matmul", "forward", "backward"])
    if which == "matmul":
        outs = {"out": d.out((m, n), work)} if d.chance(0.5) else {}
        return K.matmul, {"a": x, "b": w, **common}, outs
    layer = {"x": x, "w": w, "b": b if d.chance(0.8) else None, "activation": names(d), **common}
    if which == "forward":
        outs = {n_: d.out((m, n), work) for n_ in ("out", "z_out") if d.chance(0.5)}
        return K.dense_forward, layer, outs
    need = d.chance(0.8)
    outs = {}
    if d.chance(0.5):
        outs = {"out": (d.out((m, k), work) if need else None, d.out((k, n), work), d.out((n,), work))}
    z = d.laid(d.values((m, n), np.float16 if half else dtype)) if d.chance(0.6) else None
    return K.dense_backward, {**layer, "dy": dy, "z": z, "y": z if d.chance(0.2) else None, "need_dx": need}, outs


def step(x: Any, labels: Any, threads: Any, **layers: Any) -> Any:
    """The loss and the gradients of a chain of dense layers."""
    wb = [(layers[f"w{i}"], layers[f"b{i}"], layers[f"f{i}"]) for i in range(len(layers) // 3)]
    net = ic.Network([ic.Dense(*layer) for layer in wb], check_finite=False)
    value, grads = net.gradients(x, labels, threads=threads)
    return value, *(a for g in grads for a in g if a is not None)


def steps(d: Draw) -> Call:
    """A training step: in one call where all is plain, else from door to door."""
    sizes = [d.size() for _ in range(int(d.rng.integers(2, 5)))]
    batch, dtype = d.size(), d.pick([F32, F32, F64])
    layers: dict[str, Any] = {}
    for i, shape in enumerate(zip(sizes, sizes[1:])):
        bias = d.laid(d.values(shape[1:], dtype)) if d.chance(0.8) else None
        layers |= {f"w{i}": d.laid(d.values(shape, dtype)), f"b{i}": bias, f"f{i}": names(d)}
    labels = d.rng.integers(0, max(sizes[-1], 1), batch).astype(d.pick([np.intp, np.intp, np.int32]))
    return step, {"x": d.laid(d.values((batch, sizes[0]), dtype)), "labels": labels,
                  "threads": d.pick([None, 1, 2]), **layers}, {}


def elementwise(d: Draw) -> Call:
    """Activations of any rank."""
    shape = tuple(int(d.pick(SIZES[:12])) for _ in range(int(d.rng.integers(0, 4))))
    dtype = d.pick([F32, F32, F64, np.float16])
    outs = {"out": d.out(shape, dtype)} if d.chance(0.5) else {}
    arguments = {"activation": names(d), "z": d.laid(d.values(shape, dtype)), "threads": d.pick([None, 1, 2])}
    if d.chance(0.5):
        return K.activation_forward, arguments, outs
    return K.activation_backward, {**arguments, "dy": d.laid(d.values(shape, dtype)) if d.chance(0.8) else None}, outs


def losses(d: Draw) -> Call:
    """The three losses."""
    rows, cols, dtype, name = d.size(), d.size(), d.pick([F32, F64]), d.pick(K.LOSSES)
    p, t = d.laid(d.values((rows, cols), dtype)), d.values((rows, cols), dtype)
    if name == "binary_cross_entropy":
        t = np.clip(np.nan_to_num(np.abs(t)), 0, 1)
    if name == "softmax_cross_entropy" and d.chance(0.6):
        t = d.rng.integers(-1 if d.chance(0.1) else 0, max(cols, 1), rows).astype(d.pick([np.intp, np.int32, np.uint8]))
    return K.loss, {"name": name, "prediction": p, "target": d.laid(t)}, {}


def passes(d: Draw) -> Call:
    """Statistics and signature passes."""
    n, m, k, dtype = d.size(), d.size(), int(d.rng.integers(0, 4)), d.pick([F32, F64])
    w = d.laid(d.values((n, m), dtype))
    which = d.pick(["signals", "project", "fields", "multisets", "look", "weights", "statistics"])
    if which == "signals":
        low, high = sorted(d.rng.normal(0, 3, 2).tolist())
        a = d.laid(d.values((n, m), dtype))
        return K.signals, {"activation": names(d), "z": w, "a": a, "zero": (low, high)}, {}
    if which == "project":
        return K._ties_project, {"w": w, "v": d.laid(d.values((2, n), F64))}, {}
    residues = d.laid(d.rng.integers(0, (1 << 61) - 1, (k, n), dtype=U64))
    if which == "fields":
        r = d.laid(d.rng.integers(0, 1 << 61, (int(d.pick([2, 4])), n), dtype=U64))
        return K._ties_fields, {"w": d.laid(np.nan_to_num(d.values((n, m), dtype))), "r": r, **FIELD}, {}
    if which == "look":
        return K._ties_look, {"w": w}, {}
    if which == "weights":
        return K._weights_sums, {"w": w, "u": d.laid(d.values((n,), F64)), "v": d.laid(d.values((n,), F64))}, {}
    if which == "statistics":
        return K._weights_statistics, {"w": w, "tiny": 1e-38, "small": 1e-8}, {}
    return K._ties_multisets, {"w": w, "colour": residues, "sign": d.laid(d.rng.integers(-1, 2, n).astype(F64)),
                               "both": d.chance(0.5)}, {}


def fills(d: Draw) -> Call:
    """Random arrays, whole and in blocks, and their compiled door."""
    shape = tuple(int(d.pick(SIZES[:14])) for _ in range(int(d.rng.integers(0, 4))))
    dtype = d.pick(["float32", "float32", "float64", "float16"])
    key = ic.Key(int(d.rng.integers(0, 1 << 62)))
    if d.chance(0.2):
        start = int(d.rng.integers(0, 1 << 62)) << int(d.rng.integers(0, 3))
        return ic.random.bits, {"shape": shape, "rng": key, "start": start, "threads": d.pick([None, 1, 2])}, (
            {"out": d.out(shape, np.uint32)} if d.chance(0.5) else {})
    arguments: dict[str, Any] = {"shape": shape, "rng": key, "dtype": dtype, "threads": d.pick([None, 1, 2])}
    if d.chance(0.4):
        start = tuple(int(d.rng.integers(0, 1 << int(d.rng.integers(1, 12)))) for _ in shape)
        whole = tuple(n + s + int(d.rng.integers(0, 9)) for n, s in zip(shape, start))
        arguments |= {"global_shape": whole, "start": start}
    elif d.chance(0.3):
        strides = tuple(int(d.rng.integers(0, 99)) for _ in shape)
        arguments |= {"start": int(d.rng.integers(0, 1 << 60)), "strides": strides}
    f = d.pick([ic.random.uniform, ic.random.normal, ic.random.truncated_normal])
    if f is ic.random.truncated_normal:
        low, high = sorted((d.rng.normal(0, 1, 2) * d.pick([1, 4, 30])).tolist())
        arguments |= {"lower": d.pick([low, low, -np.inf]), "upper": d.pick([high, high, np.inf])}
    if f is not ic.random.uniform and d.chance(0.5):
        arguments |= {"mean": float(d.rng.normal()), "std": float(abs(d.rng.normal()))}
    return f, arguments, ({"out": d.out(shape, dtype)} if d.chance(0.5) else {})


def initialisers(d: Draw) -> Call:
    """initcore.init by name."""
    f = d.pick([ic.init.he_normal, ic.init.glorot_uniform, ic.init.lecun_normal, ic.init.orthogonal, ic.init.uniform,
                ic.init.normal, ic.init.trunc_normal, ic.init.sparse, ic.init.eye, ic.init.siren])
    shape = (int(d.pick(SIZES[:14])), int(d.pick(SIZES[:14])))
    dtype = d.pick(["float32", "float64", "float16"])
    arguments: dict[str, Any] = {"shape": shape, "rng": int(d.rng.integers(0, 1 << 40))}
    if f is ic.init.sparse:
        arguments["sparsity"] = float(d.rng.random())
    elif f is ic.init.eye:
        arguments.pop("rng")
    return f, {**arguments, "dtype": dtype}, {"out": d.out(shape, dtype)} if d.chance(0.4) else {}


# Their order of summation is free, and the hashes of two orders have nothing to do with each other.
FILTERS = (K._ties_project, K._weights_sums, K._weights_statistics)
KINDS = [products, products, products, steps, elementwise, elementwise, losses, passes, fills, fills, initialisers]


def invoke(call: Call) -> Any:
    """The call, by keyword."""
    f, arguments, outs = call
    return f(**arguments, **outs)


def flat(result: Any) -> list[bytes]:
    """All bits of a result, those of NaN made one."""
    if isinstance(result, dict):
        return [b for v in result.values() for b in flat(v)]
    if isinstance(result, tuple):
        return [b for v in result for b in flat(v)]
    a = np.asarray(result)
    return [str(a.shape).encode(), (np.where(np.isnan(a), np.nan, a) if a.dtype.kind == "f" else a).tobytes()]


def plain(value: Any) -> Any:
    """A copy that is contiguous and aligned."""
    return np.array(value, order="C") if isinstance(value, np.ndarray) else value


def spoilt(d: Draw, call: Call) -> Call:
    """The call with one argument that is nonsense, or an output that is an input's memory."""
    f, arguments, outs = call
    name = d.pick([*arguments, *outs])
    if name in outs and d.chance(0.5):
        arrays = [a for a in arguments.values() if isinstance(a, np.ndarray) and a.size]
        if arrays and not isinstance(outs[name], tuple):
            return f, arguments, {**outs, name: d.pick(arrays)}
    junk = d.pick(JUNK)
    if isinstance(junk, np.ndarray) and junk.size > 1 << 40 and f in (K._ties_look, K._weights_statistics):
        junk = None
    if name == "rng" and junk is None:
        junk = -1                               # None is another key every time
    if name == "shape" and not isinstance(junk, (tuple, str, bytes)):
        junk = (-1,)
    if name in outs:
        return f, arguments, {**outs, name: junk}
    return f, {**arguments, name: junk}, outs


def arrays_of(outs: dict[str, Any]) -> list[np.ndarray]:
    """The arrays among the outputs."""
    flat = [a for v in outs.values() for a in (v if isinstance(v, tuple) else (v,))]
    return [a for a in flat if isinstance(a, np.ndarray) and a.size < 1 << 30]


def one(seed: int, number: int) -> bool:
    """Make and judge one call; whether it was refused."""
    d = Draw(seed, number)
    call = d.pick(KINDS)(d)
    good = not d.chance(0.3)
    if not good:
        call = spoilt(d, call)
    f, arguments, outs = call
    told = {k: v.copy() for k, v in arguments.items() if isinstance(v, np.ndarray) and v.size < 1 << 30}
    before = [a.copy() for a in arrays_of(outs)]
    shared = any(isinstance(v, np.ndarray) and any(np.may_share_memory(v, a) for a in arguments.values()
                                                   if isinstance(a, np.ndarray)) for v in outs.values())
    refused = False
    try:
        result = invoke(call)
    except (errors.InitcoreError, MemoryError) as e:
        if good and not isinstance(e, (errors.ArgumentError, MemoryError)):
            raise AssertionError(f"refused: {e}") from e
        refused = True
    assert d.guarded(), "memory beside an output was written"
    if refused:
        for a, b in zip(arrays_of(outs), before):
            assert a.tobytes() == b.tobytes(), "an output was written though the call was refused"
    if not shared:
        for k, v in told.items():
            assert v.tobytes() == arguments[k].tobytes(), f"{k} was modified"
    if not refused:
        again = {k: plain(told[k]) if k in told else v for k, v in arguments.items()}
        if "threads" in again:
            again["threads"] = 1
        want = invoke((f, again, {}))
        if f in FILTERS:
            same = all(np.allclose(a, b, rtol=1e-9, atol=1e-9 * (1 + np.nanmax(np.abs(b), initial=0)), equal_nan=True)
                       for a, b in zip(result, want) if a.dtype == F64)
        else:
            same = flat(result) == flat(want)
        assert same, "another result than on plain arrays"
    return refused


def main() -> int:
    """Fuzz; exit 1 at the first failure, which is printed with its number."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=0.0)
    parser.add_argument("--calls", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one call")
    parser.add_argument("--record", type=Path, help="write what was run to this file")
    given = parser.parse_args()
    faulthandler.enable()
    begin, number, refused = time.monotonic(), 0, 0
    numbers = [given.only] if given.only is not None else None
    while numbers is not None or number < given.calls or time.monotonic() - begin < 60 * given.minutes:
        now = numbers[0] if numbers else number
        try:
            with np.errstate(all="ignore"):
                refused += one(given.seed, now)
        except BaseException:
            print(f"call {now} of seed {given.seed} on {K.isa} failed: python tools/fuzz.py --seed {given.seed} "
                  f"--only {now}", file=sys.stderr)
            raise
        number += 1
        if numbers is not None:
            break
    done = {"calls": number, "failures": 0, "refused": refused, "seed": given.seed, "isa": K.isa,
            "minutes": round((time.monotonic() - begin) / 60, 2), "version": ic.__version__, "numpy": np.__version__}
    if given.record:
        given.record.write_text(json.dumps(done, indent=1) + "\n")
    print(json.dumps(done))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
