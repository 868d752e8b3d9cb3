"""What a person would write for a layer: the call and the standard deviation it draws, from the activation's entry."""

from __future__ import annotations

from ..activations import Start
from ..network import Network


def start(net: Network, i: int) -> Start:
    """How layer i's weights would be drawn."""
    layer = net.layers[i]
    return layer.activation.start(layer.fan_in, layer.fan_out, first=i == 0)


def call(net: Network, i: int) -> str:
    """The call that makes good weights for layer i."""
    return start(net, i).call((net.layers[i].fan_in, net.layers[i].fan_out))


def deviation(net: Network, i: int, std: float) -> str:
    """The cure of weights of the wrong size: number, and the call that draws it."""
    return f"standard deviation {start(net, i).std:.4g} instead of {std:.4g}: {call(net, i)}"


def zero_bias(net: Network, i: int) -> str:
    """The cure of a bias."""
    return f"zero biases: ic.init.zeros({net.layers[i].fan_out})"
