"""NUM401 to RNG501: what the numbers themselves give away."""

from __future__ import annotations

import math

import numpy as np

from ._blame import initializer_call
from ._context import Context, RuleFunction
from ._finding import Finding

Array = np.ndarray


def _call(c: Context, i: int, name: str) -> str:
    layer = c.net.layers[i]
    return (f"ic.init.zeros({layer.fan_out})" if name.endswith(".b")
            else initializer_call(layer.activation, layer.fan_in, layer.fan_out))


def non_finite(c: Context) -> list[Finding]:
    """NUM401."""
    out = []
    for i, name, a in c.net.parameters():
        bad = ~np.isfinite(a)
        if bad.any():
            where = tuple(int(k) for k in np.argwhere(bad)[0])
            out.append(Finding("NUM401", "fail", i, f"{name} holds {int(bad.sum())} non-finite value(s), the first "
                                                    f"{a[where]} "
                               f"at index "
                               f"{where}.", int(bad.sum()), 0, "data", f"re-initialise: {_call(c, i, name)}", name))
    if c.x is not None and not c.finite_data:
        bad = ~np.isfinite(c.x)
        where = tuple(int(k) for k in np.argwhere(bad)[0])
        out.append(Finding("NUM401", "fail", None, f"x holds {int(bad.sum())} non-finite value(s), the first "
                                                   f"{c.x[where]} at "
                           f"index {where}.", int(bad.sum()), 0, "data", "clean the inputs", "x"))
    if c.overflow is not None:
        i = c.overflow
        out.append(Finding("NUM401", "fail", i, f"The pre-activations of layers[{i}] overflow in {c.net.dtype.name} "
                                                f"on this "
                           "data.", "overflow", "finite", "weight_scale", _call(c, i, ".w"), f"layers[{i}].w"))
    return out


def garbage(c: Context) -> list[Finding]:
    """NUM402."""
    numbers, out = c.numbers["NUM402"], []
    for i, name, a in c.net.parameters():
        size = np.abs(a[np.isfinite(a)])
        largest = float(size.max(initial=0))
        nonzero = int(np.count_nonzero(size))
        tiny = int(np.count_nonzero((size > 0) & (size < np.finfo(a.dtype).tiny)))
        if largest > numbers["largest"]:
            out.append(Finding("NUM402", "fail", i, f"{name} holds values up to {largest:.3g}: uninitialised "
                                                    f"memory?", largest,
                               numbers["largest"], "data", _call(c, i, name), name))
        elif nonzero and tiny > numbers["denormal_share"] * nonzero:
            out.append(Finding("NUM402", "fail", i, f"{tiny} of {nonzero} non-zero values of {name} are denormal: "
                               "uninitialised "
                               "memory?", tiny / nonzero, numbers["denormal_share"], "data", _call(c, i, name),
                               name))
    return out


def half_precision(c: Context) -> list[Finding]:
    """NUM403."""
    numbers, out = c.numbers["NUM403"], []
    garbled = {f.tensor for f in garbage(c)} | {f.tensor for f in non_finite(c)}
    for i, name, a in c.net.parameters():
        if name in garbled:
            continue
        size = np.abs(a)
        largest, nonzero = float(size.max(initial=0)), int(np.count_nonzero(size))
        lost = int(np.count_nonzero((size > 0) & (size < numbers["smallest"])))
        if largest > numbers["largest"]:
            out.append(Finding("NUM403", "warn", i, f"{name} holds {largest:.3g}, infinite in float16.", largest,
                               numbers["largest"], "weight_scale", _call(c, i, name), name))
        elif nonzero and lost > numbers["zero_share"] * nonzero:
            out.append(Finding("NUM403", "warn", i, f"{lost} of {nonzero} non-zero values of {name} are 0 in float16.",
                               lost / nonzero, numbers["zero_share"], "weight_scale", _call(c, i, name), name))
    for la in c.signal.layers if c.signal is not None else ():
        high = math.sqrt(la.q) * 6 if la.q == la.q else 0.0
        if high > numbers["largest"]:
            out.append(Finding("NUM403", "warn", la.index, f"Pre-activations of layers[{la.index}] reach about "
                                                           f"{high:.3g}, "
                               "infinite in "
                               "float16.", high, numbers["largest"], "weight_scale", _call(c, la.index, ".w"),
                               f"layers[{la.index}].z"))
            break
    return out


def repeated(c: Context) -> list[Finding]:
    """RNG501: the same draws in two layers, up to one factor; one array used twice is sharing and no finding."""
    need = int(c.numbers["RNG501"]["elements"])
    seen: list[tuple[int, str, Array]] = []
    out = []
    for i, name, a in c.net.parameters():
        head = a.ravel()[:64].astype(np.float64)
        if len(head) < need or not np.isfinite(head).all():
            continue
        if len(np.unique(head)) < 0.9 * len(head):
            continue                        # constants, eye, sparse: equal by construction, not by a seed
        tolerance = 64 * float(np.finfo(a.dtype).eps)
        for j, other, earlier in seen:
            k = min(len(head), len(earlier))
            if i == j or np.shares_memory(a, dict((n, p) for _, n, p in c.net.parameters())[other]):
                continue
            u, v = head[:k], earlier[:k]
            scale = np.linalg.norm(u) * np.linalg.norm(v)
            if scale > 0 and 1 - abs(float(u @ v)) / scale <= tolerance:
                out.append(Finding("RNG501", "warn", i, f"{name} repeats the numbers of {other}: the same seed was "
                                                        f"used twice.",
                                   f"{k} equal draws", "independent draws", "data",
                                   f"one key a tensor: key.child(\"{name}\")", name))
                break
        seen.append((i, name, head))
    return out


RULES: dict[str, RuleFunction] = {"NUM401": non_finite, "NUM402": garbage, "NUM403": half_precision, "RNG501": repeated}
