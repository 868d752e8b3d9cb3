"""What :func:`initcore.symmetry.analyze` returns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .._checks import integer, quiet
from .._page.card import card, unfolded
from .._types import Array
from ..errors import ArgumentError, unknown_name
from ..program import Coverage
from ._flow._zero_flow import ZeroFlow
from ._layers import LayerSymmetry, NearTie


@dataclass
class SymmetryReport:
    """The answer for a network; ``str(report)`` is readable in 80 columns, :meth:`explain` says why.

    Attributes
    ----------
    layers : one :class:`LayerSymmetry` a hidden layer (network after network where several were judged together).
    zero_flow : first step with a gradient, by ``"layers[i].w"`` / ``"layers[i].b"`` or the names given to a Graph;
        None = never. ``zero_flow.null`` names parameters on which the loss does not depend.
    optimizer, l2 : what the answer is for.   conditions : what it rests on, one sentence each.
    axes : the layers by name, the parts of a concatenation too.
    groups : labels of attention heads, query heads, experts, norm groups and networks; equal = made of equal cells.
    certified : the refinement reached its fixpoint.   sweeps : sweeps it took, the confirming one included.
    coverage : of a program, the share of its parameters that was understood; below 90% it is never ok.

    >>> import numpy as np
    >>> from initcore.symmetry import analyze
    >>> zeros = [(np.zeros((2, 3)), np.zeros(3), "tanh"), (np.zeros((3, 1)), np.zeros(1), "identity")]
    >>> report = analyze(zeros)
    >>> report.ok, report.layers[0].status, report.stuck
    (False, ('dead', 'dead', 'dead'), ('layers[0].w', 'layers[0].b', 'layers[1].w'))
    >>> print(report.zero_flow)
    layers[0].w: never
    layers[0].b: never
    layers[1].w: never
    """

    layers: list[LayerSymmetry]
    zero_flow: ZeroFlow
    optimizer: str
    l2: float
    conditions: tuple[str, ...]
    certified: bool
    sweeps: int
    axes: dict[str, LayerSymmetry] = field(default_factory=dict)
    groups: dict[str, Array] = field(default_factory=dict)
    _explain: Callable[[int, int, int, int], str] | None = field(default=None, repr=False)
    coverage: Coverage | None = None

    @property
    def ok(self) -> bool:
        """Is every hidden unit certainly neither tied, sign-tied nor dead, and does every weight move some day?"""
        return (self.certified and all(la.ok for la in self.layers) and not self.stuck and not self.copies
                and (self.coverage is None or self.coverage.enough))

    @property
    def near_ties(self) -> tuple[NearTie, ...]:
        """Near ties of all layers."""
        return tuple(t for la in self.layers for t in la.near_ties)

    @property
    def blocked(self) -> tuple[str, ...]:
        """Parameters without a gradient at step 0 that get one later."""
        return tuple(k for k, v in self.zero_flow.items() if v)

    @property
    def frozen(self) -> tuple[str, ...]:
        """Parameters that never get a gradient."""
        return tuple(k for k, v in self.zero_flow.items() if v is None)

    @property
    def copies(self) -> tuple[str, ...]:
        """Groups of query heads of which some are one head for ever (names of :attr:`groups`)."""
        return tuple(k for k, v in self.groups.items() if k.endswith(".queries") and len(set(v.tolist())) < len(v))

    @property
    def stuck(self) -> tuple[str, ...]:
        """Parameters that never get a gradient though the loss depends on them (a head of zeros on a dead layer)."""
        return tuple(k for k in self.frozen if k not in self.zero_flow.null)

    @property
    def verdict(self) -> str:
        """One line for the network."""
        if not self.certified and self.conditions[:1] and self.conditions[0].startswith("the program is approximate"):
            return "UNDETERMINED: the program is approximate, so nothing is proved of it for ever"
        if not self.certified:
            return f"UNDETERMINED after {self.sweeps} sweeps: raise max_sweeps"
        words = []
        for status, label in (("dead", "DEAD"), ("tied", "TIED"), ("sign-tied", "SIGN-TIED"),
                              ("proportional", "PROPORTIONAL")):
            if k := sum(la.count(status) for la in self.layers):
                words.append(f"{label}: {k} unit{'s' * (k != 1)}")
        if words:
            widths = [la.effective_width for la in self.layers]
            shown = ", ".join(map(str, widths[:8])) + (", ..." if len(widths) > 8 else "")
            return f"{'; '.join(words)}; effective width {shown} under {self.optimizer}"
        if self.copies:
            return f"TIED: heads of equal queries and columns in {', '.join(self.copies)}"
        if self.stuck:
            return f"STUCK: {', '.join(self.stuck[:4])}{', ...' if len(self.stuck) > 4 else ''} never get a gradient"
        notes = []
        if any(la.forward_duplicates for la in self.layers):
            notes.append("forward-degenerate at step 0, broken by the first updates")
        if self.blocked:
            notes.append("some weights learn only from a later step")
        seen = "OK: every hidden unit is free"
        if self.coverage is not None and self.coverage.share < 1:
            word = "OK" if self.coverage.enough else "UNDETERMINED"
            seen = f"{word}: {self.coverage.percent} of the parameters understood, every hidden unit there is free"
        return seen + "".join(f"; {n}" for n in notes)

    @quiet
    def explain(self, layer: int | str, unit_a: int, unit_b: int, *, other: int | str | None = None) -> str:
        """Why two units of a hidden layer are tied (equalities to check by hand), or what separates them.

        layer : its position or its name.   other : the layer of unit_b, where it is another (two critics).

        Raises ArgumentError for a layer or unit that does not exist, UnknownNameError for a name.
        """
        places = [self._place(layer), self._place(layer if other is None else other)]
        units = integer("unit_a", unit_a), integer("unit_b", unit_b)
        for name, unit, k in zip(("unit_a", "unit_b"), units, places):
            n = self.layers[k].n_units
            if not 0 <= unit < n:
                raise ArgumentError(f"{name}={unit} is out of range; layer {k} has units 0 to {n - 1}.")
        if self._explain is None:
            raise ArgumentError("this report was loaded without its network; analyze the network again to explain.")
        return self._explain(places[0], *units, places[1])

    def _place(self, layer: int | str) -> int:
        """The position of a layer given by it or by its name."""
        if isinstance(layer, str):
            named = [i for i, la in enumerate(self.layers) if la.name == layer]
            if not named:
                raise unknown_name("layer", layer, [la.name for la in self.layers])
            return named[0]
        k = integer("layer", layer)
        if not 0 <= k < len(self.layers):
            raise ArgumentError(f"layer={k} is not a hidden layer; there are {len(self.layers)} (0 to "
                                f"{len(self.layers) - 1}).")
        return k

    def to_dict(self) -> dict[str, Any]:
        """Plain Python values, for JSON."""
        return {"ok": self.ok, "verdict": self.verdict, "optimizer": self.optimizer, "l2": self.l2,
                "certified": self.certified, "sweeps": self.sweeps, "conditions": list(self.conditions),
                "zero_flow": dict(self.zero_flow),
                "layers": [{"layer": la.layer, "name": la.name, "labels": la.labels.tolist(),
                            "status": list(la.status), "n_cells": la.n_cells, "effective_width": la.effective_width,
                            "strength": la.strength, "verdict": la.verdict} for la in self.layers]}

    @quiet
    def __str__(self) -> str:
        lines = textwrap.wrap(self.verdict, 80)
        for la in self.layers[:40]:
            lines += textwrap.wrap(f"  {la.name}: {la.verdict}", 80, subsequent_indent="    ")
        if len(self.layers) > 40:
            lines.append(f"  ... and {len(self.layers) - 40} more layers")
        for text in _late(self.zero_flow):
            lines += textwrap.wrap("  " + text, 80, subsequent_indent="    ")
        for t in self.near_ties[:10]:
            lines += textwrap.wrap(f"  near tie in {self._name(t.layer)}: {_list(t.units)}, distance {t.distance:.3g} "
                                   f"({t.relative:.1g} of the weights)", 80, subsequent_indent="    ")
        if any(not la.ok or la.count("proportional") for la in self.layers):
            lines += textwrap.wrap("  holds given: " + "; ".join(self.conditions), 80, subsequent_indent="    ")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        layers = [[la.name, la.n_units, la.effective_width, la.verdict] for la in self.layers]
        late = [[k, "never" if v is None else f"step {v}"] for k, v in self.zero_flow.items() if v != 0]
        return card(self.verdict, [f"Rests on: {'; '.join(self.conditions)}"],
                    [unfolded("Hidden layers", ("layer", "units", "effective width", "verdict"), layers,
                              shown=len(layers) <= 10),
                     unfolded("Without a gradient at the first step", ("parameter", "first gradient"), late)])

    def _name(self, layer: int) -> str:
        return next((la.name for la in self.layers if la.layer == layer), str(layer))


def _list(units: Sequence[int]) -> str:
    shown = ", ".join(map(str, units[:6]))
    return f"units {shown}{', ...' if len(units) > 6 else ''}"


def _late(flow: ZeroFlow) -> list[str]:
    never = [k for k, v in flow.items() if v is None and k not in flow.null]
    out = []
    if never:
        out.append(f"never gets a gradient: {', '.join(never[:6])}{', ...' if len(never) > 6 else ''}")
    if flow.null:
        out.append(f"the loss does not depend on: {', '.join(flow.null[:6])}{', ...' if len(flow.null) > 6 else ''}")
    steps = sorted({v for v in flow.values() if v})
    for s in steps[:6]:
        names = [k for k, v in flow.items() if v == s]
        out.append(f"first learns at step {s}: {', '.join(names[:4])}{', ...' if len(names) > 4 else ''}")
    if len(steps) > 6:
        out.append(f"... and {len(steps) - 6} later steps")
    return out
