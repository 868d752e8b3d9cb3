"""One call of a Keras layer: its config, its variables, its activation, and what entries for layers write with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...._aten import Build, NotUnderstood, single
from ....program import Parameter, Value
from .._held import Held
from ._names import keras_name

Entry = Callable[["Layer", list[Value]], Value | list[Value]]
_NAMES = {"linear": "identity", "relu": "relu", "tanh": "tanh", "sigmoid": "sigmoid", "gelu": "gelu", "silu": "silu",
          "swish": "silu", "elu": "elu", "selu": "selu", "softplus": "softplus", "softsign": "softsign", "mish": "mish",
          "hard_sigmoid": "hard_sigmoid", "leaky_relu": "leaky_relu_0.2", "hard_tanh": "hard_tanh"}
_ATEN = {"relu6": "relu6", "hard_silu": "hardswish", "hard_swish": "hardswish", "log_sigmoid": "log_sigmoid",
         "celu": "celu", "tanh_shrink": "tanhshrink"}


class Layer:
    """One call of a layer. ``folder``: where its variables lie; ``config``; ``options``: what it is called with."""

    def __init__(self, build: Build, held: Held, folder: str, config: dict[str, Any], options: dict[str, Any]) -> None:
        self.build, self.held, self.folder, self.config, self.options = build, held, folder, config, options
        self.taken: list[Parameter] = []

    def has(self, key: str, *allowed: Any) -> None:
        """What the config says must be one of these, or not be said."""
        if self.config.get(key, allowed[0]) not in allowed:
            raise NotUnderstood

    def variable(self, number: int, below: str = "", buffer: bool = False) -> Parameter:
        """The layer's variable of that number, or of a part of it."""
        frozen = self.config.get("trainable") is False
        found = self.held.get(keras_name(f"{self.folder}{below}/vars/{number}"), trainable=not frozen, buffer=buffer)
        self.taken.append(found)
        return found

    def weight(self, number: int, below: str = "", buffer: bool = False) -> Value:
        """The value of :meth:`variable`."""
        return self.variable(number, below, buffer).value

    def derived(self, whole: Parameter, key: Any, shape: tuple[int, ...], move: Callable[[Any], Any]) -> Value:
        """A variable as an operation of the vocabulary wants it."""
        self.taken.append(self.held.derived(whole, key, shape, move))
        return self.taken[-1].value

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Value:
        """A bias that the layer lacks."""
        self.taken.append(self.held.zeros(shape, dtype))
        return self.taken[-1].value

    def active(self, x: Value, word: Any = None) -> Value:
        """The layer's activation, or another by Keras's name."""
        word = self.config.get("activation") if word is None else word
        if word is None or word == "linear":
            return x
        if word in _NAMES:
            return self.build.activation(_NAMES[word], x)
        if word in _ATEN:
            return single(_ATEN[word], self.build, x)
        if word == "softmax":
            return self.build.emit("softmax", x, shape=x.shape, dims=(len(x.shape) - 1,), log=False)
        if word == "exponential":
            return self.build.elementwise("exp", x)
        raise NotUnderstood

    def spatial(self, key: str, k: int) -> tuple[int, ...]:
        """A number for each of k dims."""
        given = self.config.get(key)
        several = (given,) * k if isinstance(given, int) else tuple(given or (1,) * k)
        if len(several) != k or not all(isinstance(n, int) and 0 < n < 1 << 20 for n in several):
            raise NotUnderstood
        return several


def one(xs: Sequence[Value]) -> Value:
    """The one value that a layer is called on."""
    if len(xs) != 1:
        raise NotUnderstood
    return xs[0]


def axes(la: Layer, x: Value) -> tuple[int, ...]:
    """The dims that the config names, the last one where it names none."""
    given = la.config.get("axis", -1)
    return tuple(sorted(int(d) % len(x.shape) for d in (given if isinstance(given, list) else [given])))
