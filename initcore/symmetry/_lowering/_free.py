"""The least change that sets a tied program free: noise on the weights into some of its units."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from ... import random
from ..._types import Array
from ...program import Parameter, Program
from ...program.tracking import Use
from ...random import Key
from .._layers import LayerSymmetry
from .._report import SymmetryReport
from ._lower import Lowering, lowered

Noise = tuple[int, str, tuple[int, ...], float, str]          # layer, parameter, its units, std, reason


def freed_once(program: Program, report: SymmetryReport, key: Key, scale: float,
               to_change: Callable[[LayerSymmetry], tuple[Array, str]]) -> tuple[Program, list[Noise]]:
    """Noise into all but one unit of each cell, from the last layer back; not below a layer that was changed.

    Units that several layers have in common (two critics) keep the first of all.
    """
    system, rooms = lowered(program)
    arrays: dict[Parameter, Array] = {}
    changes: list[Noise] = []
    changed: set[int] = set()
    kept: set[tuple[int, int]] = set()
    layers = [(la, *place) for la, place in zip(report.layers, _places(rooms, report))]
    units_of = {}
    for la, axis, _ in layers:
        units, reason = to_change(la)
        if la.twins:
            units = _others(la, axis, units, kept)
        units_of[la.layer] = (units, reason)
    for la, axis, start in reversed(layers):
        units, reason = units_of[la.layer]
        above = {b.target for b in system.outgoing(axis) if not b.structural}
        if not len(units) or (above & changed and reason != "dead"):
            continue
        for use, elements in _into(rooms, axis, start + units):
            parameter = use.weights.parameter
            a = arrays.setdefault(parameter, np.array(rooms.read(parameter)))
            size = float(np.sqrt(np.mean(np.square(a, dtype=np.float64))))
            w = use.arrange(a)
            std = scale * (size if size > 0 else 1 / math.sqrt(max(1, w.shape[1] * w.shape[2])))
            noise = random.normal((elements.size,), std=std, dtype=a.dtype,
                                  rng=key.child(f"{parameter.names[0]}.{len(changes)}"))
            flat = a.reshape(-1)
            flat[elements] += noise
            arrays[parameter] = flat.reshape(a.shape)
            changes.append((la.layer, parameter.names[0], tuple(int(u) for u in units), std, reason))
            changed.add(axis)
    made = tuple(replace(p, read=_reader(arrays[p])) if p in arrays else p for p in program.parameters)
    return Program(program.inputs, made, program.constants, program.ops, program.outputs,
                   approximate=program.approximate), changes


def _others(la: LayerSymmetry, axis: int, units: Array, kept: set[tuple[int, int]]) -> Array:
    """Of cells that other layers hold too, every unit but the first of all."""
    out = set(units.tolist())
    for unit in la.representative.tolist():
        cell = (axis, int(la.labels[unit]))
        if la.status[unit] in ("tied", "sign-tied"):
            if cell in kept:
                out.add(unit)
            kept.add(cell)
    return np.array(sorted(out), dtype=np.int64)


def _places(rooms: Lowering, report: SymmetryReport) -> list[tuple[int, int]]:
    """Axis and first unit of every layer."""
    out = {a.layer: (i, 0) for i, a in enumerate(rooms.axes) if a.layer is not None and not rooms.joint(i)}
    out |= {s.layer: (s.axis, s.units.start) for s in rooms.slices}
    return [out[la.layer] for la in report.layers]


def _into(rooms: Lowering, axis: int, units: Array) -> Iterator[tuple[Use, Array]]:
    """The trained weights into some units of an axis: of each use, the elements of its parameter."""
    chosen = np.zeros(rooms.axes[axis].n, dtype=bool)
    chosen[units] = True
    for use in rooms.trace.uses:
        parameter = use.weights.parameter
        if use.lift or use.weights.copied or use.weights.frozen or not parameter.trainable:
            continue
        mine = (rooms.found.axis[use.target] == axis) & chosen[np.where(rooms.found.axis[use.target] == axis,
                                                                        rooms.found.index[use.target], 0)]
        if mine.any():
            shape = rooms.read(parameter).shape
            where = use.arrange(np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape))
            picked = [where[e][..., mine[e].any(axis=0)].ravel() for e in range(len(where))]
            yield use, np.unique(np.concatenate(picked))


def _reader(a: Array) -> Callable[[], Array]:
    return lambda: a
