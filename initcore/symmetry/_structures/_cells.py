"""How the parts of a unit make its output, as booleans: what can be non-zero, and which back-signals are (theory 4.9).

OUTPUTS[kind](axis, parts, level) -> output;   ADJOINTS[kind](axis, parts, vary, slope, back) -> one signal a part.
``parts``: can each part be non-zero; ``vary``: does it vary over the keys; ``level``: can the argument of an
elementwise activation be non-zero; ``slope``: the back-signal behind that activation; ``back``: the one before.
"""

from collections.abc import Callable

import numpy as np

from ..._types import Array
from ._axis import Axis


def _phi0(axis: Axis) -> bool:
    return axis.activation is not None and axis.activation.phi0 != 0


def _unit(axis: Axis, parts: list[Array], level: Array) -> Array:
    """``x = phi(h)``."""
    return level | _phi0(axis)


def _unit_back(axis: Axis, parts: list[Array], vary: list[Array], slope: Array, back: Array) -> list[Array]:
    return [slope]


def _gated(axis: Axis, parts: list[Array], level: Array) -> Array:
    """``x = phi(gate) up``."""
    return (parts[0] | _phi0(axis)) & parts[1]


def _gated_back(axis: Axis, parts: list[Array], vary: list[Array], slope: Array, back: Array) -> list[Array]:
    phi = axis.activation
    steep = parts[0] | (phi is None or phi.dphi0 != 0)
    return [back & parts[1] & steep, back & (parts[0] | _phi0(axis))]


def _scores(axis: Axis, parts: list[Array], level: Array) -> Array:
    """``S = sum of q k`` for the queries of each head of a group; the last part is the key."""
    queries: Array = np.logical_or.reduce(parts[:-1])
    return queries & parts[-1]


def _scores_back(axis: Axis, parts: list[Array], vary: list[Array], slope: Array, back: Array) -> list[Array]:
    """Softmax does not see what is the same for all keys."""
    return [*(back & vary[-1] for _ in parts[:-1]), back & np.logical_or.reduce(parts[:-1])]


def _lstm(axis: Axis, parts: list[Array], level: Array) -> Array:
    """``c = f c + i tanh(g)``, ``x = o tanh(c)``: the gates are never 0."""
    return parts[2].copy()


def _lstm_back(axis: Axis, parts: list[Array], vary: list[Array], slope: Array, back: Array) -> list[Array]:
    through = back & parts[2]
    return [through, through, back, through]


def _gru(axis: Axis, parts: list[Array], level: Array) -> Array:
    """``n = tanh(a + r b)``, ``x = (1 - z) n + z x``."""
    return parts[2] | parts[3]


def _gru_back(axis: Axis, parts: list[Array], vary: list[Array], slope: Array, back: Array) -> list[Array]:
    return [back & parts[3], back & (parts[2] | parts[3]), back, back]


def _router(axis: Axis, parts: list[Array], level: Array) -> Array:
    """``p = softmax(l)``: never 0."""
    return np.ones(axis.n, dtype=bool)


Output = Callable[[Axis, list[Array], Array], Array]
Adjoint = Callable[[Axis, list[Array], list[Array], Array, Array], list[Array]]
OUTPUTS: dict[str, Output] = {"": _unit, "gated": _gated, "attention": _scores, "lstm": _lstm, "gru": _gru,
                              "router": _router}
ADJOINTS: dict[str, Adjoint] = {"": _unit_back, "gated": _gated_back, "attention": _scores_back, "lstm": _lstm_back,
                                "gru": _gru_back, "router": lambda axis, parts, vary, slope, back: [back]}
