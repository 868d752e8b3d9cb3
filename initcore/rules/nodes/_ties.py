"""SYM101, SYM103 and SYM104 by proof: the axes of a network whose units are tied, and weights that never move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ...program import Place
from .._finding import Finding
from ._blame import redraw
from ._facts import NodeContext, Weight


def _maker(c: NodeContext, axis: str) -> Weight | None:
    """The weight that makes an axis, which bears its module's path."""
    path = axis.split(" (")[0]
    found = [w for w in c.weights if w.name.rpartition(".")[0] == path or w.place.module == path or w.name == path]
    constant = [w for w in found if w.std == 0]
    return next(iter(constant or found), None)


def _status(c: NodeContext, *words: str) -> Iterator[Finding]:
    for la in c.symmetry.layers if c.symmetry is not None else ():
        units = [k for k, s in enumerate(la.status) if s in words]
        if units:
            yield _finding(c, la, units, words)


def _finding(c: NodeContext, la: Any, units: list[int], words: tuple[str, ...]) -> Finding:
    n, dead = len(la.status), words == ("dead",)
    cells = Counter(la.labels[units].tolist())
    lost = (len(units) if dead else len(units) - len(cells)) / n
    few = lost < (0.5 if c.trained else c.limits["fail_share"])
    w = _maker(c, la.name)
    what = " and ".join(word for word in words if word in la.status)
    first = ", ".join(map(str, units[:8])) + (", ..." if len(units) > 8 else "")
    text = (f"{len(units)} of {n} units of {la.name} are dead: output and gradient stay 0 for ever" if dead else
            f"{len(units)} of {n} units of {la.name} are {what}, in {len(cells)} group{'s' * (len(cells) != 1)}: each "
            f"group is one unit for ever; effective width {la.effective_width}")
    return c.finding(w.place if w is not None else Place(la.name), w.name if w is not None else la.name,
                     f"{text} (units {first}).", severity="warn" if few else "fail", measured=la.effective_width,
                     expected=n, cause="symmetry", cure=redraw(w) if w is not None else "draw the weights at random")


def tied(c: NodeContext) -> Iterator[Finding]:
    """SYM101."""
    return _status(c, "tied", "proportional")


def sign_tied(c: NodeContext) -> Iterator[Finding]:
    """SYM103."""
    return _status(c, "sign-tied")


def never(c: NodeContext) -> Iterator[Finding]:
    """SYM104: dead axes, and zero weights that never get a gradient: proved, and measured where there is no proof."""
    yield from _status(c, "dead")
    flow = c.symmetry.zero_flow if c.symmetry is not None else {}
    stuck = [w for w in c.weights if w.trainable and not w.table and (
        flow[w.name] is None if w.name in flow else w.stuck)]
    for w in (w for w in stuck if w.std == 0):
        others = list(dict.fromkeys(v.name for v in stuck if v.std > 0))
        also = f"; nor do {', '.join(others[:4])}" if others else ""
        yield c.finding(w.place, w.name, f"{w.name} is {'all 0' if w.mean == 0 else 'one number everywhere'} and never "
                        f"gets a gradient{also}.", measured="never", expected="step 0", cause="symmetry",
                        cure=redraw(w), tensors=(w.name,))
