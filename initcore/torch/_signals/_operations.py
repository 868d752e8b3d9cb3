"""What ATen's operations are to a signal: weights, activations, norms, and those that only move or scale it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.fx import Node

from ... import activations
from ...activations import Activation

# 1-homogeneous in their first argument: a signal twice as large comes out twice as large, from the same places
PASS = frozenset("""view reshape flatten unflatten transpose permute t contiguous clone expand expand_as unsqueeze
    squeeze slice select split split_with_sizes chunk unbind getitem dropout feature_dropout alias detach to _to_copy
    type_as max_pool1d max_pool2d max_pool3d avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d
    adaptive_avg_pool3d adaptive_max_pool2d mean sum amax max min upsample_nearest2d upsample_nearest1d
    upsample_bilinear2d upsample_bicubic2d constant_pad_nd pad reflection_pad2d replication_pad2d roll flip repeat
    repeat_interleave index index_select gather cat stack narrow movedim swapaxes view_as numpy_T mT pixel_shuffle
    pixel_unshuffle unfold im2col masked_fill neg lift_fresh_copy index_add scatter_add scatter index_put tril triu
    where real _unsafe_view native_dropout alpha_dropout swapdims select_copy channel_shuffle squeeze_copy
    tensor_split hsplit cumsum""".split())
NORMS = frozenset("""batch_norm layer_norm group_norm instance_norm rms_norm native_layer_norm native_group_norm
    native_batch_norm _native_batch_norm_legit _fused_rms_norm cudnn_batch_norm""".split())
CONTRACTIONS = frozenset("""linear addmm mm matmul bmm baddbmm einsum conv1d conv2d conv3d conv_transpose1d
    conv_transpose2d conv_transpose3d convolution bilinear addmv mv""".split())
RECURRENT = frozenset("lstm gru rnn_tanh rnn_relu lstm_cell gru_cell rnn_tanh_cell rnn_relu_cell".split())
GATES = ("sigmoid", "hardsigmoid")           # what multiplies a unit to open and close it
_PLAIN = {"relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid", "silu": "silu", "mish": "mish", "selu": "selu",
          "erf": "erf", "atan": "arctan", "hardsigmoid": "hard_sigmoid", "softplus": "softplus", "sin": "sin",
          "elu": "elu", "leaky_relu": "leaky_relu", "gelu": "gelu", "hardtanh": "hard_tanh", "relu6": "relu6",
          "hardswish": "hard_swish", "prelu": "prelu", "rrelu": "leaky_relu"}


def operation(node: Node) -> str:
    """The operation's name without namespace, overload and the mark of in-place: "relu"; "" for what is no call."""
    if node.op != "call_function":
        return ""
    schema = getattr(node.target, "_schema", None)
    name = schema.name.split("::")[-1] if schema is not None else getattr(node.target, "__name__", "")
    bare = name.rstrip("_")
    return bare if bare and not name.endswith("__") else name


def argument(node: Node, name: str, place: int, default: Any = None) -> Any:
    """An argument by its name or place."""
    if name in node.kwargs:
        return node.kwargs[name]
    return node.args[place] if len(node.args) > place else default


def _clipped(low: float, high: float) -> Activation:
    """min(max(z, low), high): ReLU6 and the hard tanh of any bounds."""
    def phi(z: Any) -> Any:
        return np.clip(z, low, high)

    def slope(z: Any) -> Any:
        return ((np.asarray(z) > low) & (np.asarray(z) < high)).astype(np.asarray(z).dtype)
    flat = ((-np.inf, low), (high, np.inf))
    return Activation(f"relu{high:g}" if low == 0 else f"clip({low:g}, {high:g})", None, phi, slope, low=low, high=high,
                      phi0=min(max(0.0, low), high), dphi0=0.0 if low == 0 else 1.0, kinks=(low, high),
                      knots=(low, high), flat_pieces=flat, squared_gain=2.0 if low == 0 else 1.0,
                      initializer="he_normal" if low == 0 else "glorot_normal")


