"""Was everything initialised? Poison the memory, run the initialisation, look for the poison.

Design
A. Raw memory is made recognisable: every tensor that is empty memory (what ``to_empty``, ``torch.empty`` and their kin
   return while the initialisation runs) and every tensor the model has already, is filled with a pattern no
   initialisation writes: a NaN of a certain payload for floats, a certain word for integers.
B. What still holds the pattern afterwards was never written. What was there before is put back there.
C. Writes that cover a whole parameter are counted by name; one call of ``torch.nn.init`` is one write.
D. Ties are compared before and after by identity. Equal parts are looked for in every tensor: the first half, third,
   ... of the rows against the others; for sharded tensors the parts of all ranks against each other.
"""

from __future__ import annotations

import functools
import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from .. import rules
from ..errors import ArgumentTypeError
from ..files import judge_arrays
from ._names import Entry, entries, identity
from ._places.memory import as_array, is_dtensor
from ._places.place import local_of
from ._poison import poison, put_back, raw_share
from ._ties import ties

_EMPTY = {torch.empty, torch.empty_like, torch.empty_strided, Tensor.new_empty, Tensor.new_empty_strided}
_WRITES = {Tensor.normal_, Tensor.uniform_, Tensor.fill_, Tensor.zero_, Tensor.copy_, Tensor.exponential_,
           Tensor.random_, Tensor.bernoulli_, Tensor.log_normal_, Tensor.cauchy_, Tensor.geometric_}
_NAMED = ("uniform_", "normal_", "trunc_normal_", "constant_", "ones_", "zeros_", "eye_", "dirac_", "xavier_uniform_",
          "xavier_normal_", "kaiming_uniform_", "kaiming_normal_", "orthogonal_", "sparse_")
_LEAST = 8                          # elements of parts that are compared: fewer may be equal by chance
_MOST_PARTS = 16
_RULES = frozenset({"TEN801", "RNG502"})


