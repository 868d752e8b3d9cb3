"""Which units are one unit for ever: a proof from the weights alone.

Training cannot tell two units apart when their weights agree in the right way: equal sums from every group of
equal units below, equal sums to every group above. :func:`analyze` finds all such ties, exactly, for the optimiser
named; :func:`quotient` returns the narrower network a tied one really is; :func:`break_ties` sets it free.

References: Grohe, Kersting, Mladenov, Selman 2014 (equitable partitions of matrices); Fukumizu, Amari 2000;
Chen, Kunin et al. 2023 (invariant sets). Other libraries have no counterpart.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import _field as field
from . import _passes as passes
from ._checks import integer, number
from ._explain import explain
from ._graph import Graph
from ._near import near_ties
from ._optimizers import Rule, rule
from ._partition import Refinement, State, group
from ._quotient import Broken, Change, Quotient, freed, quotient_of
from ._report import LayerSymmetry, NearTie, Report
from ._system import System, chain
from ._zero_flow import ZeroFlow, flow
from .errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from .network import Dense, Network

__all__ = ["Broken", "Change", "Graph", "LayerSymmetry", "NearTie", "Quotient", "Report", "ZeroFlow", "analyze", "break_ties",
           "quotient"]
Array = np.ndarray


def as_network(net: Any) -> Network:
    """A Network from a Network or from ``(w, b, activation)`` tuples, ``w`` of shape ``(fan_in, fan_out)``."""
    if isinstance(net, Network):
        if any(passes.look(a if a.ndim == 2 else a[None]) < 0 for _, _, a in net.parameters()):
            net.check_finite()
        return net
    if isinstance(net, (str, bytes, np.ndarray)) or not isinstance(net, Sequence):
        raise ArgumentTypeError(f"net must be an initcore.Network, a symmetry.Graph or a list of (w, b, activation), "
                                f"got {type(net).__name__}.")
    layers = []
    for i, item in enumerate(net):
        if isinstance(item, Dense):
            layers.append(item)
            continue
        if not isinstance(item, (tuple, list)) or not 1 <= len(item) <= 3:
            raise ArgumentTypeError(f"net[{i}] must be an initcore.Dense or (w, b, activation), got {item!r}.")
        try:
            layers.append(Dense(*item))
        except (ShapeError, DTypeError) as error:
            raise type(error)(f"net[{i}]: {error}") from None
    return Network(layers)


def _labels(name: str, value: Any, n: int) -> Array | None:
    if value is None:
        return None
    a = np.asarray(value)
    if a.shape != (n,):
        raise ShapeError(f"{name} must hold one label a unit, shape ({n},), got shape {a.shape}.")
    return group(a)


def analyze(net: Any, *, optimizer: str = "sgd", l2: float = 0.0, input_groups: Any = None,
            output_groups: Any = None, tolerance: float | None = None, hidden_dropout: bool = False,
            max_sweeps: int = 10_000) -> Report:
    """Prove which hidden units are tied for ever, sign-tied, proportional or dead.

    Parameters
    ----------
    net : :class:`initcore.Network`, :class:`Graph`, or a list of ``(w, b, activation)`` with ``w (fan_in, fan_out)``.
    optimizer : "sgd", "momentum", "nesterov", "adam", "adamw", "lion", "rmsprop", "adagrad", "sign_sgd", "muon",
        "shampoo", "lars", "lamb" and kin; the answer holds for it.
    l2 : weight of an L2 penalty added to the gradient (for "adamw": its decoupled decay). Default 0.
    input_groups : one label an input; inputs of equal label are promised to be always equal. Default: all differ.
    output_groups : the same promise for the outputs' back-signals.
    tolerance : relative distance up to which units are reported as *near* ties (default 1e-3), and for the separate
        partition ``layers[l].tolerance_labels`` (only if given).
    hidden_dropout : hidden units are dropped at random, which separates them.
    max_sweeps : a loop stopped there answers "undetermined", never "tied".

    Returns
    -------
    Report : ``.layers[l]`` for each hidden layer, ``.zero_flow``, ``.ok``, ``.verdict``, ``.explain(layer, a, b)``.

    Raises
    ------
    NonFiniteError, ShapeError, DTypeError, UnknownNameError

    >>> import numpy as np
    >>> ones = [(np.ones((2, 3)), np.zeros(3), "tanh"), (np.ones((3, 1)), np.zeros(1), "identity")]
    >>> report = analyze(ones, optimizer="adam")
    >>> report.layers[0].status, report.layers[0].effective_width, report.ok
    (('tied', 'tied', 'tied'), 1, False)
    """
    max_sweeps = integer("max_sweeps", max_sweeps, low=1)
    if tolerance is not None:
        tolerance = number("tolerance", tolerance, low=0.0)
    if isinstance(net, Graph):
        if input_groups is not None or output_groups is not None:
            raise ArgumentError("give groups= to Graph.inputs and Graph.outputs instead of input_groups, output_groups.")
        system = net.system()
        masked = any(b.structural for b in system.blocks)
        law = rule(optimizer, l2, hidden_dropout=bool(hidden_dropout), masked=masked)
        return _report(system, law, float(l2), max_sweeps, tolerance)
    network = as_network(net)
    law = rule(optimizer, l2, hidden_dropout=bool(hidden_dropout))
    system = chain(network.layers, _labels("input_groups", input_groups, network.widths[0]),
                   _labels("output_groups", output_groups, network.widths[-1]))
    return _report(system, law, float(l2), max_sweeps, tolerance)


def quotient(net: Any, *, optimizer: str = "sgd", input_groups: Any = None, max_sweeps: int = 10_000) -> Quotient:
    """The narrower network a tied one is, with the learning-rate factors it trains with.

    One unit stands for each live cell, its weights from cell C to cell D are ``sum_{i in C} t_i w_i,rep(D)`` (t the
    multipliers), dead units are left out. SGD on it with the learning rate of each weight multiplied by
    ``|C|/|D|`` (bias ``1/|D|``) retraces SGD on the original; so do momentum and L2.

    Returns
    -------
    Quotient : ``(network, lr_factors, report)``; ``lr_factors[i].w`` has the shape of ``network.layers[i].w``.

    >>> import numpy as np
    >>> net = [(np.full((2, 6), 0.5), np.zeros(6), "tanh"), (np.ones((6, 1)), np.zeros(1))]
    >>> q = quotient(net)
    >>> q.network.widths, float(q.lr_factors[1].w[0, 0])
    ((2, 1, 1), 6.0)
    """
    network = as_network(net)
    report = analyze(network, optimizer=optimizer, input_groups=input_groups, max_sweeps=max_sweeps)
    if not report.certified:
        raise ArgumentError(f"the partition was not settled within max_sweeps={max_sweeps}; raise it.")
    return quotient_of(network, report)


def break_ties(net: Any, *, rng: Any = None, scale: float = 0.1, optimizer: str = "sgd", l2: float = 0.0) -> Broken:
    """A network without ties or dead units, by the least change: noise on some units' incoming weights.

    Only cells of several units are touched, all but one unit of each (all of a dead cell), and no layer whose
    ties the noise above it already breaks. Biases, and the arrays given, stay as they are.

    Parameters
    ----------
    rng : Key, int, Generator ... as everywhere; None takes entropy from the system.
    scale : standard deviation of the noise over the root mean square of the layer's weights (over
        ``1/sqrt(fan_in)`` where they are all zero). Default 0.1.

    Returns
    -------
    Broken : ``(network, changes)``; a change names layer, parameter, units and the noise's standard deviation.

    >>> import numpy as np
    >>> net = [(np.full((2, 3), 0.5), np.zeros(3), "tanh"), (np.ones((3, 1)), np.zeros(1))]
    >>> free, changes = break_ties(net, rng=0)
    >>> analyze(free).ok, changes[0].units
    (True, (1, 2))
    """
    scale = number("scale", scale, low=0.0, open_low=True)
    return freed(as_network(net), lambda n: analyze(n, optimizer=optimizer, l2=l2), rng, scale)


def _refine(system: System, law: Rule, max_sweeps: int) -> Refinement:
    """The partition for an optimiser."""
    refinement = Refinement(system, strength=law.strength, signs=law.signs, scales=law.scales,
                            bias_stays=law.bias_stays)
    refinement.run(max_sweeps)
    return refinement


def _elementwise(system: System, found: Refinement, max_sweeps: int) -> Refinement | None:
    """The elementwise partition, refined further from an affine one; None if there is nothing to refine."""
    if found.strength == "elementwise" or all(s.discrete for s, a in zip(found.states, system.axes) if a.fixed is None):
        return None
    start = []
    for s in found.states:
        plus = np.minimum(s.unit_p, field.negative(s.unit_p))
        sign = np.where(s.unit_p > field.P // 2, -1.0, 1.0)
        cell = np.where(s.cell == 0, 0, group(s.cell, plus) + 1)
        state = State(cell, np.where(cell == 0, 1.0, sign), np.where(sign < 0, np.uint64(field.P - 1), np.uint64(1)))
        state.settle()
        start.append(state)
    refinement = Refinement(system, strength="elementwise", bias_stays=found.bias_stays, start=start)
    refinement.run(max_sweeps)
    return refinement


def _report(system: System, law: Rule, l2: float, max_sweeps: int, tolerance: float | None) -> Report:
    none = law.strength == "none"
    found = _refine(system, law if not none else rule("sgd"), max_sweeps)
    finer = None if none else _elementwise(system, found, max_sweeps)
    dead = [(s.cell == 0) & (a.fixed is None) & (found.certified and not none)
            for s, a in zip(found.states, system.axes)]
    inner = [i for i, a in enumerate(system.axes) if a.layer is not None]
    layers = [_layer(system, i, found, finer, none) for i in inner]
    _degenerate(system, found, layers)
    for i, la in zip(inner, layers):
        la.near_ties = near_ties(system, found, i, la.labels, la.representative, tolerance)
    if tolerance is not None:
        loose = Refinement(system, signs=law.signs, tolerance=tolerance)
        loose.run(max_sweeps)
        for i, la in zip(inner, layers):
            la.tolerance_labels = _first_seen(loose.states[i].cell)[1]
            la.tolerance_cells = int(la.tolerance_labels.max(initial=-1)) + 1
    settings = {"strength": found.strength, "signs": law.signs, "scales": found.scales, "bias_stays": law.bias_stays}

    def why(layer: int, a: int, b: int) -> str:
        status = layers[layer].status
        return explain(system, settings, found.states, inner[layer], a, b, (status[a], status[b]), max_sweeps)

    return Report(layers, flow(system, dead), law.name, l2, law.conditions, found.certified, found.sweeps,
                  {system.axes[i].name: la for i, la in zip(inner, layers)},
                  {c.name: found.groups_of(c) for c in system.couplings if c.name}, why)


def _layer(system: System, i: int, found: Refinement, finer: Refinement | None, none: bool) -> LayerSymmetry:
    axis, state = system.axes[i], found.states[i]
    n = axis.n
    cell = state.cell if not none else np.arange(1, n + 1)
    first, labels = _first_seen(cell)
    sizes = np.bincount(labels, minlength=len(first)).astype(np.int64)
    zero = cell == 0
    status = np.full(n, "free", dtype=object)
    multipliers = np.ones(n)
    if not none:
        many = sizes[labels] > 1
        live = np.flatnonzero(many & ~zero)
        if len(live):
            multipliers[live] = state.unit[live] / state.unit[first[labels[live]]]
            key = group(labels[live], state.unit_p[live])
            negative = group(np.r_[labels[live], labels[live]],
                             np.r_[state.unit_p[live], field.negative(state.unit_p[live])])
            own, other = negative[:len(live)], negative[len(live):]
            count = np.bincount(key)
            has = np.isin(own, other)
            status[live] = np.where(count[key] > 1, "tied", np.where(has, "sign-tied", "proportional"))
        status[zero] = "dead"
        multipliers[zero] = 0.0
    if not found.certified:
        status[(sizes[labels] > 1) | zero] = "undetermined"
    strength = None
    if found.certified and not none and (sizes[labels] > 1).any():
        same = finer is None or (finer.certified and finer.states[i].cells == state.cells
                                 and bool(((finer.states[i].cell == 0) == zero).all()))
        strength = "elementwise" if same else "affine"
    live_cells = len(first) - int(zero.any())
    return LayerSymmetry(axis.layer if axis.layer is not None else -1, axis.name, labels, tuple(status.tolist()),
                         multipliers, len(first), live_cells, first, sizes, strength)


def _degenerate(system: System, found: Refinement, layers: list[LayerSymmetry]) -> None:
    """Fill in what is equal at step 0 only: units of one forward (backward) class that lie in different cells."""
    backward = found.backward_only()
    for la, i in zip(layers, (i for i, a in enumerate(system.axes) if a.layer is not None)):
        la.forward_width = int(found.forward_only[i].max(initial=-1)) + 1
        la.forward_duplicates = _across(found.forward_only[i], la)
        la.backward_duplicates = _across(backward[i], la)
        outputs = [int(np.unique(found.states[b.target].cell).size) for b in system.outgoing(i)]
        inputs = [int(np.unique(found.forward_only[b.source]).size) for b in system.incoming(i)]
        la.update_rank_bound = min(la.effective_width, sum(outputs), sum(inputs)) if outputs else la.effective_width


def _across(classes: Array, la: LayerSymmetry) -> tuple[tuple[int, ...], ...]:
    """Classes of several units that are not one cell."""
    if len(classes) < 2 or int(np.ptp(classes)) + 1 == len(classes):
        return ()
    order = np.argsort(classes, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(classes[order])) + 1)
    return tuple(tuple(p.tolist()) for p in parts if len(p) > 1 and len(set(la.labels[p].tolist())) > 1)


def _first_seen(cell: Array) -> tuple[Array, Array]:
    """First unit of each cell and labels 0, 1, ... in order of first appearance."""
    _, first, back = np.unique(cell, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[back]

