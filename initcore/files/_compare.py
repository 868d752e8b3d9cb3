"""Two files of weights side by side: what is new, gone, renamed, changed, and what that did to each tensor."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import _checks
from .._page.document import written
from ..errors import ArgumentError, ArgumentTypeError
from ..rules._finding import plain
from ..rules._tensor_facts import TensorFacts
from ._open import open_weights
from ._renames import by_contents, paired
from ._roles import role_of
from ._scan import scan_all
from ._tensor import Tensor, Weights, widened

SCHEMA = "initcore-comparison/1"
# What a limit may be set on, and how it is said.
LIMITS = {"change": "relative change of a tensor, |b - a| / |a|", "spread": "factor between standard deviations",
          "ties": "rows and columns that newly repeat others", "dead": "rows that are newly all zero",
          "gone": "tensors that are gone", "added": "tensors that were added", "dtype": "tensors of another type"}
_BLOCK = 1 << 17
SHOWN = 40                  # tensors of a kind that are told one by one


@dataclass(frozen=True)
class Changed:
    """A tensor of both files whose contents differ. ``change`` is |b - a| / |a| (None: another shape, or not read)."""

    name: str
    before: TensorFacts
    after: TensorFacts
    change: float | None

    @property
    def spread(self) -> float:
        """Factor (at least 1) between the standard deviations."""
        a, b = self.before.std, self.after.std
        return 1.0 if a == b else math.inf if min(a, b) == 0 else max(a / b, b / a)

    @property
    def ties(self) -> int:
        """Rows and columns that repeat others now and did not before."""
        now, then = ((t.equal_rows + t.equal_columns) for t in (self.after, self.before))
        return max(0, now - then)

    @property
    def dead(self) -> int:
        """Rows that are all zero now and were not."""
        return max(0, self.after.zero_rows - self.before.zero_rows)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"name": self.name, "change": plain(self.change), "spread": plain(self.spread), "ties": self.ties,
                "dead": self.dead, "before": _plain(self.before), "after": _plain(self.after)}


def _plain(facts: TensorFacts) -> dict[str, Any]:
    return {k: plain(v) for k, v in facts.to_dict().items()}


@dataclass
class Comparison:
    """What differs between two files: names ``added`` and ``gone``, pairs ``renamed`` (same contents), ``changed``
    tensors; ``same`` counts the others, ``unread`` those that cannot be read in either file. ``prefix`` (p, q): what is
    called p + rest in ``a`` is q + rest in ``b``, by which it goes here."""

    a: str
    b: str
    added: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    renamed: list[tuple[str, str]] = field(default_factory=list)
    changed: list[Changed] = field(default_factory=list)
    same: int = 0
    unread: list[str] = field(default_factory=list)
    limits: dict[str, float] = field(default_factory=dict)
    prefix: tuple[str, str] | None = None

    @property
    def passed(self) -> list[str]:
        """A sentence for every limit that is passed."""
        out = []
        counts = {"gone": self.gone, "added": self.added,
                  "dtype": [c.name for c in self.changed if c.before.dtype != c.after.dtype]}
        for name, most in self.limits.items():
            if name in counts:
                if len(counts[name]) > most:
                    out.append(f"{len(counts[name])} {LIMITS[name]}, more than {most:g}: {counts[name][0]!r}")
                continue
            worst = max(self.changed, key=lambda c: _amount(c, name), default=None)
            if worst is not None and _amount(worst, name) > most:
                out.append(f"{LIMITS[name]}: {_amount(worst, name):.3g} in {worst.name!r}, more than {most:g}")
        return out

    @property
    def ok(self) -> bool:
        """Is no limit passed?"""
        return not self.passed

    def to_dict(self) -> dict[str, Any]:
        """Plain values of everything above."""
        return {"schema": SCHEMA, "a": self.a, "b": self.b, "ok": self.ok, "limits": self.limits,
                "passed": self.passed, "same": self.same, "added": self.added, "gone": self.gone,
                "renamed": [list(pair) for pair in self.renamed], "unread": self.unread,
                "prefix": None if self.prefix is None else list(self.prefix),
                "changed": [c.to_dict() for c in self.changed]}

    def to_json(self, *, indent: int | None = 2) -> str:
        """:meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=_checks.indent(indent), allow_nan=False)

    @property
    def head(self) -> str:
        """One line of counts."""
        return (f"{self.same} the same, {len(self.changed)} changed, {len(self.renamed)} renamed, {len(self.added)} "
                f"added, {len(self.gone)} gone" + (f", {len(self.unread)} not read" if self.unread else ""))

    @property
    def names(self) -> list[str]:
        """A sentence where names differ by a prefix."""
        return [] if self.prefix is None else ["names: {}* in a is {}* in b".format(*self.prefix)]

    def __str__(self) -> str:
        lines = [f"a: {self.a}", f"b: {self.b}", *self.names, self.head]
        lines += [f"PASSED {sentence}" for sentence in self.passed]
        for word, names in (("added", self.added), ("gone", self.gone), ("not read", self.unread)):
            lines += [f"{word:<9} {name}" for name in names[:SHOWN]] + _more(names, word)
        lines += [f"{'renamed':<9} {a} -> {b}" for a, b in self.renamed[:SHOWN]] + _more(self.renamed, "renamed")
        if self.changed:
            lines += ["", f"{'changed':>9} {'std a':>9} {'std b':>9} {'ties':>5} {'dead':>5}  tensor"]
            for c in self.changed[:SHOWN]:
                lines.append(f"{_short(c.change):>9} {c.before.std:>9.3g} {c.after.std:>9.3g} {c.ties:>5} {c.dead:>5}  "
                             f"{c.name}{_kinds(c)}")
            lines += _more(self.changed, "changed")
        return "\n".join(lines)

    def to_html(self, path: Any = None) -> str:
        """One page without scripts, addresses or anything that a name could break out of; written to ``path`` where
        one is given."""
        from ._page import comparison_page
        return written(comparison_page(self), path)


