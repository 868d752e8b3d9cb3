"""What happened while a network trained."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .. import lab, saturation
from .._types import Floats
from ..errors import ArgumentError
from ._display import Display, look, whole_numbers

# What is drawn of a record: its key, and how the axis calls it.
_DRAWN = {"loss": "loss", "distinct_units": "different units, share", "flat": "flat share",
          "first_gradient_norm": "gradient of the first layer, norm", "train_accuracy": "right, training",
          "test_accuracy": "right, test"}


@dataclass
class History:
    """A callback for :func:`initcore.lab.train` that counts on data ``(x, y)`` after every epoch.

    ``records`` holds one dictionary an epoch: ``epoch``, ``loss``, ``distinct_units`` (share of the hidden units),
    ``flat`` (share of hidden units and samples with less than 1% of the slope), ``first_gradient_norm``.

    >>> import numpy as np
    >>> from initcore import Dense, Network, lab
    >>> net = Network([Dense(np.ones((3, 4)), np.zeros(4), "tanh"), Dense(np.ones((4, 2)), np.zeros(2))])
    >>> x, y = np.eye(3), np.array([0, 1, 1])
    >>> history = History(x, y)
    >>> _ = lab.train(net, x, y, optimizer=lab.SGD(lr=0.1), epochs=2, callback=history)
    >>> [r["distinct_units"] for r in history.records]
    [0.25, 0.25]
    """

    x: Any
    y: Any
    loss: str = "softmax_cross_entropy"
    records: list[dict[str, Any]] = field(default_factory=list)

    def __call__(self, done: lab.Epoch) -> None:
        net = done.net
        units = net.widths[1:-1]
        hidden = saturation.measure(net, self.x).layers[:-1]
        self.records.append({
            "epoch": done.number, "loss": done.loss,
            "distinct_units": sum(lab.distinct_units(net)) / sum(units) if units else 1.0,
            "flat": sum(la.slope_below_1pct * la.units for la in hidden) / sum(units) if units else 0.0,
            "first_gradient_norm": lab.gradient_norms(net, self.x, self.y, loss=self.loss)[0]})


@dataclass
class TrainingDisplay(Display):
    """Loss, gradient, different units and flat share by epoch, each as a share of its largest value where it is no
    share already.

    Attributes
    ----------
    step : epochs, or whatever counts.   curves : name to values.   scale : name to what 1 on the axis stands for.
    counted : what ``step`` counts, "epoch" or "step".
    """

    step: Floats
    curves: dict[str, Floats]
    scale: dict[str, float]
    counted: str = "epoch"

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]], step: str = "epoch") -> TrainingDisplay:
        """Of :attr:`History.records`, of the epochs in the demo's document, or of any records with such keys; and of
        :attr:`initcore.torch.Monitor.rows` or the lines of its file, with the least share of different lines of any
        weight and the largest flat share.

        A list in a record (one number a layer) counts with its mean. Raises ArgumentError without records.
        """
        rows = [_of_a_monitor(row) if isinstance(row, Mapping) and "weights" in row else row for row in records]
        if not rows or not any(k in rows[0] for k in _DRAWN):
            raise ArgumentError(f"records must be mappings with some of {', '.join(_DRAWN)}; got {len(rows)} records.")
        at = np.array([row.get(step, row.get("step", i + 1)) for i, row in enumerate(rows)], dtype=np.float64)
        curves: dict[str, Floats] = {}
        scale: dict[str, float] = {}
        for key, name in _DRAWN.items():
            if key in rows[0]:
                y = np.array([np.mean(row.get(key, np.nan)) for row in rows], dtype=np.float64)
                share = np.nanmax(y, initial=0.0) <= 1.0 and key not in ("loss", "first_gradient_norm")
                scale[name] = 1.0 if share else float(np.nanmax(np.abs(y), initial=0.0)) or 1.0
                curves[name] = y / scale[name]
        return cls(at, curves, scale, "step" if step not in rows[0] and "step" in rows[0] else step)

    def _draw(self, ax: Any) -> None:
        for k, (name, y) in enumerate(self.curves.items()):
            of = "" if self.scale[name] == 1.0 else f" (1 = {self.scale[name]:.3g})"
            ax.plot(self.step, y, label=name + of, **look(k, len(y)))
        ax.set(xlabel=self.counted, ylabel="share, or share of the largest value", ylim=(-0.03, 1.06),
               title="What training made of it")
        whole_numbers(ax.xaxis)
        ax.legend(fontsize="small")


def _of_a_monitor(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a monitor as a record: the worst weight, the worst activation."""
    shares = [d / n for w in row["weights"].values() for d, n in zip(w["distinct"], w["of"]) if n]
    flat = [a["flat"] for a in (row.get("activations") or {}).values()]
    return {"step": row["step"], "distinct_units": min(shares, default=1.0), **({"flat": max(flat)} if flat else {})}
