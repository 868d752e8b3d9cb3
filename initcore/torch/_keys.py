"""The key a call draws from: ``rng=``, ``generator=``, or PyTorch's own default generator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..errors import ArgumentTypeError, DeviceError
from ..random import Key, as_key


def key_for(tensor: Tensor, rng: Any, generator: Any) -> Key:
    """The key of one fill.

    rng : anything :func:`initcore.random.as_key` takes, or a torch.Generator.
    generator : a torch.Generator on the tensor's device; it is advanced by four words.
    Neither: four words of PyTorch's default CPU generator, so that ``torch.manual_seed`` rules this too, and ranks
    with one seed draw the same key, hence the parts of one array.
    """
    if rng is None and generator is None:
        return _drawn(None)
    if generator is not None and rng is not None:
        raise ArgumentTypeError("rng= and generator= both name a stream; give one of them.")
    given = rng if generator is None else generator
    if not isinstance(given, torch.Generator):
        if generator is not None:
            raise ArgumentTypeError(f"generator must be a torch.Generator, got {type(generator).__name__}; initcore's "
                                    "keys and NumPy's generators go to rng=.")
        return as_key(given)
    if given.device.type != tensor.device.type:
        raise DeviceError(f"the generator is on {given.device} and the tensor on {tensor.device}: Expected a "
                          f"'{tensor.device.type}' device type for generator but found '{given.device.type}'. An "
                          "initcore.Key in rng= has no device and gives the same numbers on each.")
    return _drawn(given)


def key_of(rng: Any) -> Key:
    """The key of a whole model: as :func:`initcore.random.as_key`, or four words of a torch.Generator."""
    return _drawn(rng) if isinstance(rng, torch.Generator) else as_key(rng)


def _drawn(generator: torch.Generator | None) -> Key:
    device = "cpu" if generator is None else generator.device
    with torch._C.DisableTorchFunction():
        words = torch.empty(4, dtype=torch.int64, device=device).random_(0, 1 << 32, generator=generator)
        return Key.from_words(*words.tolist())
