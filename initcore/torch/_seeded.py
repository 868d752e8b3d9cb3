"""``with seeded(model, key): ...``: any code's own initialisation, drawn from the parameters' names.

Design
A. Two nets. ``torch.nn.init``'s names are replaced while the context lasts (as transformers does), so that fans and
   bounds are ours; a TorchFunctionMode sees what does not go through them: ``w.normal_()``, ``w.data.uniform_()``,
   functions imported by name. Both answer only in the thread that entered.
B. A tensor is looked up by identity, then by the memory it lies in. What is made from a parameter by ``empty_like``,
   ``new_empty``, ``randn_like`` draws from a child of that parameter's key.
C. What belongs to nothing falls through to PyTorch's generator, with one warning.
"""

from __future__ import annotations

import functools
import sys
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from ..errors import DeviceError, InitcoreWarning, UsageError
from ..random import Key
from . import _context, init
from ._intercept import HANDLERS
from ._keys import key_of
from ._names import Entry, Index, entries
from ._places.place import View, local_of

_PATCHED = ("uniform_", "normal_", "trunc_normal_", "xavier_uniform_", "xavier_normal_", "kaiming_uniform_",
            "kaiming_normal_", "orthogonal_", "sparse_")
_INNER = {"_no_grad_trunc_normal_": "trunc_normal_"}        # what a trunc_normal_ imported by name calls
_one = threading.Lock()


class Stream(NamedTuple):
    """What a tensor draws: its key; its entry; where it is not all of the entry, its views."""

    key: Key
    entry: Entry
    part: tuple[View, ...] | None = None


