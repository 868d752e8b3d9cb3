"""SYM101 to SYM106: what the symmetry analysis proves, as findings."""

from __future__ import annotations

from collections import Counter

from ._blame import initializer_call
from ._context import Context, RuleFunction
from ._finding import Finding


def _status(c: Context, rule: str, words: tuple[str, ...], severity: str) -> list[Finding]:
    out = []
    for la in c.symmetry.layers if c.symmetry is not None else ():
        count = sum(la.status.count(w) for w in words)
        if not count:
            continue
        i, n = la.layer, len(la.status)
        layer = c.net.layers[i]
        cells = Counter(lab for lab, s in zip(la.labels.tolist(), la.status) if s in words)
        what = " and ".join(w for w in words if w in la.status)
        message = (f"{count} of {n} units are dead: output and gradient stay 0 for ever." if rule == "SYM104" else
                   f"{count} of {n} units are {what}, in {len(cells)} group{'s' * (len(cells) != 1)}: each group is "
                   f"one "
                   f"unit for ever under {c.symmetry.optimizer}; effective width {la.effective_width}.")
        out.append(Finding(rule, severity, i, message, la.effective_width, n, "symmetry",
                           initializer_call(layer.activation, layer.fan_in, layer.fan_out), f"layers[{i}].w"))
    return out


def tied(c: Context) -> list[Finding]:
    """SYM101."""
    return _status(c, "SYM101", ("tied", "proportional"), "fail")


def near_tied(c: Context) -> list[Finding]:
    """SYM102."""
    out = []
    for la in c.symmetry.layers if c.symmetry is not None else ():
        close = [t for t in la.near_ties if t.relative <= c.numbers["SYM102"]["distance"]]
        if close:
            units = sum(len(t.units) for t in close)
            worst = min(t.relative for t in close)
            layer = c.net.layers[la.layer]
            out.append(Finding(
                "SYM102", "warn", la.layer, f"{units} of {len(la.status)} units differ from another by at most "
                f"{max(t.relative for t in close):.1g} of their size and separate slowly.", worst,
                c.numbers["SYM102"]["distance"], "symmetry",
                initializer_call(layer.activation, layer.fan_in, layer.fan_out), f"layers[{la.layer}].w"))
    return out


def sign_tied(c: Context) -> list[Finding]:
    """SYM103."""
    return _status(c, "SYM103", ("sign-tied",), "fail")


def dead(c: Context) -> list[Finding]:
    """SYM104: dead units, and weights that never get a gradient where no unit is called dead."""
    out = _status(c, "SYM104", ("dead",), "fail")
    if c.symmetry is None:
        return out
    covered = {f.layer for f in out}
    for name, step in c.symmetry.zero_flow.items():
        i = int(name[name.index("[") + 1:name.index("]")])
        touching = {i, i - 1}
        if step is None and name.endswith(".w") and not touching & covered:
            layer = c.net.layers[i]
            out.append(Finding("SYM104", "fail", i, f"{name} never gets a gradient.", "never", "step 0", "symmetry",
                               initializer_call(layer.activation, layer.fan_in, layer.fan_out), name))
    return out


def forward_duplicate(c: Context) -> list[Finding]:
    """SYM105."""
    out = []
    for la in c.symmetry.layers if c.symmetry is not None else ():
        if la.forward_duplicates:
            units = sum(len(g) for g in la.forward_duplicates)
            out.append(Finding("SYM105", "info", la.layer, f"{units} of {len(la.status)} units are equal to another at "
                               "step 0 and separate with the first updates.", la.forward_width, len(la.status),
                               "symmetry", "none needed", f"layers[{la.layer}].w"))
    return out


def blocked(c: Context) -> list[Finding]:
    """SYM106."""
    if c.symmetry is None:
        return []
    late = {k: v for k, v in c.symmetry.zero_flow.items() if v}
    if not late:
        return []
    names = ", ".join(list(late)[:4]) + (", ..." if len(late) > 4 else "")
    return [Finding("SYM106", "info", None, f"No gradient in the first step, from step {min(late.values())} on "
                    f"for: {names}.", max(late.values()), 0, "symmetry", "none needed")]


RULES: dict[str, RuleFunction] = {"SYM101": tied, "SYM102": near_tied, "SYM103": sign_tied, "SYM104": dead,
                                  "SYM105": forward_duplicate, "SYM106": blocked}
