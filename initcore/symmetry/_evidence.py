"""Evidence: the equalities that tie two units, or the first inequality that parts them."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from .._types import Array
from ._refinement._partition import BACKWARD, FORWARD, Refinement
from ._refinement._signatures import State
from ._structures._system import Block, System

_LINES = 8


def explain(system: System, settings: dict[str, Any], final: list[State], axis: int, a: int, b: int,
            status: tuple[str, str], max_sweeps: int) -> str:
    """The chain of equalities between units a and b of an axis, or what separates them at which step."""
    name = system.axes[axis].name
    state = final[axis]
    head = f"{name}, units {a} and {b}"
    if a == b:
        return f"{head}: the same unit."
    if state.cell[a] == state.cell[b]:
        if state.cell[a] == 0:
            lines = [f"{head}: both DEAD. Their inputs sum to 0 from every live cell, phi(0) = 0, and so does the "
                     "signal coming back:"]
        else:
            ratio = state.unit[b] / state.unit[a]
            kind = "equal" if (state.unit_p[:, a] == state.unit_p[:, b]).all() else f"in the ratio {ratio:g}"
            lines = [f"{head}: {status[0].upper()} ({kind} for ever). Every line below holds exactly:"]
        here = system.axes[axis]
        for values, label in (*here.colours, *((g.values, g.name) for g in here.gains)):
            for row in np.reshape(np.asarray(values), (-1, system.axes[axis].n)):
                lines.append(f"  {label}: {row[a]:.9g} and {row[b]:.9g}")
        for t in here.bias:
            note = " (the loss does not depend on it)" if t.null else ""
            lines.append(f"  bias {t.name}: {t.values[a]:.9g} and {t.values[b]:.9g}{note}")
        if state.cell[a] == 0 and system.axes[axis].forward_zero:
            lines += _sums(system, final, axis, a, b, FORWARD)
            lines.append("  the slope there is 0 too, so whatever comes back is multiplied by 0")
        else:
            lines += _sums(system, final, axis, a, b, FORWARD) + _sums(system, final, axis, a, b, BACKWARD)
        lines.append("By induction over the layers both get the same input, the same back-signal and the same update.")
        return "\n".join(lines)
    return _separation(system, settings, axis, a, b, head, max_sweeps)


def _separation(system: System, settings: dict[str, Any], axis: int, a: int, b: int, head: str,
                max_sweeps: int) -> str:
    probe = Refinement(system, **settings)
    if probe.states[axis].cell[a] != probe.states[axis].cell[b]:
        return f"{head}: free of each other; their own parameters differ from the start."
    before: list[State] = []
    found: list[str] = []

    def watch(r: Refinement, i: int, direction: str) -> bool:
        if i != axis or r.states[i].cell[a] == r.states[i].cell[b]:
            return False
        found.append(direction)
        return True

    probe.run(max_sweeps, watch)
    if not found:
        return f"{head}: not settled within {max_sweeps} sweeps."
    direction = found[0]
    before = probe.states
    where = f"sweep {probe.sweeps}, {direction} pass"
    if direction not in (FORWARD, BACKWARD):
        return f"{head}: parted at {where}: the groups they belong to are made of different cells."
    lines = [f"{head}: parted at {where}. The first sums that differ:"]
    if direction == FORWARD:
        for t in system.axes[axis].bias:
            if t.values[a] != t.values[b] and not t.null:
                lines.append(f"  bias {t.name}: {t.values[a]:.9g} and {t.values[b]:.9g}")
    lines += _sums(system, before, axis, a, b, direction, differing=True,
                   multiset=settings.get("strength") == "elementwise")
    return "\n".join(lines)


def _sums(system: System, states: list[State], axis: int, a: int, b: int, direction: str, differing: bool = False,
          multiset: bool = False) -> list[str]:
    """One line for each cell on the other side: what units a and b sum over it."""
    blocks = system.incoming(axis) if direction == FORWARD else system.outgoing(axis)
    lines = []
    for kin in _kin(blocks):
        block = kin[0]
        other = block.source if direction == FORWARD else block.target
        state, label = states[other], system.axes[other].name
        seen = [k for k in kin if _covers(k, a, direction) or _covers(k, b, direction)] if len(kin) > 1 else kin
        name = " and ".join(dict.fromkeys(k.name for k in seen))
        shown = hidden = 0
        for cell, units in _cells(state):
            x, y = (sum((_entries(k, units, unit, direction) for k in kin), np.zeros(len(units))) for unit in (a, b))
            unit = state.unit[units]
            if (direction == FORWARD and system.axes[other].even) or (direction == BACKWARD and block.part in
                                                                      system.axes[other].plain):
                unit = np.ones(len(units))
            sum_x, sum_y = _total(x, unit), _total(y, unit)
            same = sorted((x * unit).tolist()) == sorted((y * unit).tolist()) if multiset else sum_x == sum_y
            if cell == 0 or (differing and same):
                continue
            if shown == _LINES:
                hidden += 1
                continue
            shown += 1
            word = "from" if direction == FORWARD else "to"
            many = f"cell {_name(units)}" if len(units) > 1 else f"unit {units[0]}"
            if multiset and sum_x == sum_y:
                at = int(np.argmax(np.sort(x * unit) != np.sort(y * unit)))
                text = (f"equal sums {float(sum_x):.9g} of unequal entries, "
                        f"{np.sort(x * unit)[at]:.9g} and {np.sort(y * unit)[at]:.9g}")
            else:
                text = f"sums {float(sum_x):.17g} and {float(sum_y):.17g}"
            lines.append(f"  {name} {word} {label} {many}: {text}")
        if hidden:
            lines.append(f"  ... and {hidden} more cells of {label}")
    return lines


def _kin(blocks: Sequence[Block]) -> list[list[Block]]:
    """Blocks that play one role for different units stand together."""
    out: dict[int, list[Block]] = {}
    for index, b in enumerate(blocks):
        out.setdefault(index if b.kin is None else b.kin, []).append(b)
    return list(out.values())


def _covers(block: Block, j: int, direction: str) -> bool:
    here = block.cols if direction == FORWARD else block.rows
    return here is None or here.start <= j < here.stop


def _entries(block: Block, units: Array, j: int, direction: str) -> Array:
    """What unit j has from (to) some units on the other side; 0 where the block does not reach."""
    w, there, here = (block.w, block.rows, block.cols) if direction == FORWARD else (block.w.T, block.cols, block.rows)
    out = np.zeros(len(units))
    if _covers(block, j, direction):
        start, end = (0, len(w)) if there is None else (there.start, there.stop)
        inside = (units >= start) & (units < end)
        out[inside] = w[units[inside] - start, j - (0 if here is None else here.start)]
    return out


def _total(x: Array, unit: Array) -> Fraction:
    total = Fraction(0)
    for value, u in zip(x.tolist(), unit.tolist()):
        total += Fraction(value) * Fraction(u)
    return total


def _cells(state: State) -> list[tuple[int, Array]]:
    order = np.argsort(state.cell, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(state.cell[order])) + 1)
    return [(int(state.cell[p[0]]), p) for p in parts if len(p)]


def _name(units: Array) -> str:
    shown = ", ".join(map(str, units[:4].tolist()))
    return "{" + shown + (f", ... {len(units)} units" if len(units) > 4 else "") + "}"
