"""The loss that is sent back, in NumPy: of the targets, or random errors at the outputs."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from ... import activations, kernels
from ..._signals import Told
from ..._types import Array
from ...errors import ArgumentError, unknown_name
from ...program import Program, Value

LOSSES = ("softmax_cross_entropy", "mse", "binary_cross_entropy")


class Ends(NamedTuple):
    """main : the output that is judged. sent : where gradients start. softmax, sigmoid : what the network ends in,
    which a cross entropy takes in itself."""

    main: Value | None
    sent: tuple[Value, ...]
    softmax: bool
    sigmoid: bool


def ends_of(program: Program) -> Ends:
    """The outputs; of a network that ends in a softmax or one sigmoid the logits before it."""
    made = {v: op for op in program.ops for v in op.outputs}
    floats = [v for v in program.outputs if "float" in v.dtype]
    main = next((v for v in floats if v.shape), None)
    op = made.get(main) if main is not None else None
    softmax = op is not None and op.kind == "softmax"
    phi = activations.get(op.attributes["activation"]) if op is not None and op.kind == "activation" else None
    sigmoid = phi is not None and phi.monotone and (phi.low, phi.high) == (0.0, 1.0)
    logits = op.inputs[0] if op is not None and softmax else None
    sent = tuple(dict.fromkeys(logits if v is main and logits is not None else v for v in floats))
    return Ends(logits or main, sent, softmax, sigmoid)


class Loss:
    """``told``: what is known of it; ``value(outputs by Value, one array a batch)`` -> (number, seeds)."""

    def __init__(self, ends: Ends, name: str | None, y: Array | None, rows: int) -> None:
        if name is not None and name not in LOSSES:
            raise unknown_name("loss", name, LOSSES)
        self.ends, self.y = ends, None if y is None else np.asarray(y)
        width = _width(ends.main)
        self.name = name or ("softmax_cross_entropy" if ends.softmax else "" if y is None else _guess(ends, self.y))
        classes = width if self.name == "softmax_cross_entropy" else 0
        if self.y is None:
            self.told = Told("random errors at the outputs", classes, False)
            return
        if ends.main is None:
            raise ArgumentError("The network gives no floating-point array to take a loss of; leave y out.")
        if self.y.dtype.kind not in "fiub" or (not self.y.size):
            raise ArgumentError(f"y must hold numbers, got {self.y.dtype} {self.y.shape}.")
        self.target = self._target(rows)
        self.told = Told(self.name, classes, True, self._nothing(classes))

    def _target(self, rows: int) -> Array:
        main, y = self.ends.main, self.y
        assert main is not None and y is not None
        shape = (rows, *main.shape[1:])
        if self.name == "softmax_cross_entropy":
            if y.dtype.kind in "iub" and y.size == math.prod(shape[:-1]):
                low, high = int(y.min()), int(y.max())
                if low < 0 or high >= shape[-1]:
                    raise ArgumentError(f"y holds classes from {low} to {high}, the outputs are {shape[-1]}.")
                return y.reshape(-1).astype(np.int64)
            if y.shape != shape:
                raise ArgumentError(f"y of shape {y.shape} {y.dtype} does not go with outputs {shape}: class numbers "
                                    f"of shape {shape[:-1]}, or probabilities of the outputs' shape.")
            return y.reshape(-1, shape[-1]).astype(np.float64)
        if y.size != math.prod(shape):
            raise ArgumentError(f"y of shape {y.shape} does not go with outputs {shape} under {self.name}.")
        if self.name == "binary_cross_entropy" and (y.min() < 0 or y.max() > 1):
            raise ArgumentError("y must lie in [0, 1] under binary_cross_entropy.")
        return y.reshape(shape).astype(np.float64)

    def _nothing(self, classes: int) -> float:
        if self.name == "softmax_cross_entropy":
            return math.log(classes) if classes > 1 else math.nan
        if self.name == "binary_cross_entropy":
            return math.log(2)
        flat = self.target.reshape(len(self.target), -1)
        return float(np.square(flat - flat.mean(0)).mean())

    def value(self, outputs: dict[Value, list[Array]]) -> tuple[float, dict[Value, list[Array]]]:
        """The loss and its gradient at the outputs, batch by batch."""
        if self.y is None:
            return self._random(outputs)
        main = self.ends.main
        assert main is not None
        parts = outputs[main]
        out = np.concatenate(parts).astype(np.float64)
        if self.name == "softmax_cross_entropy":
            number, slope = kernels.loss(self.name, out.reshape(-1, out.shape[-1]), self.target)
        elif self.name == "binary_cross_entropy" and self.ends.sigmoid:        # of probabilities
            p = np.clip(out, 1e-300, 1 - 2.0 ** -53)
            t = self.target
            number, slope = float(-(t * np.log(p) + (1 - t) * np.log1p(-p)).mean()), (p - t) / (p * (1 - p)) / p.size
        else:
            number, slope = kernels.loss(self.name, out, self.target)
        ends = np.cumsum([len(x) for x in parts])[:-1]
        return number, {main: np.split(slope.reshape(out.shape), ends)}

    def _random(self, outputs: dict[Value, list[Array]]) -> tuple[float, dict[Value, list[Array]]]:
        """Fixed normal numbers, a unit of error each, as a mean over rows."""
        rng, total = np.random.default_rng(0), 0.0
        seeds: dict[Value, list[Array]] = {}
        for v in self.ends.sent:
            rows = sum(len(x) if x.ndim else 1 for x in outputs[v])
            noise = [np.asarray(rng.standard_normal(x.shape) / max(rows, 1)) for x in outputs[v]]
            with np.errstate(all="ignore"):
                total += float(sum((x * n).sum() for x, n in zip(outputs[v], noise)))
            seeds[v] = noise
        return total, seeds


def _width(v: Value | None) -> int:
    return v.shape[-1] if v is not None and len(v.shape) > 1 and v.shape[-1] > 1 else 0


def _guess(ends: Ends, y: Any) -> str:
    if y.dtype.kind in "iub" and _width(ends.main) > 1:
        return "softmax_cross_entropy"
    return "binary_cross_entropy" if ends.sigmoid and y.size and 0 <= y.min() and y.max() <= 1 else "mse"
