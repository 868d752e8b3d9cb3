"""The number that is differentiated: the user's loss, the module's own, or random errors at the outputs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from ...errors import ArgumentError, ArgumentTypeError, unknown_name

LOSSES = ("softmax_cross_entropy", "mse", "binary_cross_entropy")
_ALIASES = {"cross_entropy": "softmax_cross_entropy", "bce": "binary_cross_entropy", "mse_loss": "mse"}
_CROSS = (F.cross_entropy, F.nll_loss)
_KINDS = {"cross_entropy": LOSSES[0], "CrossEntropyLoss": LOSSES[0], "mse_loss": LOSSES[1], "MSELoss": LOSSES[1],
          "binary_cross_entropy": LOSSES[2], "binary_cross_entropy_with_logits": LOSSES[2], "BCELoss": LOSSES[2],
          "BCEWithLogitsLoss": LOSSES[2]}                # PyTorch's own


class Loss(NamedTuple):
    """value : a tensor of one number, None where no output has a gradient. name : in words. classes : of a softmax, 0
    where it is none. known : it was measured on targets. nothing : what knowing nothing costs (nan: not known). kind :
    the one of LOSSES that it is, None: another."""

    value: Tensor | None
    name: str
    classes: int
    known: bool
    nothing: float = math.nan
    kind: str | None = None


def main_output(result: Any) -> Tensor | None:
    """The output that is judged: ``logits`` where there are any, else the first floating-point tensor."""
    logits = result.get("logits") if isinstance(result, Mapping) else getattr(result, "logits", None)
    if isinstance(logits, Tensor):
        return logits
    leaves = [v for v in pytree.tree_leaves(result) if isinstance(v, Tensor) and v.is_floating_point()]
    return next((v for v in leaves if v.ndim), None)


def loss_of(result: Any, y: Any, loss: str | Callable[..., Any] | None) -> Loss:
    """The loss of a result; see :func:`initcore.torch.check`."""
    output = main_output(result)
    own = result.get("loss") if isinstance(result, Mapping) else getattr(result, "loss", None)
    if loss is None and y is None and isinstance(own, Tensor):
        classes = _classes(output, None)
        return Loss(own, "of the module itself", classes, True, _nothing(classes), LOSSES[0] if classes else None)
    if y is None:
        named = loss if isinstance(loss, str) else "softmax_cross_entropy" if loss in _CROSS else None
        classes = _classes(output, None) if named in (*_ALIASES, "softmax_cross_entropy") else 0
        return Loss(_random(result), "random errors at the outputs", classes, False)
    if loss is None:
        loss = _guess(output, y)
    if isinstance(loss, str):
        name = _ALIASES.get(loss, loss)
        if name not in LOSSES:
            raise unknown_name("loss", loss, LOSSES)
        if output is None:
            raise ArgumentError("the module gives no floating-point tensor to take a loss of.")
        return _named(name, output, _target(y, output))
    if not callable(loss):
        raise ArgumentTypeError(f"loss must be a function of (output, y), a name or None, got {type(loss).__name__}.")
    whole = result if isinstance(result, Tensor) or output is None or not _of_torch(loss) else output
    value = loss(whole, y)
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise ArgumentError(f"loss must give one number, got {type(value).__name__}"
                            + (f" of shape {tuple(value.shape)}." if isinstance(value, Tensor) else "."))
    cross = loss in _CROSS or type(loss).__name__ == "CrossEntropyLoss"
    classes = int(output.shape[1]) if cross and output is not None and output.ndim > 1 else 0
    name = getattr(loss, "__name__", type(loss).__name__)
    kind = _KINDS.get(name) if _of_torch(loss) else None
    nothing = _nothing(classes) if cross else _spread(output, y) if _KINDS.get(name) == "mse" else math.nan
    return Loss(value.reshape(()), name, classes, True, nothing, kind)


def _of_torch(loss: Any) -> bool:
    return str(getattr(loss, "__module__", type(loss).__module__)).startswith("torch.")


def _guess(output: Tensor | None, y: Any) -> str:
    if output is None or not isinstance(y, Tensor):
        raise ArgumentError("loss=None needs a tensor y; give loss=, a function of (output, y).")
    if not y.is_floating_point() and output.ndim and output.shape[-1] > 1:
        return "softmax_cross_entropy"
    if y.shape == output.shape or y.numel() == output.numel():
        return "mse"
    raise ArgumentError(f"no loss goes with outputs {tuple(output.shape)} and y {tuple(y.shape)} {y.dtype}; give "
                        "loss=, a function of (output, y).")


def _named(name: str, output: Tensor, y: Tensor) -> Loss:
    if name == "softmax_cross_entropy":
        classes = int(output.shape[-1])
        if not y.is_floating_point():
            if output.ndim > 2 and y.shape == output.shape[:1] + output.shape[2:]:
                classes = int(output.shape[1])
                return Loss(F.cross_entropy(output, y), name, classes, True, _nothing(classes), name)
            output, y = output.reshape(-1, classes), y.reshape(-1)
        return Loss(F.cross_entropy(output, y), name, classes, True, _nothing(classes), name)
    y = y.to(output.dtype).reshape(output.shape)
    if name == "mse":
        return Loss(F.mse_loss(output, y), name, 0, True, _spread(output, y), name)
    return Loss(F.binary_cross_entropy(output, y), name, 0, True, math.log(2), name)


def _target(y: Any, output: Tensor) -> Tensor:
    if not isinstance(y, Tensor):
        raise ArgumentTypeError(f"y must be a tensor where loss is a name, got {type(y).__name__}.")
    return y.to(output.device)


def _nothing(classes: int) -> float:
    return math.log(classes) if classes > 1 else math.nan


def _spread(output: Tensor | None, y: Any) -> float:
    if not isinstance(y, Tensor) or output is None:
        return math.nan
    flat = y.detach().double().reshape(y.shape[0], -1) if y.ndim else y.detach().double().reshape(1, 1)
    return float((flat - flat.mean(0)).square().mean())


def _classes(output: Tensor | None, y: Any) -> int:
    return int(output.shape[-1]) if output is not None and output.ndim > 1 and output.shape[-1] > 1 else 0


def _random(result: Any) -> Tensor | None:
    """Sum of the outputs times fixed normal numbers, a unit of error each."""
    total = None
    generator = torch.Generator().manual_seed(0)
    for leaf in pytree.tree_leaves(result):
        if isinstance(leaf, Tensor) and leaf.is_floating_point() and leaf.requires_grad:
            noise = torch.randn(leaf.shape, generator=generator).to(leaf.device, leaf.dtype)
            term = (leaf * noise).sum() / max(leaf.shape[0] if leaf.ndim else 1, 1)
            total = term if total is None else total + term
    return total
