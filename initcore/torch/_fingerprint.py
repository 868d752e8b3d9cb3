"""One hash of a model's global weights, equal for every sharding.

Design
A. Element number i of a tensor, with the bits b, counts mix(b xor (i K + tensor's word)) modulo 2^64, mix a bijection
   of 64-bit words (the finaliser of MurmurHash3): any change of one element changes its term. A sum has no order, so
   parts add up; replicas are counted once.
B. The sums of a mesh's processes are added by one small all-reduce for each of its dimensions; names, shapes, dtypes
   and sums make the digest.
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any

import torch
from torch import Tensor

from ..errors import DeviceError
from ._names import Entry, entries
from ._places.place import View, replicas

_STEP = 1 << 18                     # elements hashed at a time
_K, _M1, _M2 = (c - (1 << 64) for c in (0x9E3779B97F4A7C15, 0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53))
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


def fingerprint(model: Any, *, buffers: bool = True) -> str:
    """A hash of the names, shapes, dtypes and bits of all weights: 32 hexadecimal digits.

    Equal for every sharding, device and number of processes, and for tied and untied copies of equal bits; changed by
    any bit of any element, by a name, a shape or a dtype. Where the model has DTensors or is sharded by FSDP1, every
    process of its mesh calls it: a few bytes a parameter are added up.

    buffers : persistent and other buffers count too.

    >>> a, b = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    >>> _ = b.load_state_dict(a.state_dict())
    >>> fingerprint(a) == fingerprint(b)
    True
    >>> with torch.no_grad():
    ...     _ = b.weight[0, 0].add_(1)
    >>> fingerprint(a) == fingerprint(b)
    False
    """
    found = [e for e in entries(model) if buffers or not e.is_buffer]
    sums = torch.zeros(len(found), dtype=torch.int64, device="cpu")
    for k, entry in enumerate(found):
        sums[k] = _sum_of(entry)
    for groups in {e.groups: None for e in found if e.groups}:
        part = [k for k, e in enumerate(found) if e.groups == groups]
        sums[part] = _added(sums[part], groups, found[part[0]])
    lines = []
    for entry, value in zip(found, sums.tolist()):
        tail = f"{tuple(entry.place.shape)} {entry.tensor.dtype} {value & (1 << 64) - 1:016x}"
        lines += [f"{name} {tail}" for name in (entry.name, *entry.aliases)]
    return hashlib.blake2b("\n".join(sorted(lines)).encode(), digest_size=16).hexdigest()


def _added(sums: Tensor, groups: tuple[Any, ...], entry: Entry) -> Tensor:
    """The sums of all processes of a mesh: along one dimension after the other."""
    dist = sys.modules["torch.distributed"]
    total = sums
    for group in groups:
        total = total.to(entry.tensor.device if dist.get_backend(group) == "nccl" else "cpu")
        dist.all_reduce(total, group=group)
    return total.cpu()


def _sum_of(entry: Entry) -> int:
    if entry.tensor.is_meta:
        raise DeviceError(f"{entry.name} is on the meta device and has no numbers to hash.")
    if replicas(entry.tensor):
        return 0
    return sum(int(_sum(view)) for view in entry.views)


def _sum(view: View) -> Tensor:
    tensor, first, strides = view
    tensor = tensor.detach()
    if tensor.ndim == 0:
        return _mixed(tensor, first, strides)
    axis = max(range(tensor.ndim), key=lambda k: tensor.shape[k])
    n = tensor.shape[axis]
    step = max(1, _STEP * n // max(tensor.numel(), 1))
    total = torch.zeros((), dtype=torch.int64, device=tensor.device)
    for at in range(0, n, step):
        total += _mixed(tensor.narrow(axis, at, min(step, n - at)), first + at * strides[axis], strides).sum()
    return total


def _mixed(part: Tensor, first: int, strides: tuple[int, ...]) -> Tensor:
    """The words of a block, mixed with the numbers of its elements."""
    if part.is_complex():
        part, strides = torch.view_as_real(part), (*(2 * s for s in strides), 1)
        first = 2 * first
    if part.dtype is torch.bool:
        part = part.view(torch.uint8)
    words = part.view(_BITS[part.element_size()]).to(torch.int64)
    number = torch.full((), first, dtype=torch.int64, device=part.device)
    for axis, (n, s) in enumerate(zip(part.shape, strides)):
        steps = torch.arange(n, device=part.device) * s
        number = number + steps.view(-1, *(1,) * (part.ndim - axis - 1))
    x = words ^ ((number + 1) * _K)
    for multiplier in (_M1, _M2):
        x = (x ^ (x >> 33 & 0x7FFFFFFF)) * multiplier
    return x ^ (x >> 33 & 0x7FFFFFFF)


__all__ = ["fingerprint"]
