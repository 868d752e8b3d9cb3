"""SYM101 to SYM106 by proof: the axes of a network whose units are tied, nearly tied or equal for a step, and weights
that never move or start late."""

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
    proved = {name for name, step in flow.items() if step is None}
    stuck = [w for w in c.weights if w.trainable and not w.table and (w.name in proved or w.stuck)]
    for w in (w for w in stuck if w.std == 0):
        others = list(dict.fromkeys(v.name for v in stuck if v.std > 0))
        also = f"; nor do {', '.join(others[:4])}" if others else ""
        seen = w.name in flow and w.name not in proved        # by this data alone: others may reach it
        yield c.finding(w.place, w.name, f"{w.name} is {'all 0' if w.mean == 0 else 'one number everywhere'} and "
                        + ("got no gradient on this data in several steps" if seen else "never gets a gradient")
                        + f"{also}.", severity="warn" if seen else None, measured="never", expected="step 0",
                        cause="symmetry", cure=redraw(w), tensors=(w.name,))


def near_tied(c: NodeContext) -> Iterator[Finding]:
    """SYM102."""
    limit = c.limits["distance"]
    for la in c.symmetry.layers if c.symmetry is not None and not c.trained else ():
        close = [t for t in la.near_ties if t.relative <= limit]
        if close:
            w = _maker(c, la.name)
            yield c.finding(
                w.place if w is not None else Place(la.name), w.name if w is not None else la.name,
                f"{sum(len(t.units) for t in close)} of {len(la.status)} units of {la.name} differ from another by at "
                f"most {max(t.relative for t in close):.1g} of their size and separate slowly.",
                measured=min(t.relative for t in close), expected=limit, cause="symmetry",
                cure=redraw(w) if w is not None else "draw the weights at random at their full scale")


def forward_duplicate(c: NodeContext) -> Iterator[Finding]:
    """SYM105."""
    for la in c.symmetry.layers if c.symmetry is not None else ():
        if la.forward_duplicates:
            w = _maker(c, la.name)
            yield c.finding(
                w.place if w is not None else Place(la.name), w.name if w is not None else la.name,
                f"{sum(len(g) for g in la.forward_duplicates)} of {len(la.status)} units of {la.name} are equal to "
                "another at step 0 and separate with the first updates.", measured=la.forward_width,
                expected=len(la.status), cause="symmetry", cure="none needed")


def blocked(c: NodeContext) -> Iterator[Finding]:
    """SYM106."""
    late = {k: v for k, v in c.symmetry.zero_flow.items() if v} if c.symmetry is not None else {}
    if late:
        names = ", ".join(list(late)[:4]) + (", ..." if len(late) > 4 else "")
        first = next((w for w in c.weights if w.name in late), None)
        yield c.finding(first.place if first is not None else Place(), first.name if first is not None else names,
                        f"No gradient in the first step, from step {min(late.values())} on for: {names}.",
                        measured=max(late.values()), expected=0, cause="symmetry", cure="none needed",
                        tensors=tuple(late))
