"""A monitor of the weights during training, and of activations on a probe, for the loop, Lightning and transformers.

Design
A. It looks at weights, every so many steps: no hooks, nothing in the graph that is trained, nothing under compile.
B. The probe is run through the module's exported graph, which was made once; it reads the same parameters, leaves
   buffers, gradients and generators alone, and needs no backward pass.
C. At most five numbers go to a logger; each layer's stand in the JSON lines.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from typing import Any

from torch import nn

from ..._checks import integer
from ...errors import ArgumentTypeError
from .._names import entries
from .._signals._probe import Probe
from ._weights import copies, distinct

_SPREAD_OVER = 2                # dims a weight needs for its lines to be counted


class Monitor:
    """Counts distinct units, duplicates and flat activations while a model trains.

    Parameters
    ----------
    model : the module that is trained. every : steps between looks.
    probe : a batch for the activations, as :func:`initcore.torch.check` takes it; None: weights only.
    path : a file that gets one JSON line a look. writer : anything with ``add_scalar(name, value, step)``, such as
        ``torch.utils.tensorboard.SummaryWriter``. log : called with each row.

    Call :meth:`step` after each optimiser step, or hand :meth:`lightning` or :meth:`transformers` to a trainer. Rows
    stay in ``rows``.

    >>> import torch
    >>> model = nn.Sequential(nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2))
    >>> monitor = Monitor(model, every=10, probe=torch.ones(8, 6))
    >>> for _ in range(10):
    ...     row = monitor.step()
    >>> row["step"], row["weights"]["0.weight"]["distinct"], sorted(row["activations"])
    (10, [4, 6], ['1 (tanh)'])
    """

    def __init__(self, model: nn.Module, every: int = 100, probe: Any = None, *, path: Any = None, writer: Any = None,
                 log: Callable[[dict[str, Any]], None] | None = None) -> None:
        if not isinstance(model, nn.Module):
            raise ArgumentTypeError(f"model must be a torch.nn.Module, got {type(model).__name__}.")
        if writer is not None and not callable(getattr(writer, "add_scalar", None)):
            raise ArgumentTypeError(f"writer must have add_scalar(name, value, step), got {type(writer).__name__}.")
        self.model, self.every = model, integer("every", every, low=1)
        self.rows: list[dict[str, Any]] = []
        self._steps, self._last = 0, -1
        self._path = None if path is None else os.fspath(path)
        self._writer, self._log = writer, log
        self._probe = None if probe is None else Probe(model, probe)

    def step(self, step: int | None = None) -> dict[str, Any] | None:
        """Count a step; on every so many look, write, and return the row. ``step`` : the trainer's own count."""
        self._steps = self._steps + 1 if step is None else step
        if self._steps % self.every or self._steps == self._last:
            return None
        self._last = self._steps
        row = self.look()
        self.rows.append(row)
        if self._path is not None:
            with open(self._path, "a", encoding="utf-8") as file:
                file.write(json.dumps(row, allow_nan=False) + "\n")
        for name, value in scalars(row).items() if self._writer is not None else ():
            self._writer.add_scalar(name, value, self._steps)
        if self._log is not None:
            self._log(row)
        return row

    def look(self) -> dict[str, Any]:
        """What there is to see now.

        ``weights`` : by name the numbers of distinct slices along the first and the last dim, of how many;
        ``duplicates`` : pairs of equal weights; ``activations`` : by name the flat share (relative slope below 1%) and
        the share of dead units on the probe. Sharded weights are left out.
        """
        weights = [(e.name, e.tensor) for e in entries(self.model) if not e.is_buffer and e.plain
                   and e.tensor.is_floating_point() and sum(n > 1 for n in e.tensor.shape) >= _SPREAD_OVER]
        row: dict[str, Any] = {"step": self._steps, "weights": {}, "duplicates": [list(p) for p in copies(weights)]}
        for name, w in weights:
            row["weights"][name] = {"distinct": [distinct(w, 0), distinct(w, -1)], "of": [w.shape[0], w.shape[-1]]}
        if self._probe is not None:
            row["activations"] = self._probe.look()
        return row

    def lightning(self) -> Any:
        """A ``lightning.Callback``; the numbers of :func:`scalars` are logged with the module's own."""
        import lightning
        monitor = self

        class MonitorCallback(lightning.Callback):
            """Looks after a batch whose step is due."""

            def on_train_batch_end(self, trainer: Any, pl_module: Any, *rest: Any) -> None:
                """Lightning's hook."""
                row = monitor.step(trainer.global_step)
                if row is not None and trainer.logger is not None:
                    trainer.logger.log_metrics(scalars(row), step=trainer.global_step)
        return MonitorCallback()

    def transformers(self) -> Any:
        """A ``transformers.TrainerCallback``."""
        import transformers
        monitor = self

        class MonitorCallback(transformers.TrainerCallback):
            """Looks after an optimiser step that is due."""

            def on_step_end(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
                """The trainer's hook."""
                monitor.step(state.global_step)
        return MonitorCallback()


def scalars(row: dict[str, Any]) -> dict[str, float]:
    """The numbers of a row for a logger: the least share of distinct lines of any weight, the number of duplicates,
    and of the activations the largest flat and dead shares."""
    shares = [d / n for w in row["weights"].values() for d, n in zip(w["distinct"], w["of"]) if n]
    out = {"initcore/distinct": min(shares, default=1.0), "initcore/duplicates": float(len(row["duplicates"]))}
    if row.get("activations"):
        for kind in ("flat", "dead"):
            out[f"initcore/{kind}"] = max(a[kind] for a in row["activations"].values())
    return out