class seeded(TorchFunctionMode):
    """Make any initialisation code of PyTorch draw from ``key.child(parameter name)``.

    Inside, ``reset_parameters``, ``model.apply(fn)``, transformers' ``_init_weights`` and ``initialize_weights``,
    ``init_states`` and raw ``weight.data.normal_()`` give every parameter and buffer the numbers that its name and its
    place in the global array have: the same on any device, for any sharding and number of processes, in any order,
    whatever layers are added or dropout is drawn in between. Views of a parameter fill their part of it.

    Parameters
    ----------
    model : torch.nn.Module, mapping of names to tensors, or pairs of both
        The names are ``named_parameters``'s and ``named_buffers``'s; of tied parameters the first counts. What
        ``torch.compile``, DDP, FSDP1 and checkpointing put before a name is left out.
    key : Key, int, NumPy or torch generator, ... as ``rng=`` elsewhere

    ``rng=`` given to a function of ``it.init`` goes before; ``generator=`` does not. What belongs to no parameter is
    drawn from PyTorch's own generator, with one InitcoreWarning. Distributions: those of ``torch.nn.init`` and
    ``normal_``, ``uniform_``, ``exponential_``, ``log_normal_``, ``cauchy_``, ``bernoulli_``. Of functions
    imported by name before, ``orthogonal_`` keeps PyTorch's algorithm, on numbers that the parameter's name rules, and
    ``sparse_`` draws which entries are zero from PyTorch's generator, with the warning: call them as ``init.sparse_``.

    Raises DeviceError for parameters on the meta device, lazy, quantised, Partial or of a class with memory of its own;
    UsageError where another ``seeded`` is active, in this thread or another; ArgumentError for two tensors of one name.

    >>> import torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Dropout(), torch.nn.Linear(4, 2))
    >>> with seeded(model, 0):
    ...     _ = model[2].reset_parameters(), torch.rand(3) if False else None, model[0].reset_parameters()
    >>> again = torch.nn.Sequential(torch.nn.Linear(8, 4))
    >>> with seeded(again, 0):
    ...     again[0].reset_parameters()
    >>> torch.equal(model[0].weight, again[0].weight)
    True
    """

    def __init__(self, model: Any, key: Any) -> None:
        super().__init__()
        self._key = key_of(key)
        self._entries = entries(model)
        for entry in self._entries:
            _check(entry)
        self._index = Index(self._entries)
        self._keys: dict[str, Key] = {}
        self._scratch: dict[int, tuple[weakref.ref[Tensor], str, int]] = {}
        self._count: dict[str, int] = {}
        self._warned = False
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> seeded:
        if not _one.acquire(blocking=False):
            where = "it is nested in one" if isinstance(_context.current(), seeded) else "another thread is in one"
            raise UsageError(f"seeded is already active ({where}); names are looked up in one model at a time: leave "
                             "it first, or give both models to one seeded as a mapping of names to tensors.")
        try:
            self._patch()
            _context.enter(self)
            super().__enter__()
        except BaseException:
            self._restore()
            raise
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._restore()

    def _restore(self) -> None:
        _context.enter(None)
        while self._undo:
            self._undo.pop()()
        _one.release()

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        handler = HANDLERS.get(func)
        if handler is None:
            return func(*args, **kwargs) if kwargs else func(*args)
        return handler(self, func, args, kwargs or {})

    # ---- What :mod:`initcore.torch._context` asks ------------------------------------------------------------------

    def stream(self, tensor: Tensor) -> Stream | None:
        """The key and elements of a tensor of the model, or None, with the warning, for another."""
        entry = self._index.exact(tensor)
        if entry is not None:
            return Stream(self._child(entry.name), entry)
        known = self._scratch.get(id(tensor))
        if known is not None and known[0]() is tensor:
            return Stream(self._child(known[1]).child("scratch").child(known[2]), Entry(known[1], tensor, None, False))
        with torch._C.DisableTorchFunction():
            found = self._index.find(tensor)
            empty = found is None and local_of(tensor).numel() == 0
        if empty:                                       # this rank's part of something
            return Stream(self._key, Entry("", tensor, None, False), ())
        if found is None:
            self.unknown(f"a tensor of shape {tuple(tensor.shape)}")
            return None
        entry, part, whole = found
        return Stream(self._child(entry.name), entry, None if whole else part)

    def shape(self, tensor: Tensor) -> tuple[int, ...] | None:
        """The global shape, where the tensor is a parameter or its whole local part."""
        with torch._C.DisableTorchFunction():
            found = self._index.find(tensor)
        return found[0].place.shape if found is not None and found[2] else None

    # ---- What the handlers use -------------------------------------------------------------------------------------

    def knows(self, tensor: Any) -> bool:
        """Whether the tensor belongs to the model."""
        if self._index.exact(tensor) is not None or id(tensor) in self._scratch:
            return True
        with torch._C.DisableTorchFunction():
            return isinstance(tensor, Tensor) and (self._index.find(tensor) is not None or
                                                   (not tensor.is_meta and local_of(tensor).numel() == 0))

    def note_scratch(self, source: Any, made: Any) -> None:
        """``made`` was made in the likeness of ``source``."""
        entry = self._index.exact(source)
        if entry is not None and isinstance(made, Tensor):
            number = self._count[entry.name] = self._count.get(entry.name, -1) + 1
            self._scratch[id(made)] = weakref.ref(made), entry.name, number

    def unknown(self, what: str) -> None:
        """Warn, once, of a draw that no name rules."""
        if not self._warned:
            self._warned = True
            warnings.warn(f"inside seeded {what} was drawn that is no parameter or buffer of the model: it comes from "
                          "PyTorch's own generator and depends on order, device and sharding (further ones are not "
                          "reported).", InitcoreWarning, stacklevel=4)

    def _child(self, name: str) -> Key:
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = self._key.child(name)
        return key

    # ---- Names of torch.nn.init ------------------------------------------------------------------------------------

    def _patch(self) -> None:
        for name in (*_PATCHED, *_INNER):
            self._replace(torch.nn.init.__dict__, name, _INNER.get(name, name))
        hub = sys.modules.get("transformers.initialization")
        for name in _PATCHED:
            self._replace(getattr(hub, "TORCH_INIT_FUNCTIONS", {}), name, name)

    def _replace(self, table: dict[str, Any], name: str, ours: str) -> None:
        original = table.get(name)
        if original is not None:
            table[name] = self._guarded(original, getattr(init, ours))
            self._undo.append(functools.partial(table.__setitem__, name, original))

    def _guarded(self, original: Callable[..., Any], ours: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            tensor = args[0] if args else kwargs.get("tensor")
            if _context.current() is not self or not self.knows(tensor):
                return original(*args, **kwargs)
            with torch._C.DisableTorchFunction():
                return ours(*args, **kwargs)
        return call


def _check(entry: Entry) -> None:
    """Refuse what could not be filled, before anything is."""
    if isinstance(entry.tensor, torch.nn.parameter.UninitializedTensorMixin):
        raise DeviceError(f"{entry.name} is lazy and has no shape yet; run one batch through the model first.")
    if entry.tensor.is_meta:
        raise DeviceError(f"{entry.name} is on the meta device and has no memory to fill; call "
                          "initcore.torch.to_empty(model, device=...) first, which keeps ties.")
    if not entry.plain:
        _ = entry.place
