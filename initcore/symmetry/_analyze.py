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

from .._checks import array, flag, integer, number, quiet
from .._types import Array
from ..errors import ArgumentError, ArgumentTypeError, DTypeError, ShapeError
from ..network import Dense, Network
from ..program import Program
from . import _weight_passes as passes
from ._lowering._report import program_report
from ._optimizers import rule
from ._refinement._grouping import group
from ._report import SymmetryReport
from ._structures._graph import Graph
from ._structures._joint import together
from ._structures._system import chain
from ._verdicts import report_on


def as_network(net: Any) -> Network:
    """A Network from a Network or from ``(w, b, activation)`` tuples, ``w`` of shape ``(fan_in, fan_out)``."""
    if isinstance(net, Network):
        if any(passes.look(a if a.ndim == 2 else a[None]) < 0 for _, _, a in net.parameters()):
            net.check_finite()
        return net
    if isinstance(net, Program):
        raise ArgumentTypeError("net is a Program, whose operations have their widths written into them (heads, "
                                "shapes); quotients are made of chains of layers. The width each layer really has is "
                                "analyze(net).axes[name].effective_width: build the module anew with it, or set it "
                                "free by break_ties(net).")
    if isinstance(net, Graph):
        raise ArgumentTypeError("net is a Graph, which holds no network to change; this takes chains of layers: an "
                                "initcore.Network or a list of (w, b, activation). analyze() judges it; re-initialise "
                                "the axes it names.")
    if hasattr(net, "named_parameters"):
        raise ArgumentTypeError(f"net is a {type(net).__name__}; give symmetry its program: "
                                "initcore.torch.program(module, args).")
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
    a = array(name, value)
    if a.shape != (n,):
        raise ShapeError(f"{name} must hold one label a unit, shape ({n},), got shape {a.shape}.")
    return group(a)


def _as_networks(net: Any) -> list[Network] | None:
    """The networks of a list of networks, None for anything else."""
    if isinstance(net, (list, tuple)) and net and all(isinstance(n, Network) or (
            isinstance(n, list) and n and all(isinstance(la, (tuple, Dense)) for la in n)) for n in net):
        return [as_network(n) for n in net]
    return None


@quiet
def analyze(net: Any, *, optimizer: str = "sgd", l2: float = 0.0, input_groups: Any = None,
            output_groups: Any = None, tolerance: float | None = None, hidden_dropout: bool = False,
            same_targets: bool = False, max_sweeps: int = 10_000) -> SymmetryReport:
    """Prove which hidden units are tied for ever, sign-tied, proportional or dead.

    Parameters
    ----------
    net : :class:`initcore.Network`, :class:`Graph`, :class:`initcore.program.Program`, a list of ``(w, b, activation)``
        with ``w (fan_in, fan_out)``, or a list of such networks that read the same inputs: their hidden layers are then
        reported one network after the other, with labels that mean the same throughout, and ``groups["networks"]``
        names equal networks.
    optimizer : "sgd", "momentum", "nesterov", "adam", "adamw", "lion", "rmsprop", "adagrad", "sign_sgd", "muon",
        "shampoo", "lars", "lamb" and kin; the answer holds for it.
    l2 : weight of an L2 penalty added to the gradient (for "adamw": its decoupled decay). Default 0.
    input_groups : one label an input; inputs of equal label are promised to be always equal. Default: all differ.
    output_groups : the same promise for the outputs' back-signals.
    tolerance : relative distance up to which units are reported as *near* ties (default 1e-3), and for the separate
        partition ``layers[l].tolerance_labels`` (only if given).
    hidden_dropout : hidden units are dropped at random, which separates them.
    same_targets : the networks of a list are trained on the same targets (an ensemble, twin critics), so equal ones
        stay one network. Of a program: its outputs have one target, each with the same loss; of a single output, the
        parts along its first dim (a stacked ensemble). Default: each has targets of its own.
    max_sweeps : a loop stopped there answers "undetermined", never "tied".

    Returns
    -------
    SymmetryReport : ``.layers[l]`` for each hidden layer, ``.zero_flow``, ``.ok``, ``.verdict``,
        ``.explain(layer, a, b)``.

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
    dropped, same_targets = flag("hidden_dropout", hidden_dropout), flag("same_targets", same_targets)
    if isinstance(net, Program):
        if input_groups is not None or output_groups is not None:
            raise ArgumentError("input_groups and output_groups are for chains of layers, not programs; of outputs "
                                "that are compared with one target say same_targets=True.")
        return program_report(net, optimizer, float(l2), max_sweeps, tolerance, dropped, same_targets)
    if isinstance(net, Graph):
        if input_groups is not None or output_groups is not None:
            raise ArgumentError("give groups= to Graph.inputs and Graph.outputs, not input_groups, output_groups.")
        system = net.system()
        masked = any(b.structural for b in system.blocks)
        law = rule(optimizer, l2, hidden_dropout=dropped, masked=masked, normed=net.normed_weights)
        return report_on(system, law, float(l2), max_sweeps, tolerance, dropped)
    law = rule(optimizer, l2, hidden_dropout=dropped)
    if (networks := _as_networks(net)) is not None:
        if input_groups is not None or output_groups is not None:
            raise ArgumentError("input_groups and output_groups are for one network, not for a list of networks.")
        return report_on(together([n.layers for n in networks], same_targets), law, float(l2), max_sweeps,
                         tolerance, dropped)
    if same_targets:
        raise ArgumentError("same_targets=True needs a list of networks; for a Graph give Graph.outputs same_targets.")
    network = as_network(net)
    system = chain(network.layers, _labels("input_groups", input_groups, network.widths[0]),
                   _labels("output_groups", output_groups, network.widths[-1]))
    return report_on(system, law, float(l2), max_sweeps, tolerance, dropped)
