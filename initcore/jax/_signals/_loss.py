"""The number that is differentiated: the user's loss, or random errors at the outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from ..._checks import describe
from ..._signals import Told
from ...errors import ArgumentError, ArgumentTypeError, UsageError, unknown_name

LOSSES = ("softmax_cross_entropy", "mse", "binary_cross_entropy")


class Loss(NamedTuple):
    """of : from what the function returns, and targets, to a number. told : what is known of it. target : the targets,
    rows first. kind : the one of LOSSES that it is, None: another."""

    of: Callable[[Any, Any], Any]
    told: Told
    target: Any = None
    kind: str | None = None

    def value(self, result: Any) -> Any:
        """The number for what the function returns."""
        return self.of(result, self.target)


def main_output(result: Any) -> Any:
    """The output that is judged: ``logits`` where there are any, else the first floating-point array; None: none."""
    logits = result.get("logits") if isinstance(result, Mapping) else getattr(result, "logits", None)
    if hasattr(logits, "shape"):
        return logits
    leaves = [v for v in jax.tree_util.tree_leaves(result) if jnp.issubdtype(v.dtype, jnp.floating)]
    return next((v for v in leaves if v.ndim), None)


def loss_of(result: Any, y: Any, loss: str | Callable[..., Any] | None) -> Loss:
    """The loss of what a function returns (shapes are enough); see :func:`initcore.jax.check`."""
    output = main_output(result)
    if isinstance(loss, str) and loss not in LOSSES:
        raise unknown_name("loss", loss, LOSSES)
    if loss is not None and not isinstance(loss, str) and not callable(loss):
        raise ArgumentTypeError(f"loss must be a function of (output, y), a name or None, got {type(loss).__name__}.")
    if y is None:
        classes = _width(output) if loss == "softmax_cross_entropy" else 0
        return Loss(lambda out, y: _random(out), Told("random errors at the outputs", classes, False))
    if isinstance(y, jax.core.Tracer):
        raise UsageError("y is a tracer: check runs on the host, outside of jax.jit, vmap and grad.")
    if callable(loss):
        return _own(result, output, y, loss)
    if output is None:
        raise ArgumentError("the function gives no floating-point array to take a loss of; give loss=.")
    try:
        target = np.asarray(y)
    except (TypeError, ValueError):
        target = np.asarray(None)
    if target.dtype.kind not in "fiub" and target.dtype.name != "bfloat16":
        raise ArgumentTypeError(f"y must be an array of numbers where loss is a name or None, got {describe(y)}.")
    return _named(loss or _guess(output, target), output, target)


def _own(result: Any, output: Any, y: Any, loss: Callable[..., Any]) -> Loss:
    """The user's function, of the main output; of the whole where it takes that only."""
    name = getattr(loss, "__name__", type(loss).__name__)
    try:
        made, taken = jax.eval_shape(loss, result, y), None
    except (TypeError, AttributeError, ValueError):
        made, taken = jax.eval_shape(loss, output, y), main_output
    if getattr(made, "shape", None) != ():
        raise ArgumentError(f"loss must give one number, got {describe(made)}; take the mean: "
                            f"lambda output, y: {name}(output, y).mean().")
    cross = "cross_entropy" in name and "binary" not in name
    classes = _width(output) if cross else 0
    return Loss(lambda out, y: loss(out if taken is None else taken(out), y),
                Told(name, classes, True, math.log(classes) if classes > 1 else math.nan), y)


def _guess(output: Any, y: Any) -> str:
    if y.dtype.kind in "iub" and _width(output) > 1 and y.shape == output.shape[:-1]:
        return "softmax_cross_entropy"
    if y.shape == output.shape or y.size == math.prod(output.shape):
        return "mse"
    raise ArgumentError(f"no loss goes with outputs {tuple(output.shape)} and y {y.shape} {y.dtype}; give loss=, a "
                        "function of (output, y).")


def _named(name: str, output: Any, y: Any) -> Loss:
    classes = _width(output)
    if name == "softmax_cross_entropy":
        if (y.dtype.kind in "iub" and y.shape != tuple(output.shape[:-1])) or (y.dtype.kind == "f" and \
                y.shape != tuple(output.shape)):
            raise ArgumentError(f"y of shape {y.shape} does not go with outputs {tuple(output.shape)}: class numbers "
                                f"of shape {tuple(output.shape[:-1])}, or probabilities of the outputs' shape.")
        if y.dtype.kind in "iub" and y.size and (y.min() < 0 or y.max() >= classes):
            raise ArgumentError(f"y holds classes from {y.min()} to {y.max()}, the outputs are {classes}.")
        y = y.astype(np.int32) if y.dtype.kind in "iub" else y
        return Loss(_cross, Told(name, classes, True, math.log(classes) if classes > 1 else math.nan), y, name)
    if y.size != math.prod(output.shape):
        raise ArgumentError(f"y of shape {y.shape} does not go with outputs {tuple(output.shape)} under {name}.")
    target = y.astype(np.float32).reshape(output.shape)
    if name == "mse":
        flat = target.astype(np.float64).reshape(target.shape[0] if target.ndim else 1, -1)
        return Loss(lambda out, y: jnp.square(main_output(out) - y).mean(),
                    Told(name, 0, True, float(np.square(flat - flat.mean(0)).mean())), target, name)
    return Loss(lambda out, y: _bernoulli(main_output(out), y), Told(name, 0, True, math.log(2)), target, name)


def _cross(out: Any, y: Any) -> Any:
    """Of the logits, with class numbers or probabilities."""
    logits = main_output(out)
    at = y if jnp.issubdtype(y.dtype, jnp.floating) else jax.nn.one_hot(y, logits.shape[-1], dtype=jnp.float32)
    return -(jax.nn.log_softmax(logits) * at).sum(-1).mean()


def _bernoulli(p: Any, y: Any) -> Any:
    low = jnp.finfo(p.dtype).tiny
    return -(y * jnp.log(jnp.maximum(p, low)) + (1 - y) * jnp.log(jnp.maximum(1 - p, low))).mean()


def _width(output: Any) -> int:
    return int(output.shape[-1]) if output is not None and output.ndim > 1 and output.shape[-1] > 1 else 0


def _random(result: Any) -> Any:
    """Sum of the outputs times fixed normal numbers, a unit of error each."""
    rng, total = np.random.default_rng(0), jnp.float32(0)
    for leaf in jax.tree_util.tree_leaves(result):
        if jnp.issubdtype(leaf.dtype, jnp.floating):
            noise = rng.standard_normal(leaf.shape).astype(np.float32)
            total = total + (leaf * noise).sum() / max(leaf.shape[0] if leaf.ndim else 1, 1)
    return total
