"""The tensors of a model by name: parameters and buffers, each memory once, with the place it has.

Design
A. Names are those of ``named_parameters``, without what wrappers put before them (``torch.compile``, DDP, FSDP1,
   activation checkpointing), so that wrapping a model changes no number.
B. Tensors that are one memory are one entry; its first name counts and the others are its aliases.
C. A tensor is found again by identity, or by the storage it lies in, so that ``weight.data``, ``weight[:k]`` and
   ``weight.to_local()`` are known too.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..errors import ArgumentError, ArgumentTypeError, DeviceError
from ._places.memory import is_dtensor
from ._places.place import Place, View, flat, local_of, place, view, views

_WRAPPERS = ("_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module.")


class Entry:
    """One parameter or buffer: ``name``, ``aliases``, ``tensor``, ``module`` that holds it, ``is_buffer``, ``plain``:
    it is a whole array; ``groups``: of processes, one a mesh dimension, that hold the parts of one that is not."""

    __slots__ = ("_place", "_views", "aliases", "groups", "is_buffer", "module", "name", "plain", "tensor")

    def __init__(self, name: str, tensor: Tensor, module: Any, is_buffer: bool, where: Place | None = None,
                 groups: tuple[Any, ...] = ()) -> None:
        self.name, self.tensor, self.module, self.is_buffer = name, tensor, module, is_buffer
        self.aliases: list[str] = []
        self.plain = where is None and not is_dtensor(tensor)
        self.groups = tuple(tensor.device_mesh.get_all_groups()) if is_dtensor(tensor) else groups
        self._place = where
        self._views: tuple[View, ...] | None = None

    @property
    def place(self) -> Place:
        """Where it lies."""
        if self._place is None:
            try:
                self._place = place(self.tensor)
            except DeviceError as error:
                raise DeviceError(f"{self.name}: {error}") from None
        return self._place

    @property
    def views(self) -> tuple[View, ...]:
        """Its pieces with the numbers of their elements."""
        if self._views is None:
            self._views = views(self.place)
        return self._views


def clean(name: str) -> str:
    """A parameter's name without what wrappers add.

    >>> clean("_orig_mod.layers.0._checkpoint_wrapped_module.weight")
    'layers.0.weight'
    """
    for wrapper in _WRAPPERS:
        name = name.replace(wrapper, "")
    return name


def entries(model: Any) -> list[Entry]:
    """Every parameter and buffer once, in the model's order.

    model : a torch.nn.Module, a mapping of names to tensors, or pairs of both.
    Raises ArgumentError for two tensors with one name, ArgumentTypeError for another kind of model.
    """
    seen: dict[Any, Entry] = {}
    names: dict[str, Entry] = {}
    for entry in _walk(model):
        known = seen.setdefault(identity(entry.tensor), entry)
        if known is not entry and entry.name not in (known.name, *known.aliases):
            known.aliases.append(entry.name)
        before = names.setdefault(entry.name, known)
        if before is not known:
            raise ArgumentError(f"two tensors have the name {entry.name!r}; each needs its own to have its own random "
                                "stream: rename one, or give pairs of names and tensors.")
    return list(seen.values())


def _walk(model: Any) -> Iterator[Entry]:
    if not isinstance(model, torch.nn.Module):
        yield from _pairs(model)
        return
    if isinstance(model, torch.nn.parallel.DistributedDataParallel):
        model = model.module
    flat_ones = _flat_parameters(model)
    managed = {at for one in flat_ones.values() for at in one.places}
    for path, module in model.named_modules(remove_duplicate=False):
        prefix = f"{path}." if path else ""
        if id(module) in flat_ones:
            one = flat_ones[id(module)]
            for name, tensor, where in one.parts:
                yield Entry(clean(prefix + name), tensor, module, False, where, (one.group,))
        for is_buffer, table in ((False, module._parameters), (True, module._buffers)):
            for name, tensor in table.items():
                if tensor is not None and (id(module), name) not in managed and name != "_flat_param":
                    yield Entry(clean(prefix + name), tensor, module, is_buffer)


def _pairs(model: Any) -> Iterator[Entry]:
    items: Iterable[Any] = model.items() if isinstance(model, Mapping) else model
    try:
        pairs = [(name, tensor) for name, tensor in items]
    except (TypeError, ValueError):
        pairs = [(None, None)]
    for name, tensor in pairs:
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise ArgumentTypeError("model must be a torch.nn.Module, a mapping of names to tensors or pairs of both, "
                                    f"got {type(model).__name__}.")
        yield Entry(clean(name), tensor, None, False)


def identity(tensor: Tensor) -> Any:
    """Equal for tensors that are one memory."""
    local = tensor if not is_dtensor(tensor) else local_of(tensor)
    if local.layout is not torch.strided:
        return id(tensor)
    try:
        address = local.data_ptr()
    except (RuntimeError, ValueError):              # no storage: lazy, or a wrapper class; refused where it is filled
        return id(tensor)
    return (address, local.shape, local.stride(), local.dtype) if address else id(tensor)   # 0: meta, or empty


class _Flat(NamedTuple):
    """One flat parameter of FSDP1: its originals, and the (module, attribute) places it manages."""

    parts: list[tuple[str, Tensor, Place]]
    group: Any
    places: set[tuple[int, str]]


def _flat_parameters(model: Any) -> dict[int, _Flat]:
    """By the module that holds it, every flat parameter that is sharded now."""
    fsdp = sys.modules.get("torch.distributed.fsdp")
    out: dict[int, _Flat] = {}
    for module in [] if fsdp is None else fsdp.FullyShardedDataParallel.fsdp_modules(model):
        parameter = module._flat_param
        if parameter is None or parameter.shape != getattr(parameter, "_sharded_size", None):
            continue
        places = {(id(m), name) for name, m, *_ in (*parameter._param_infos, *parameter._shared_param_infos)}
        parts = []
        for name, shape, info in zip(parameter._fqns, parameter._shapes, parameter._shard_param_infos):
            at, count = (info.offset_in_shard, info.numel_in_shard) if info.in_shard else (0, 0)
            local = parameter.detach()[at:at + count]
            parts.append((name, local, flat(tuple(shape), local, info.intra_param_start_idx or 0)))
        out[id(module)] = _Flat(parts, module.process_group, places)
    return out


class Index:
    """Finds the entry a tensor belongs to."""

    def __init__(self, found: Iterable[Entry]) -> None:
        self._by_id = {id(entry.tensor): entry for entry in found}
        self._by_storage: dict[int, list[Entry]] | None = None

    def _in_storage(self, address: int) -> list[Entry]:
        """The entries in the storage at this address."""
        if self._by_storage is None:                # made when the first tensor comes that is not a parameter itself
            self._by_storage = {}
            for entry in self._by_id.values():
                local = local_of(entry.tensor)
                if local.numel():
                    self._by_storage.setdefault(local.untyped_storage().data_ptr(), []).append(entry)
        return self._by_storage.get(address, [])

    def exact(self, tensor: Tensor) -> Entry | None:
        """The entry of this very tensor."""
        return self._by_id.get(id(tensor))

    def find(self, tensor: Tensor) -> tuple[Entry, tuple[View, ...], bool] | None:
        """(entry, views, whole) of a tensor of the model; ``whole``: all of the entry's local part, and no views."""
        entry = self._by_id.get(id(tensor))
        if entry is not None:
            return entry, (), True
        local = local_of(tensor)
        if local.is_meta or local.numel() == 0:
            return None
        for entry in self._in_storage(local.untyped_storage().data_ptr()):
            mine = local_of(entry.tensor)
            if local.dtype != mine.dtype:
                continue
            if _same(local, mine):
                return entry, (), True
            part = view(entry.place, local)
            if part is not None:
                return entry, part, False
        return None


def _same(a: Tensor, b: Tensor) -> bool:
    return bool(a.shape == b.shape and a.storage_offset() == b.storage_offset() and a.stride() == b.stride())
