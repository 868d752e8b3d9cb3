"""All rules that have a form for nodes, in the catalogue's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from .. import _catalogue
from .._finding import Finding
from . import _ends, _learning, _saturation, _signal, _ties
from ._facts import NodeContext

# Rules whose entry stands with the chains' form of them.
_FORMS: dict[str, Callable[[NodeContext], Iterator[Finding]]] = {
    "SYM101": _ties.tied, "SYM102": _ties.near_tied, "SYM103": _ties.sign_tied, "SYM104": _ties.never,
    "SYM105": _ties.forward_duplicate, "SYM106": _ties.blocked,
    "SAT201": _saturation.saturated, "SAT202": _saturation.zero_slope, "SAT203": _saturation.dead_relu,
    "SIG301": _signal.vanishing_activations, "SIG302": _signal.exploding_activations,
    "SIG303": _signal.vanishing_gradient, "SIG304": _signal.exploding_gradient, "SIG305": _signal.variance_misfit,
    "SIG306": _signal.too_deep, "NUM401": _ends.non_finite, "NUM403": _ends.half_precision,
    "OUT601": _ends.initial_loss, "OUT602": _ends.flat_head, "INP701": _ends.unscaled, "INP702": _ends.constant}


def judge(c: NodeContext, active: frozenset[str]) -> list[Finding]:
    """What the chosen rules find at the nodes of a network.

    >>> judge(NodeContext({"SYM104": {}}), frozenset({"SYM104"}))
    []
    """
    found: list[Finding] = []
    for rule_id, form in _FORMS.items():
        if rule_id in active:
            c.rule = _catalogue.CATALOGUE[rule_id]
            found += form(c)
    if "SIG307" in active:
        c.rule = _catalogue.CATALOGUE["SIG307"]
        found = _learning.rehearsed(c, found)
    return found


def knows_better(f: Finding) -> bool:
    """Do the rules on nodes know more of what a tensor by itself was found to have: its spread, a tensor of zeros?

    >>> knows_better(Finding("TEN804", "warn", None, "", 1, 1, None, "", "w"))
    True
    """
    return f.rule == "TEN804" or (f.rule == "TEN802" and f.measured == 0)
