"""A chain of dense layers: forward, trace and gradients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from .. import kernels
from .._checks import describe, flag, float_array, number, quiet
from .._types import Array
from ..errors import ArgumentTypeError, NonFiniteError, ShapeError
from ._dense import Dense
from ._trace import LayerGradient, Trace, require_trace


class Network:
    """A chain of dense layers.

    >>> import numpy as np
    >>> net = Network([Dense(np.ones((3, 2)), np.zeros(2), "tanh"), Dense(np.ones((2, 1)))])
    >>> net.forward(np.zeros((4, 3))).shape
    (4, 1)

    Raises ShapeError where layers do not chain, NonFiniteError (naming layer and index) where weights
    hold NaN or infinity; :func:`initcore.check` reports the latter instead, through ``check_finite=False``.
    """

    __slots__ = ("layers",)

    def __init__(self, layers: Iterable[Dense], *, check_finite: bool = True) -> None:
        if isinstance(layers, Dense) or not isinstance(layers, Iterable):
            raise ArgumentTypeError(f"layers must be a list of initcore.Dense, got {describe(layers)}.")
        try:
            self.layers: tuple[Dense, ...] = tuple(layers)
        except TypeError:
            raise ArgumentTypeError(f"layers must be a list of initcore.Dense, got {describe(layers)}.") from None
        if not self.layers:
            raise ShapeError("layers is empty; a network needs at least one Dense.")
        for i, layer in enumerate(self.layers):
            if not isinstance(layer, Dense):
                raise ArgumentTypeError(f"layers[{i}] must be an initcore.Dense, got {type(layer).__name__}.")
            if layer.dtype != self.layers[0].dtype:
                raise ShapeError(f"layers[{i}] is {layer.dtype}, layers[0] is {self.layers[0].dtype}; "
                                 "cast them to one dtype.")
        for i in range(1, len(self.layers)):
            a, b = self.layers[i - 1], self.layers[i]
            if a.fan_out != b.fan_in:
                hint = " (w is (fan_in, fan_out); PyTorch's layout is the transpose)" if a.fan_out == b.fan_out else ""
                raise ShapeError(f"layers[{i - 1}] has {a.fan_out} units but layers[{i}] takes {b.fan_in} "
                                 f"inputs{hint}.")
        if flag("check_finite", check_finite):
            self.check_finite()

    def check_finite(self) -> None:
        """Raise NonFiniteError at the first NaN or infinity, naming layer and index."""
        for _, name, array in self.parameters():
            bad = ~np.isfinite(array)
            if bad.any():
                where = tuple(int(i) for i in np.argwhere(bad)[0])
                raise NonFiniteError(f"{name} holds {array[where]} at index {where} "
                                     f"({int(bad.sum())} non-finite value(s)); weights must be finite.")

    def parameters(self) -> Iterator[tuple[int, str, Array]]:
        """Each weight and bias as ``(layer index, "layers[i].w", array)``."""
        for i, layer in enumerate(self.layers):
            yield i, f"layers[{i}].w", layer.w
            if layer.b is not None:
                yield i, f"layers[{i}].b", layer.b

    @property
    def dtype(self) -> np.dtype:
        """Element type of the parameters."""
        return self.layers[0].dtype

    @property
    def widths(self) -> tuple[int, ...]:
        """Inputs, hidden widths, outputs."""
        return (self.layers[0].fan_in, *(layer.fan_out for layer in self.layers))

    def __len__(self) -> int:
        return len(self.layers)

    def __repr__(self) -> str:
        return f"Network({' -> '.join(map(str, self.widths))}, {self.dtype.name})"

    def _repr_html_(self) -> str:
        from .._page.card import card, unfolded
        rows = [[i, la.fan_in, la.fan_out, la.activation.name, "no" if la.b is None else "yes"]
                for i, la in enumerate(self.layers)]
        size = sum(a.size for _, _, a in self.parameters())
        table = unfolded("Layers", ("layer", "inputs", "units", "activation", "bias"), rows, shown=len(rows) <= 10)
        return card(f"Network of {len(rows)} layer{'s' * (len(rows) != 1)}",
                    [f"{size:,} parameters, {self.dtype.name}"], [table])

    def input(self, x: Any) -> Array:
        """``x`` as the layers take it: ``(batch, features)`` in the network's dtype."""
        w = self.layers[0].w
        if type(x) is np.ndarray and x.ndim == 2 and x.dtype is w.dtype and x.shape[1] == w.shape[0]:
            return x                    # what a training loop passes, without the 2 us of the checks below
        a = float_array("x", x, ndim=2)
        if a.shape[1] != w.shape[0]:
            raise ShapeError(f"x has shape {a.shape}, but the network takes {w.shape[0]} features.")
        return a if a.dtype == w.dtype else _cast(a, w.dtype)

    def target(self, y: Any) -> Array:
        """``y`` as the losses take it: floating targets in the network's dtype, class indices as they stand."""
        try:
            a = np.asarray(y)
        except (TypeError, ValueError, OverflowError):
            raise ShapeError("y has rows of different lengths, or holds what is no number; give an array.") from None
        return _cast(a, self.dtype) if a.dtype.kind == "f" else a

    def forward(self, x: Any, *, threads: int | None = None) -> Array:
        """Outputs, shape ``(batch, outputs)``, for inputs ``x`` of shape ``(batch, features)``.

        ``x`` is cast to the network's dtype; a row's output does not depend on the rows around it. Raises ShapeError
        (rank, number of features) or DTypeError (integers). NaN and infinity pass through.

        >>> import numpy as np
        >>> Network([Dense(np.ones((3, 2)), np.ones(2), "relu")]).forward(np.ones((1, 3)))
        array([[4., 4.]])
        """
        a = self.input(x)
        for layer in self.layers:
            a = layer.forward(a, threads=threads)
        return a

    def trace(self, x: Any, *, threads: int | None = None) -> Trace:
        """Forward pass that keeps ``z`` and ``a`` of every layer; arguments and errors as :meth:`forward`.

        >>> import numpy as np
        >>> trace = Network([Dense(np.full((3, 2), -1.0), None, "relu")]).trace(np.ones((1, 3)))
        >>> trace.z[0], trace.a[0]
        (array([[-3., -3.]]), array([[0., 0.]]))
        """
        a = self.input(x)
        trace = Trace(a, [], [])
        batch, dtype = a.shape[0], self.layers[0].w.dtype
        for layer in self.layers:
            w, activation = layer.w, layer.activation
            z = np.empty((batch, w.shape[1]), dtype)
            if activation.code is None:
                a = layer.forward(a, z_out=z, threads=threads)
            else:                       # what forward does, a call less
                a = kernels.dense_forward(a, w, layer.b, activation, z_out=z, threads=threads)
            trace.z.append(z)
            trace.a.append(a)
        return trace

    def gradients(self, x: Any, y: Any, *, loss: str = "softmax_cross_entropy", trace: Trace | None = None,
                  threads: int | None = None) -> tuple[float, list[LayerGradient]]:
        """The loss and its gradient for every layer.

        Parameters
        ----------
        x : ``(batch, features)``.
        y : targets: ``(batch,)`` integer classes or ``(batch, outputs)`` probabilities for
            "softmax_cross_entropy"; ``(batch, outputs)`` for "mse" and "binary_cross_entropy". Floating ones are
            cast to the network's dtype, as ``x`` is.
        loss : "softmax_cross_entropy" (mean over rows), "mse" or "binary_cross_entropy" (means over elements);
            the cross entropies take the network's outputs as logits.
        trace : a :meth:`trace` of the same ``x``, to save the forward pass.

        Returns ``(value, [LayerGradient(w, b), ...])``, first layer first. Raises as :meth:`forward` and
        :func:`initcore.kernels.loss`.

        >>> import numpy as np
        >>> net = Network([Dense(np.ones((2, 1)))])
        >>> value, grads = net.gradients(np.array([[1.0, 2.0]]), np.array([[1.0]]), loss="mse")
        >>> value, grads[0].w.ravel()
        (4.0, array([4., 8.]))
        """
        if trace is None and isinstance(loss, str) and loss == "softmax_cross_entropy":
            at_once = kernels._chain_gradients(self.layers, x, y, threads)      # the same bits, where all is plain
            if at_once is not None:
                return at_once[0], [LayerGradient._make(pair) for pair in at_once[1]]
        t = self.trace(x, threads=threads) if trace is None else require_trace(trace)
        value, dy = kernels.loss(loss, t.y, self.target(y))
        return value, self.backward(t, dy, threads=threads)

    def backward(self, trace: Trace, dy: Array, *, threads: int | None = None) -> list[LayerGradient]:
        """Gradients of every layer from the loss gradient ``dy`` at the output."""
        trace = require_trace(trace)
        grads: list[LayerGradient] = []
        flow: Any = dy
        inputs, sums, backward = [trace.x, *trace.a], trace.z, kernels.dense_backward
        for i in range(len(self.layers) - 1, -1, -1):
            layer = self.layers[i]
            if layer.activation.code is None:
                flow, dw, db = layer.backward(inputs[i], sums[i], flow, need_dx=i > 0, threads=threads)
            else:
                flow, dw, db = backward(inputs[i], layer.w, layer.b, layer.activation, flow, z=sums[i], need_dx=i > 0,
                                        threads=threads)
            grads.append(LayerGradient(dw, db if layer.b is not None else None))
        return grads[::-1]

    @quiet
    def scaled(self, factor: float, layers: Sequence[int] | None = None) -> Network:
        """The network with the weights of some (default: all) layers multiplied by ``factor``."""
        factor = number("factor", factor)
        if layers is not None and not isinstance(layers, (list, tuple, range, set, frozenset)):
            raise ArgumentTypeError(f"layers must be a list of layer indices, got {describe(layers)}.")
        chosen = range(len(self.layers)) if layers is None else [int(i) for i in layers if isinstance(i, Integral)]
        return Network([la.replace(w=la.w * la.dtype.type(factor)) if i in chosen else la
                        for i, la in enumerate(self.layers)])


@quiet
def _cast(a: Array, dtype: np.dtype) -> Array:
    """a in that dtype; what is too large for it becomes infinite."""
    return a.astype(dtype)


def require_network(net: Any) -> Network:
    """``net`` itself, or an ArgumentTypeError."""
    if not isinstance(net, Network):
        raise ArgumentTypeError(f"net must be an initcore.Network, got {type(net).__name__}; "
                                "Network([Dense(w, b, 'tanh'), ...]) makes one.")
    return net


def own_layers(net: Network) -> Network:
    """The same network in layers of its own, with which what is found of the weights can be kept."""
    return Network([layer.replace() for layer in net.layers], check_finite=False)
