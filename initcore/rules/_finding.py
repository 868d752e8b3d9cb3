"""One thing found."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..program import Place
from . import _catalogue

CAUSES = ("weight_scale", "weight_mean", "input_scale", "input_offset", "bias", "layout", "activation", "symmetry",
          "data")


class Blame(NamedTuple):
    """A cause of :data:`CAUSES`, the cure in words and numbers, and whether it alone mends."""

    cause: str
    cure: str
    mends: bool


@dataclass(frozen=True)
class Finding:
    """One thing found.

    ``layer`` is the index of the layer (None: the network or the data as a whole), ``tensor`` names the array
    ("layers[0].w") where one is meant; ``measured`` and ``expected`` are what the rule compared (a number where it
    has one, else words); ``cause`` is one of :data:`CAUSES`; ``cure`` a number or call that mends it; ``layers`` every
    layer that the cure is for. Of a module: ``place`` is its path and the user's line, ``tensors`` every parameter that
    the cure is for.
    """

    rule: str
    severity: str
    layer: int | None
    message: str
    measured: Any = None
    expected: Any = None
    cause: str | None = None
    cure: str = ""
    tensor: str | None = None
    layers: tuple[int, ...] = ()
    place: Place | None = None
    tensors: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """The rule's title."""
        return _catalogue.get(self.rule).title

    @property
    def fingerprint(self) -> tuple[str, int | None, str | None]:
        """What a baseline compares: rule, layer and tensor."""
        return self.rule, self.layer, self.tensor

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return {"rule": self.rule, "title": self.title, "severity": self.severity, "layer": self.layer,
                "tensor": self.tensor, "message": self.message, "measured": plain(self.measured),
                "expected": plain(self.expected), "cause": self.cause, "cure": self.cure,
                "layers": list(self.layers), **self._placed()}

    def _placed(self) -> dict[str, Any]:
        """Where in a module, for JSON: nothing where there is none."""
        p = self.place
        return {} if p is None else {"module": p.module, "file": p.file, "line": p.line, "tensors": list(self.tensors)}

    def __str__(self) -> str:
        where = self.tensor or ("network" if self.layer is None else f"layers[{self.layer}]")
        lines = textwrap.wrap(f"{self.severity.upper():<4} {self.rule} {where}: {self.title}", 80,
                              subsequent_indent="     ")
        at = "" if self.place is None else str(self.place)
        rows = [("", self.message), ("at", at),
                ("measured", _words(self.measured)), ("expected", _words(self.expected)),
                ("cause", self.cause or ""), ("cure", self.cure)]
        for label, text in rows:
            if text:
                head = f"     {label:<9} " if label else "     "
                lines += textwrap.wrap(text, 80, initial_indent=head, subsequent_indent=" " * len(head),
                                       break_on_hyphens=False)
        return "\n".join(lines)


def in_words(findings: Iterable[Finding]) -> str:
    """The worst finding in words: "cannot learn", "will learn badly or slowly", "fit to train".

    >>> from initcore.rules import in_words
    >>> in_words([])
    'fit to train'
    """
    order = _catalogue.SEVERITIES
    return _catalogue.VERDICTS[max((f.severity for f in findings), key=order.index, default="info")]


def plain(value: Any) -> Any:
    """The value as JSON can hold it: NumPy scalars as Python's, NaN and infinity as None."""
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _words(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
