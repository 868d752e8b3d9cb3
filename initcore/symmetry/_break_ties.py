"""The least change that sets a tied network free."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from .. import random
from .._checks import flag, number, quiet
from .._types import Array
from ..errors import ArgumentError
from ..network import Network
from ..program import Program
from ..random import Key, as_key
from ._analyze import analyze, as_network
from ._layers import LayerSymmetry
from ._lowering._free import freed_once
from ._report import SymmetryReport


@dataclass(frozen=True)
class Change:
    """What :func:`break_ties` did: noise of standard deviation ``std`` on ``parameter[:, units]``."""

    layer: int
    parameter: str
    units: tuple[int, ...]
    std: float
    reason: str

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.units[:6])) + (", ..." if len(self.units) > 6 else "")
        return f"{self.parameter}[:, ({shown})] += normal(std={self.std:.3g})  ({self.reason})"


class Broken(NamedTuple):
    """``network`` (or program) without ties and the ``changes`` that were needed (none for a free one)."""

    network: Any
    changes: list[Change]


@quiet
def break_ties(net: Any, *, rng: Any = None, scale: float = 0.1, optimizer: str = "sgd", l2: float = 0.0,
               same_targets: bool = False) -> Broken:
    """A network without ties or dead units, by the least change: noise on some units' incoming weights.

    Only cells of several units are touched, all but one unit of each (all of a dead cell), and no layer whose
    ties the noise above it already breaks. Biases, and the arrays given, stay as they are.

    Parameters
    ----------
    net : :class:`initcore.Network`, a list of ``(w, b, activation)``, or :class:`initcore.program.Program`: then the
        result is a program whose parameters read the changed arrays, for the module to take over.
    rng : Key, int, Generator ... as everywhere; None takes entropy from the system.
    scale : standard deviation of the noise over the root mean square of the layer's weights (over
        ``1/sqrt(fan_in)`` where they are all zero). Default 0.1.

    same_targets : of a program, as in :func:`analyze`.

    Returns
    -------
    Broken : ``(network, changes)``; a change names layer, parameter, units and the noise's standard deviation.

    >>> import numpy as np
    >>> net = [(np.full((2, 3), 0.5), np.zeros(3), "tanh"), (np.ones((3, 1)), np.zeros(1))]
    >>> free, changes = break_ties(net, rng=0)
    >>> analyze(free).ok, changes[0].units
    (True, (1, 2))
    """
    scale, same_targets = number("scale", scale, low=0.0, open_low=True), flag("same_targets", same_targets)
    if isinstance(net, Program):
        return _freed_program(net, lambda p: analyze(p, optimizer=optimizer, l2=l2, same_targets=same_targets), rng,
                              scale)
    if same_targets:
        raise ArgumentError("same_targets=True is for programs of several towers; a chain of layers is one.")
    return freed(as_network(net), lambda n: analyze(n, optimizer=optimizer, l2=l2), rng, scale)


def freed(net: Network, analyze: Callable[[Network], SymmetryReport], rng: object, scale: float) -> Broken:
    """Add noise to the incoming weights of all but one unit of each cell, from the last layer back, until free."""
    key: Key = as_key(rng)
    changes: list[Change] = []
    for attempt in range(4):
        report = analyze(net)
        if not report.certified:
            raise ArgumentError("the ties could not be settled within max_sweeps; raise it.")
        if report.ok:
            return Broken(net, changes)
        layers = list(net.layers)
        above_broken = False
        for la in reversed(report.layers):
            units, reason = _to_change(la)
            if len(units) == 0 or (above_broken and reason != "dead"):
                # Noise on the weights out of this layer already tells its units apart.
                above_broken = False
                continue
            i = la.layer
            w = layers[i].w
            size = float(np.sqrt(np.mean(np.square(w, dtype=np.float64))))
            std = scale * (size if size > 0 else 1 / math.sqrt(max(1, w.shape[0])))
            noise = random.normal((w.shape[0], len(units)), std=std, dtype=net.dtype,
                                  rng=key.child(f"break_ties.{attempt}.{i}"))
            new = w.copy()
            new[:, units] += noise
            layers[i] = layers[i].replace(w=new)
            changes.append(Change(i, f"layers[{i}].w", tuple(int(u) for u in units), std, reason))
            above_broken = True
        net = Network(layers)
    raise ArgumentError(f"ties remain after noise of relative size scale={scale!r}; raise it (the weights' precision "
                        "may swallow it).")


def _freed_program(program: Program, analyze: Callable[[Program], SymmetryReport], rng: object, scale: float) -> Broken:
    """Noise until no unit is tied or dead; what no weights into its units can free is refused."""
    key: Key = as_key(rng)
    changes: list[Change] = []
    for attempt in range(4):
        report = analyze(program)
        if not report.certified:
            raise ArgumentError("the ties could not be settled within max_sweeps, or the program is approximate: it "
                                "has no ties that are proved.")
        if all(la.ok for la in report.layers):
            return Broken(program, changes)
        program, made = freed_once(program, report, key.child(f"break_ties.{attempt}"), scale, _to_change)
        changes += [Change(*noise) for noise in made]
        if not made:
            break
    tied = [la for la in report.layers if not la.ok]
    raise ArgumentError(f"{len(tied)} layers stay tied, {tied[0].name!r} first ({tied[0].verdict}): no trained weights "
                        f"of their own lead into these units, or noise of relative size scale={scale!r} is swallowed "
                        "by the weights' precision. Initialise what is read of them anew, or raise scale.")


def _to_change(la: LayerSymmetry) -> tuple[Array, str]:
    """The units to move: every dead one, and all but the first of each tied cell."""
    status = np.array(la.status)
    dead = status == "dead"
    tied = (status == "tied") | (status == "sign-tied")
    tied[la.representative] = False
    reason = "dead" if dead.any() else "tied"
    return np.flatnonzero(dead | tied), reason