@dataclass
class Coverage:
    """What an initialisation did; lists of names, empty where all is well.

    never : parameters and buffers, or parts of them, still raw memory: name, and the share where it is not all.
    non_finite : written, but with NaN or infinity (TEN801 and NUM401 speak of them in a file).
    twice : written over whole more than once (often meant: a default, then a special rule).
    lost_ties : names that were one tensor before and are not any more.
    equal_shards : tensors of which parts are the same bits (RNG502): drawn with one seed, by ranks or by a loop.
    findings : what the rules TEN801 and RNG502 find in the parameters as they are now, on this rank.
    """

    never: list[str] = field(default_factory=list)
    non_finite: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    lost_ties: list[str] = field(default_factory=list)
    equal_shards: list[str] = field(default_factory=list)
    findings: list[rules.Finding] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong; ``twice`` is only told."""
        return not (self.never or self.non_finite or self.lost_ties or self.equal_shards or self.findings)

    def __str__(self) -> str:
        says = {"never": "never written (TEN801)", "non_finite": "NaN or infinity (NUM401)",
                "lost_ties": "ties lost", "equal_shards": "parts with the same bits (RNG502)",
                "twice": "written twice"}
        lines = ["everything was initialised" if self.ok else "NOT everything was initialised"]
        for name, text in says.items():
            lines += [f"  {text}: {one}" for one in getattr(self, name)]
        told = {*self.never, *self.non_finite, *self.equal_shards}
        lines += [f"  {f.rule} {f.tensor}: {f.message}" for f in self.findings if f.tensor not in told]
        return "\n".join(lines)


def coverage(model: Any, init: Callable[[Any], Any]) -> Coverage:
    """Run ``init(model)`` on poisoned memory and tell what it left out.

    Parameters
    ----------
    model : torch.nn.Module
        On real memory or on the meta device; from meta, ``init`` makes the memory itself (``to_empty``).
    init : function of the model
        Its whole initialisation, such as ``lambda m: m.apply(m._init_weights)``. Exceptions pass through.

    Returns :class:`Coverage`. Afterwards the model is initialised; what ``init`` did not write has what it had before,
    or the poison where it had nothing (NaN, so that a run that uses it says so). While it runs the model's memory is
    held twice. Sharded models: every rank calls it, each tells of its own parts, and a hash of every part is gathered
    to find equal ones. int8 and bool memory counts as never written only where all of it is the pattern.

    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.BatchNorm1d(4))
    >>> print(coverage(net, lambda m: torch.nn.init.normal_(m[0].weight)))
    NOT everything was initialised
      never written (TEN801): 0.bias
      never written (TEN801): 1.weight
      never written (TEN801): 1.bias
      never written (TEN801): 1.running_mean
      never written (TEN801): 1.running_var
      never written (TEN801): 1.num_batches_tracked
    """
    if not isinstance(model, torch.nn.Module):
        raise ArgumentTypeError(f"model must be a torch.nn.Module, got {type(model).__name__}.")
    if not callable(init):
        raise ArgumentTypeError(f"init must be a function of the model, got {type(init).__name__}.")
    before = {entry.name: entry for entry in entries(model)}
    kept = {name: local_of(e.tensor).detach().clone() for name, e in before.items() if not e.tensor.is_meta}
    tied = ties(model)
    for name in kept:
        poison(before[name].tensor)
    watch = _Watch()
    try:
        with watch:
            init(model)
    finally:
        found = entries(model)
        raw = {entry.name: raw_share(entry.tensor) for entry in found}
        put_back(found, before, kept)
    out = Coverage(twice=[e.name for e in found if watch.count.get(identity(e.tensor), 0) > 1])
    for entry in found:
        share = raw[entry.name]
        if share == 1:
            out.never.append(entry.name)
        elif share:
            out.never.append(f"{entry.name} ({share:.1%} of it)")
        elif entry.tensor.is_floating_point() and not bool(local_of(entry.tensor).isfinite().all()):
            out.non_finite.append(entry.name)
    out.lost_ties = _lost(tied)
    out.equal_shards = [entry.name for entry in found if not raw[entry.name] and equal_parts(entry)]
    written = [entry for entry in found if _judged(entry, raw[entry.name])]
    out.findings = judge_arrays({entry.name: as_array(local_of(entry.tensor)) for entry in written}, _RULES,
                                rules.thresholds())
    return out


def _judged(entry: Entry, raw: float) -> bool:
    """Is it a weight that was written, in memory that NumPy reads?"""
    local = local_of(entry.tensor)
    return (not raw and not entry.is_buffer and local.is_floating_point() and not local.is_meta and local.numel() > 0
            and local.layout is torch.strided)


def _lost(tied: list[list[tuple[Any, str, str, bool]]]) -> list[str]:
    """Ties that are no longer."""
    return [f"{first[2]} = {other[2]}" for first, *others in tied for other in others
            if getattr(first[0], first[1], None) is not getattr(other[0], other[1], None)]


def equal_parts(entry: Entry) -> bool:
    """Whether parts of the tensor are the same bits, and not constant: of its rows, or on different ranks."""
    local = local_of(entry.tensor).detach()
    if is_dtensor(entry.tensor) and any(p.is_shard() for p in entry.tensor.placements):
        return _equal_over_ranks(entry, local)
    if local.ndim < 2 or not local.is_floating_point():
        return False
    for parts in range(2, min(local.shape[0], _MOST_PARTS) + 1):
        if local.shape[0] % parts == 0 and local.numel() >= parts * _LEAST:
            blocks = local.unflatten(0, (parts, -1))
            one = blocks[0]
            if any(torch.equal(one, b) for b in blocks[1:]) and not bool((one == one.reshape(-1)[0]).all()):
                return True
    return False


def _equal_over_ranks(entry: Entry, local: Tensor) -> bool:
    """Whether two ranks that hold different parts have the same bits there."""
    dist = sys.modules["torch.distributed"]
    mark = torch.zeros(2, dtype=torch.int64, device="cpu")
    if local.numel() >= _LEAST and not bool((local == local.reshape(-1)[0]).all()):
        raw = local.contiguous().view(torch.uint8).cpu().numpy().tobytes()
        for k, what in enumerate((raw, repr([p.start for p in entry.place.pieces]).encode())):
            digest = hashlib.blake2b(repr(tuple(local.shape)).encode() + what, digest_size=8).digest()
            mark[k] = int.from_bytes(digest, "little", signed=True)
    marks = [mark]
    for group in entry.groups:
        device = entry.tensor.device if dist.get_backend(group) == "nccl" else "cpu"
        mine = torch.stack(marks).to(device)
        gathered = [torch.zeros_like(mine) for _ in range(dist.get_world_size(group))]
        dist.all_gather(gathered, mine, group=group)
        marks = list(torch.cat(gathered).cpu())
    seen: dict[int, int] = {}
    return any(bits and seen.setdefault(bits, at) != at for bits, at in (m.tolist() for m in marks))


class _Watch(TorchFunctionMode):
    """Poisons empty memory and counts writes by the memory they cover."""

    def __init__(self) -> None:
        super().__init__()
        self.count: dict[Any, int] = {}
        self._depth = 0

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **kwargs or {})
        if func in _EMPTY and isinstance(made, Tensor):
            poison(made)
        elif func in _WRITES and args and not self._depth:
            self.note(args[0])
        return made

    def note(self, tensor: Any) -> None:
        """One more write."""
        if isinstance(tensor, Tensor) and not tensor.is_meta and local_of(tensor).numel():
            at = identity(tensor)
            self.count[at] = self.count.get(at, 0) + 1

    def __enter__(self) -> _Watch:
        table = torch.nn.init.__dict__
        self._before = {name: table[name] for name in _NAMED}
        for name, original in self._before.items():
            table[name] = self._outermost(original)
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        torch.nn.init.__dict__.update(self._before)

    def _outermost(self, original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def call(*args: Any, **kwargs: Any) -> Any:
            self._depth += 1
            try:
                return original(*args, **kwargs)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.note(args[0] if args else kwargs.get("tensor"))
        return call