def _more(items: list[Any], word: str) -> list[str]:
    return [f"{word:<9} ... and {len(items) - SHOWN} more"] if len(items) > SHOWN else []


def _short(change: float | None) -> str:
    return "-" if change is None else f"{change:.3g}"


def _kinds(c: Changed) -> str:
    said = [f"{getattr(c.before, k)} -> {getattr(c.after, k)}" for k in ("dtype", "shape")
            if getattr(c.before, k) != getattr(c.after, k)]
    return f"  ({', '.join(said)})" if said else ""


def _amount(c: Changed, limit: str) -> float:
    return math.inf if (value := getattr(c, limit)) is None else float(value)


def _most(name: str, most: Any) -> float:
    if isinstance(_checks.scalar(most), float) and not most >= 0:
        raise ArgumentError(f"limits[{name!r}] must be at least 0, got {most!r}.")
    return _checks.number(f"limits[{name!r}]", most, low=0.0, finite=False)


def compare(a: Any, b: Any, limits: Mapping[str, float] | None = None, *,
            progress: Callable[[str], None] | None = None) -> Comparison:
    """Compare two files or folders of weights, tensor by tensor.

    Parameters
    ----------
    a, b : what :func:`initcore.files.open_weights` reads; before and after.
    limits : of what of :data:`LIMITS` how much is allowed, e.g. ``{"change": 0.1, "ties": 0}``.
    progress : told what is being read.

    Returns
    -------
    Comparison : ``.ok``, ``.passed``, ``.added``, ``.gone``, ``.renamed``, ``.changed``, ``str()``, ``.to_json()``,
        ``.to_html()``.

    >>> import numpy as np, tempfile, os
    >>> one, two = (os.path.join(tempfile.mkdtemp(), "net.npz") for _ in "ab")
    >>> w = np.random.default_rng(0).normal(size=(5, 4))
    >>> np.savez(one, W1=w, b1=np.zeros(4)); np.savez(two, W1=1.5 * w, first_bias=np.zeros(4))
    >>> found = compare(one, two, {"change": 0.4})
    >>> found.renamed, [(c.name, round(c.change, 9)) for c in found.changed], found.ok
    ([('b1', 'first_bias')], [('W1', 0.5)], False)
    """
    if limits is not None and not isinstance(limits, Mapping):
        raise ArgumentTypeError("limits must be a dictionary such as {'change': 0.1}, got "
                                f"{_checks.describe(limits)}.")
    limits = {_checks.one_of("limits", name, LIMITS): _most(name, most) for name, most in (limits or {}).items()}
    first, second = open_weights(a), open_weights(b)
    out = Comparison(first.source, second.source, limits=limits)
    before, after = _facts(first, progress), _facts(second, progress)
    out.prefix, shared = paired(*[{name: t.shape for name, t in one.tensors.items()} for one in (first, second)])
    gone, new = first.tensors.keys() - shared.keys(), second.tensors.keys() - set(shared.values())
    out.renamed = by_contents({n: _contents(facts) for n, facts in before.items() if n in gone},
                              {n: _contents(facts) for n, facts in after.items() if n in new})
    gone, new = gone - {a for a, _ in out.renamed}, new - {b for _, b in out.renamed}
    out.gone, out.added = [n for n in first.tensors if n in gone], [n for n in second.tensors if n in new]
    for number, (name, other) in enumerate(shared.items(), 1):
        if progress is not None:
            progress(f"comparing {other} ({number} of {len(shared)})")
        _shared(out, other, first.tensors[name], second.tensors[other], before.get(name), after.get(other))
    out.changed.sort(key=lambda c: -_amount(c, "change"))
    return out


def _facts(weights: Weights, progress: Callable[[str], None] | None) -> dict[str, TensorFacts]:
    read = [(t, role_of(t)) for t in weights.tensors.values() if t.judged]
    return {facts.name: facts for facts in scan_all(read, progress=progress)}


def _contents(facts: TensorFacts) -> tuple[Any, ...]:
    return facts.shape, facts.dtype, facts.digest


def _shared(out: Comparison, name: str, a: Tensor, b: Tensor, before: TensorFacts | None,
            after: TensorFacts | None) -> None:
    if before is None or after is None:
        if (a.shape, a.dtype) == (b.shape, b.dtype) or before is None is after:
            out.unread.append(name)
        else:
            out.unread.append(f"{name} ({a.dtype} {a.shape} -> {b.dtype} {b.shape})")
    elif _contents(before) == _contents(after):
        out.same += 1
    else:
        out.changed.append(Changed(name, before, after, _change(a, b) if a.shape == b.shape else None))


@np.errstate(all="ignore")
def _change(a: Tensor, b: Tensor) -> float:
    """|b - a| / |a|, in float64; infinite where a is 0 or a value is not finite."""
    off = size = 0.0
    for one, two in zip(a.blocks(_BLOCK), b.blocks(_BLOCK)):
        u, v = widened(one, a.dtype).astype(np.float64), widened(two, b.dtype).astype(np.float64)
        v -= u
        off += float(v @ v)
        size += float(u @ u)
    return math.sqrt(off / size) if size and math.isfinite(off) and math.isfinite(size) else math.inf
