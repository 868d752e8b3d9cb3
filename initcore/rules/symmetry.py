"""SYM101 to SYM106: what the symmetry analysis proves, as findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ..symmetry import LayerSymmetry
from ._catalogue import rule
from ._context import Context
from ._finding import Finding
from ._weights import call

_FREE = "ic.symmetry.break_ties(net, rng=key).network frees them and touches nothing else"


def _status(c: Context, *words: str) -> Iterator[Finding]:
    """One finding a layer that has units of these statuses: fail where the share lost is large, else warn."""
    for la in c.symmetry.layers if c.symmetry is not None else ():
        units = [k for k, s in enumerate(la.status) if s in words]
        if not units or _above_dead(c, la.layer):
            continue
        n, layer, dead = len(la.status), c.net.layers[la.layer], words == ("dead",)
        cells = Counter(la.labels[units].tolist())
        lost = (len(units) if dead else len(units) - len(cells)) / n
        pruned = not any(layer.w[:, k].any() or c.net.layers[la.layer + 1].w[k].any() for k in units)
        few = lost < (0.5 if c.trained or pruned else c.limits["fail_share"])
        what = " and ".join(w for w in words if w in la.status)
        text = (f"{len(units)} of {n} units are dead: output and gradient stay 0 for ever" if dead else
                f"{len(units)} of {n} units are {what}, in {len(cells)} group{'s' * (len(cells) != 1)}: each group is "
                f"one unit for ever under {c.optimizer}; effective width {la.effective_width}")
        if few:
            text += f" ({100 * lost:.2g}% lost: units {_named(la, units, dead)})"
            if pruned:
                text += "; zero weights on both sides are what structured pruning leaves"
        yield c.finding(la.layer, text + ".", severity="warn" if few else "fail", measured=la.effective_width,
                        expected=n, cause="symmetry",
                        cure=_FREE if few else call(c.net, la.layer))


def _named(la: LayerSymmetry, units: list[int], dead: bool) -> str:
    """The first units, group by group: "3 = 9, 4 = 17 = 20 and 5 more"."""
    groups: dict[int, list[int]] = {}
    for k in units:
        groups.setdefault(k if dead else int(la.labels[k]), []).append(k)
    shown = [" = ".join(map(str, g[:6])) + " ..." * (len(g) > 6) for g in list(groups.values())[:6]]
    return ", ".join(shown) + (f" and {len(groups) - 6} more" if len(groups) > 6 else "")


def _above_dead(c: Context, i: int) -> bool:
    """Is the layer below wholly dead, and this one no cause of its own? Then nothing here is at fault."""
    return i > 0 and not c.zero(i) and set(c.symmetry.layers[i - 1].status) == {"dead"}


@rule("SYM101", title="tied units", severity="fail",
      why="""Units with the same incoming weights, bias and outgoing weights compute the same thing, receive the same
      gradient and stay equal for ever: the layer is as narrow as its number of distinct units. All weights zero
      (sigmoid) or one constant are the common cases.""",
      measured="""The coarsest partition of the units that every gradient step of the optimiser keeps (proved from the
      weights alone, in exact arithmetic). Any cell of two or more units is a finding. Equal rows with different
      outgoing weights separate at the first step and are not reported here.
      A share of units lost (units beyond the first of each group) of `fail_share` or more fails; less, as after
      rounding or pruning, is a warning that names the units; a trained network may lose half, and so may one whose
      tied units have zero weights on both sides, as structured pruning leaves them.""",
      cure="""Draw the weights at random; one tensor at random on either side of the layer is enough. A few tied units
      are set free by `ic.symmetry.break_ties(net, rng=key)`.""", thresholds={"fail_share": 0.02})
def tied(c: Context) -> Iterator[Finding]:
    """Units that are one unit for ever."""
    return _status(c, "tied", "proportional")


@rule("SYM102", title="nearly tied units", severity="warn",
      why="Units that differ by little more than rounding separate only after many steps.",
      measured="""Pairs of units whose distance, relative to their size, is at most `distance`, and which are not
      exactly tied.""",
      cure="Draw the weights at random at their full scale instead of adding small noise to a constant.",
      thresholds={"distance": 1e-4})
def near_tied(c: Context) -> Iterator[Finding]:
    """Units that are nearly one."""
    limit = c.limits["distance"]
    for la in c.symmetry.layers if c.symmetry is not None else ():
        close = [t for t in la.near_ties if t.relative <= limit]
        if close:
            yield c.finding(
                la.layer, f"{sum(len(t.units) for t in close)} of {len(la.status)} units differ from another by at "
                f"most {max(t.relative for t in close):.1g} of their size and separate slowly.",
                measured=min(t.relative for t in close), expected=limit, cause="symmetry",
                cure=call(c.net, la.layer))


@rule("SYM103", title="sign-tied units", severity="fail",
      why="""With an odd activation a unit whose incoming and outgoing weights are the negatives of another's is its
      mirror image for ever: two units do the work of one.""",
      measured="""The signed refinement: units equal up to a common sign of bias, incoming and outgoing weights.
      A share of units lost (units beyond the first of each group) of `fail_share` or more fails; less, as after
      rounding or pruning, is a warning that names the units; a trained network may lose half.""",
      cure="Draw the weights at random; a few such units are set free by `ic.symmetry.break_ties(net, rng=key)`.",
      thresholds={"fail_share": 0.02})
def sign_tied(c: Context) -> Iterator[Finding]:
    """Units that mirror each other for ever."""
    return _status(c, "sign-tied")


@rule("SYM104", title="dead from the start", severity="fail",
      why="""With phi(0) = 0 a unit with zero bias, zero incoming and zero outgoing weights (or two zero layers in a
      row) has output 0 and gradient 0 for ever. Nothing but the output bias ever moves in an all-zero tanh or ReLU
      network.""",
      measured="""The zero cell of the partition, and tensors that never receive a gradient by the zero-flow pass.
      Fail where `fail_share` of a layer's units or more are dead; a smaller share, as structured pruning leaves it, is
      a warning. The zero layer is blamed, not the sound ones above and below it.""",
      cure="""Draw the weights at random. One zero tensor (a zero last layer, one factor of an adapter) is fine; two
      in a row are not. Pruned units can be cut out, or set free by `ic.symmetry.break_ties(net, rng=key)`.""",
      thresholds={"fail_share": 0.5})
def dead(c: Context) -> Iterator[Finding]:
    """Dead units, and weights that never get a gradient where no unit is called dead."""
    found = list(_status(c, "dead"))
    yield from found
    covered = {f.layer for f in found if f.severity == "fail"}
    flow = c.symmetry.zero_flow if c.symmetry is not None else {}
    never = [i for i in range(len(c.net.layers)) if flow.get(f"layers[{i}].w", 0) is None]
    guilty = [i for i in never if c.zero(i)] or never
    for i in guilty:
        if not {i, i - 1} & covered:
            others = [k for k in never if k not in guilty]
            also = f", nor do {', '.join(f'layers[{k}].w' for k in others[:4])} because of it" if others else ""
            yield c.finding(i, f"layers[{i}].w {'is all 0 and ' * c.zero(i)}never gets a gradient{also}.",
                            measured="never", expected="step 0", cause="symmetry",
                            cure=call(c.net, i))


@rule("SYM105", title="equal units that separate at the first step", severity="info",
      why="""Units with equal incoming weights but different outgoing weights are one unit at step 0 and differ after
      it.""",
      measured="Cells of the forward-only partition that the joint partition splits.",
      cure="Nothing needs doing; random incoming weights save the first steps.")
def forward_duplicate(c: Context) -> Iterator[Finding]:
    """Units that are equal now and not for long."""
    for la in c.symmetry.layers if c.symmetry is not None else ():
        if la.forward_duplicates:
            units = sum(len(g) for g in la.forward_duplicates)
            yield c.finding(la.layer, f"{units} of {len(la.status)} units are equal to another at step 0 and separate "
                            "with the first updates.", measured=la.forward_width, expected=len(la.status),
                            cause="symmetry", cure="none needed")


@rule("SYM106", title="blocked at step 0", severity="info",
      why="A tensor behind a zero layer gets no gradient in the first step and starts one or more steps later.",
      measured="The zero-flow pass: first step with a gradient above 0, for every weight and bias.",
      cure="Nothing needs doing: a zero-initialised head or adapter is often meant.")
def blocked(c: Context) -> Iterator[Finding]:
    """Tensors that wait for others to move."""
    late = {k: v for k, v in c.symmetry.zero_flow.items() if v} if c.symmetry is not None else {}
    if late:
        names = ", ".join(list(late)[:4]) + (", ..." if len(late) > 4 else "")
        yield c.finding(None, f"No gradient in the first step, from step {min(late.values())} on for: {names}.",
                        measured=max(late.values()), expected=0, cause="symmetry", cure="none needed")
