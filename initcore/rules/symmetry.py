"""SYM101 to SYM106: what the symmetry analysis proves, as findings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from ._catalogue import rule
from ._context import Context
from ._conventions import initializer_call
from ._finding import Finding


def _status(c: Context, *words: str) -> Iterator[Finding]:
    """One finding a layer that has units of these statuses."""
    for la in c.symmetry.layers if c.symmetry is not None else ():
        count = sum(la.status.count(w) for w in words)
        if not count:
            continue
        n, layer = len(la.status), c.net.layers[la.layer]
        cells = Counter(lab for lab, s in zip(la.labels.tolist(), la.status) if s in words)
        what = " and ".join(w for w in words if w in la.status)
        text = (f"{count} of {n} units are dead: output and gradient stay 0 for ever." if words == ("dead",) else
                f"{count} of {n} units are {what}, in {len(cells)} group{'s' * (len(cells) != 1)}: each group is one "
                f"unit for ever under {c.symmetry.optimizer}; effective width {la.effective_width}.")
        yield c.finding(la.layer, text, measured=la.effective_width, expected=n, cause="symmetry",
                        cure=initializer_call(layer.activation, layer.fan_in, layer.fan_out))


@rule("SYM101", title="tied units", severity="fail",
      why="""Units with the same incoming weights, bias and outgoing weights compute the same thing, receive the same
      gradient and stay equal for ever: the layer is as narrow as its number of distinct units. All weights zero
      (sigmoid) or one constant are the common cases.""",
      measured="""The coarsest partition of the units that every gradient step of the optimiser keeps (proved from the
      weights alone, in exact arithmetic). Any cell of two or more units is a finding. Equal rows with different
      outgoing weights separate at the first step and are not reported here.""",
      cure="Draw the weights at random; one tensor at random on either side of the layer is enough.")
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
            layer = c.net.layers[la.layer]
            yield c.finding(
                la.layer, f"{sum(len(t.units) for t in close)} of {len(la.status)} units differ from another by at "
                f"most {max(t.relative for t in close):.1g} of their size and separate slowly.",
                measured=min(t.relative for t in close), expected=limit, cause="symmetry",
                cure=initializer_call(layer.activation, layer.fan_in, layer.fan_out))


@rule("SYM103", title="sign-tied units", severity="fail",
      why="""With an odd activation a unit whose incoming and outgoing weights are the negatives of another's is its
      mirror image for ever: two units do the work of one.""",
      measured="The signed refinement: units equal up to a common sign of bias, incoming and outgoing weights.",
      cure="Draw the weights at random.")
def sign_tied(c: Context) -> Iterator[Finding]:
    """Units that mirror each other for ever."""
    return _status(c, "sign-tied")


@rule("SYM104", title="dead from the start", severity="fail",
      why="""With phi(0) = 0 a unit with zero bias, zero incoming and zero outgoing weights (or two zero layers in a
      row) has output 0 and gradient 0 for ever. Nothing but the output bias ever moves in an all-zero tanh or ReLU
      network.""",
      measured="The zero cell of the partition, and tensors that never receive a gradient by the zero-flow pass.",
      cure="""Draw the weights at random. One zero tensor (a zero last layer, one factor of an adapter) is fine; two
      in a row are not.""")
def dead(c: Context) -> Iterator[Finding]:
    """Dead units, and weights that never get a gradient where no unit is called dead."""
    found = list(_status(c, "dead"))
    yield from found
    covered = {f.layer for f in found}
    for name, step in c.symmetry.zero_flow.items() if c.symmetry is not None else ():
        i = int(name[name.index("[") + 1:name.index("]")])
        if step is None and name.endswith(".w") and not {i, i - 1} & covered:
            layer = c.net.layers[i]
            yield c.finding(i, f"{name} never gets a gradient.", measured="never", expected="step 0",
                            cause="symmetry", cure=initializer_call(layer.activation, layer.fan_in, layer.fan_out))


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