def _hard_swish() -> Activation:
    def phi(z: Any) -> Any:
        return z * np.clip(np.asarray(z) / 6 + 0.5, 0, 1)

    def slope(z: Any) -> Any:
        z = np.asarray(z)
        return np.where(z < -3, 0.0, np.where(z > 3, 1.0, z / 3 + 0.5)).astype(z.dtype)
    return Activation("hard_swish", None, phi, slope, dphi0=0.5, low=-0.375, max_slope=1.5, kinks=(-3.0, 3.0),
                      flat_pieces=((-np.inf, -3.0),), squared_gain=2.0, initializer="he_normal")


def activation(node: Node) -> Activation | None:
    """The activation a node applies to its first argument, or None."""
    name = _PLAIN.get(operation(node))
    if name is None or not isinstance(node.args[0], Node):
        return None
    if name == "relu6":
        return _clipped(0.0, 6.0)
    if name == "hard_swish":
        return _hard_swish()
    if name == "hard_tanh":
        low, high = float(argument(node, "min_val", 1, -1.0)), float(argument(node, "max_val", 2, 1.0))
        return activations.get("hard_tanh") if (low, high) == (-1.0, 1.0) else _clipped(low, high)
    if name == "gelu":
        return activations.get("gelu_tanh" if argument(node, "approximate", 1, "none") == "tanh" else "gelu")
    if name == "leaky_relu":
        return activations.get("leaky_relu", float(argument(node, "negative_slope", 1, 0.01))
                               if operation(node) == "leaky_relu" else 0.2)
    if name == "prelu":
        return activations.get("leaky_relu", 0.25)
    if name == "elu":
        return activations.get("elu", float(argument(node, "alpha", 1, 1.0)))
    if name == "sin":
        inner = node.args[0]
        scale = _factor(inner)
        return activations.get("sin", scale) if scale is not None else activations.get("sin")
    if name == "tanh" and (inner := gelu_input(node)) is not None:
        return activations.get("gelu_tanh")
    if name == "sigmoid" and any(operation(u) == "mul" and node.args[0] in u.args for u in node.users):
        return activations.get("silu")
    return activations.get(name)


def activation_input(node: Node) -> Node:
    """The node whose value is z: beyond a frequency (SIREN) or the polynomial inside a GELU written out."""
    inner = node.args[0]
    assert isinstance(inner, Node)
    if operation(node) == "tanh" and (found := gelu_input(node)) is not None:
        return found
    if operation(node) == "sin" and _factor(inner) is not None:
        return next(a for a in inner.args if isinstance(a, Node))
    return inner


def _factor(node: Node) -> float | None:
    """c of a node c x."""
    if operation(node) == "mul" and len(node.args) == 2:
        numbers = [a for a in node.args if isinstance(a, (int, float))]
        if len(numbers) == 1:
            return float(numbers[0])
    return None


def gelu_input(node: Node) -> Node | None:
    """x of a node tanh(c (x + d x^3)), the inside of a GELU written out."""
    inner = node.args[0]
    if not isinstance(inner, Node) or operation(inner) != "mul":
        return None
    total = next((a for a in inner.args if isinstance(a, Node) and operation(a) == "add"), None)
    if total is None:
        return None
    for x in total.args:
        for other in total.args:
            if isinstance(x, Node) and isinstance(other, Node) and other is not x and operation(other) == "mul":
                cube = next((a for a in other.args if isinstance(a, Node) and operation(a) in ("pow", "mul")), None)
                if cube is not None and _reads(cube, x):
                    return x
    return None


def _reads(node: Node, x: Node) -> bool:
    return any(a is x or (isinstance(a, Node) and operation(a) in ("mul", "pow") and _reads(a, x))
               for a in node.args if isinstance(a, Node))


def is_float(node: Node) -> bool:
    """Is the node's value a floating-point tensor (or a tuple of such)?"""
    value = node.meta.get("val")
    value = value[0] if isinstance(value, (tuple, list)) and value else value
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def shape(node: Any) -> tuple[int, ...]:
    """The shape of a node's value, () where it has none."""
    value = node.meta.get("val") if isinstance(node, Node) else None
    return tuple(int(n) for n in value.shape) if isinstance(value, torch.Tensor) else ()
