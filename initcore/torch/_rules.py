"""``initialize(model, rules)``: every parameter by a rule, from the key of its name; and the table of what went where.

Design
A. All is decided and checked before anything is written: unmatched parameters, rules without a parameter, layouts.
B. A rule is an initialiser of initcore (by name, callable or partial), or a function of ``it.init`` or
   ``torch.nn.init``; the module says the layout, so that fans are right for transposed convolutions and groups too.
"""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch

from .. import initializers
from .._named import (
    COSTS_THE_WHOLE,
    Row,
    Table,
    base_of,
    canonical_layout,
    describe,
    probe,
    renamed,
    settled,
    spelled,
    takes,
)
from ..errors import ArgumentError, ArgumentTypeError
from ..random import Key
from . import _context, _fill, init
from ._keys import key_of
from ._names import Entry, entries
from ._places.memory import DTYPES, writable
from ._places.place import Piece, Place
from ._recipes import RECIPES, FromModule, require

LAYOUTS = {2: "oi", 3: "oiw", 4: "oihw", 5: "oidhw"}
_TURNED = {2: "io", 3: "iow", 4: "iohw", 5: "iodhw"}


def initialize(model: Any, rules: Mapping[Any, Any] | None = None, *, recipe: str | None = None, rng: Any = None,
               canonical: bool = False, names: Mapping[str, str] | None = None, dry_run: bool = False) -> Table:
    """Fill every parameter of a model by rules or by a recipe, each from ``key.child(its name)``.

    Parameters
    ----------
    model : torch.nn.Module, mapping of names to tensors, or pairs
        DTensors are filled part by part, from the global shape; nothing is communicated.
    rules : mapping, tried in order; the first that matches counts
        Keys: a pattern of names (``"*.bias"``), a module class, a pair (class, ``"weight"``), or a function of
        (name, module, tensor) that tells. Values: an initialiser of :mod:`initcore.init` (name, callable, partial),
        any ``f(shape, *, rng, dtype)``, a function of ``it.init`` or ``torch.nn.init``, or None: leave it.
    recipe : "torch", "gpt2", "llama", "vit", "resnet" or "mup" instead of rules
    rng : Key, int, generator, ...; None: fresh entropy
    canonical : draw in the order (taps, in, out) whatever the layout, so that one key gives the same function in every
        framework whose adapter draws so.
    names : mapping of the model's names to those of the streams, where another framework calls a parameter
        otherwise; the rest keep their own. Rules may use either.
    dry_run : decide and check only.

    Returns a :class:`Table`; printed, it shows what goes where. Buffers are filled where a pattern names them (``"*"``,
    classes and functions do not), else left. A name with ``_`` at its end is PyTorch's, in ``it.init``;
    ``torch.nn.init``'s own functions are replaced by it.
    Raises ArgumentError for parameters without a rule, listing them, for rules without a parameter, and for what an
    initialiser refuses; then nothing has been written.

    >>> net = torch.nn.Sequential(torch.nn.Linear(8, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2))
    >>> print(initialize(net, {"*.bias": "zeros", torch.nn.Linear: initializers.glorot_uniform}, rng=0))
    parameter  shape   dtype    drawn by        rule
    0.weight   (4, 8)  float32  glorot_uniform  Linear
    0.bias     (4,)    float32  zeros           *.bias
    2.weight   (2, 4)  float32  glorot_uniform  Linear
    2.bias     (2,)    float32  zeros           *.bias
    """
    if (rules is None) == (recipe is None):
        raise ArgumentTypeError("give rules (a mapping) or recipe= (a name), one of them.")
    if rules is not None and not isinstance(rules, Mapping):
        raise ArgumentTypeError(f"rules must map patterns to initialisers, got {type(rules).__name__}.")
    table = rules if rules is not None else RECIPES[require(str(recipe))](model)
    found = entries(model)
    streams = renamed([entry.name for entry in found], names)
    for entry in found:
        if streams[entry.name] != entry.name:
            entry.aliases.append(streams[entry.name])
    plans = _plans(found, table, strict=rules is not None, canonical=canonical)
    key = key_of(rng)
    if not dry_run:
        for plan in plans:
            if plan.call is not None:
                plan.fill(key.child(streams[plan.entry.name]))
    return Table([Row(p.entry.name, p.entry.place.shape, str(p.entry.tensor.dtype).removeprefix("torch."),
                      "left as it is" if p.call is None else describe(p.value), p.rule) for p in plans])


class Plan(NamedTuple):
    """What happens to one entry: ``call`` fills a place; None leaves it."""

    entry: Entry
    rule: str
    value: Any
    call: Callable[[Entry, Key], None] | None

    def fill(self, key: Key) -> None:
        """Do it."""
        assert self.call is not None
        try:
            self.call(self.entry, key)
        except Exception as error:
            error.add_note(f"(parameter {self.entry.name!r} of initialize)")
            raise


def _plans(found: list[Entry], rules: Mapping[Any, Any], *, strict: bool, canonical: bool) -> list[Plan]:
    plans, lost, used = [], [], set()
    for entry in found:
        rule = next((rule for rule in rules if _matches(rule, entry)), None)
        if rule is None:
            if not entry.is_buffer:
                lost.append(f"{entry.name} {entry.place.shape}")
            else:
                plans.append(Plan(entry, "(buffer)", None, None))
            continue
        used.add(rule)
        value = rules[rule]
        if isinstance(value, FromModule):
            value = value.of(entry.module, entry.tensor)
        call = None if value is None else _call(value, entry, canonical)
        plans.append(Plan(entry, spelled(rule), value, call))
    settled(rules, used, lost, found, all_used=strict)
    return plans


def _matches(rule: Any, entry: Entry) -> bool:
    names = (entry.name, *entry.aliases)
    if entry.is_buffer and not (isinstance(rule, str) and rule.strip("*")):
        return False                                    # only by its name
    if isinstance(rule, str):
        return any(fnmatch.fnmatchcase(name, rule) for name in names)
    if isinstance(rule, type):
        return isinstance(entry.module, rule)
    if isinstance(rule, tuple) and len(rule) == 2 and isinstance(rule[0], type):
        return isinstance(entry.module, rule[0]) and any(fnmatch.fnmatchcase(n.rpartition(".")[2], rule[1])
                                                         for n in names)
    if callable(rule):
        return bool(rule(entry.name, entry.module, entry.tensor))
    raise ArgumentTypeError(f"a rule's key is a pattern of names, a module class, a pair of both or a function, got "
                            f"{rule!r}.")


def _call(value: Any, entry: Entry, canonical: bool) -> Callable[[Entry, Key], None]:
    """The function that fills the entry, once all it can be asked beforehand is right."""
    if entry.tensor.is_meta:
        raise ArgumentError(f"{entry.name} is on the meta device and has no memory to fill; call "
                            "initcore.torch.to_empty(model, device=...) first, which keeps ties.")
    writable(entry.tensor)
    base = base_of(value)
    name = value if isinstance(value, str) else getattr(base, "__name__", "")
    if name.endswith("_") and (isinstance(value, str) or getattr(base, "__module__", "") in
                               ("torch.nn.init", init.__name__)):
        return functools.partial(_in_place, value)
    make = functools.partial(initializers.get(value))
    where, given = _oriented(entry, make, canonical)
    make = functools.partial(make, **given)
    if "global_shape" not in takes(base_of(make)):
        return functools.partial(_whole, make)
    try:
        probe(make, base in COSTS_THE_WHOLE, where.shape, DTYPES[entry.tensor.dtype])
    except Exception as error:
        error.add_note(f"(parameter {entry.name!r} of initialize; nothing has been written)")
        raise
    return lambda entry, key: _fill.apply(make, where, key, entry.tensor.dtype)


def _in_place(value: Any, entry: Entry, key: Key) -> None:
    """A function of it.init, or of torch.nn.init by its name here."""
    call = getattr(init, value if isinstance(value, str) else base_of(value).__name__)
    if isinstance(value, functools.partial):
        call = functools.partial(call, *value.args, **value.keywords)
    with _context.only(entry, key):
        call(entry.tensor)


def _whole(make: Callable[..., Any], entry: Entry, key: Key) -> None:
    """A callable that makes the whole array and nothing else: each rank keeps its part."""
    values = make(entry.place.shape, rng=key, dtype=DTYPES[entry.tensor.dtype])
    _fill.keep(_fill.as_tensor(values), entry.place)


def _oriented(entry: Entry, make: Callable[..., Any], canonical: bool) -> tuple[Place, dict[str, Any]]:
    """The place, and layout and groups as the module has them, unless the rule says its own."""
    where, module = entry.place, entry.module
    known = takes(base_of(make))
    given = dict(getattr(make, "keywords", {}))
    turned = getattr(module, "transposed", False) or type(module).__name__ == "Conv1D" or \
        isinstance(module, torch.nn.Embedding)
    layout = given.get("layout") or (_TURNED if turned else LAYOUTS).get(len(where.shape))
    extra: dict[str, Any] = {}
    by_number = {"in_axis", "out_axis", "batch_axis"} & set(given)
    if "layout" in known and layout is not None and not by_number:
        extra["layout"] = layout
        if "groups" in known and "groups" not in given and isinstance(module, torch.nn.modules.conv._ConvNd) \
                and len(where.shape) > 2:
            extra["groups"] = module.groups
    if canonical and layout is not None and not by_number:
        target = canonical_layout(layout)
        order = [layout.index(c) for c in target]
        where = Place(tuple(where.shape[k] for k in order), tuple(
            Piece(p.tensor.permute(order), tuple(p.start[k] for k in order)) for p in where.pieces), where.whole)
        extra["layout"] = target
    return where, {k: v for k, v in extra.items() if k in known}
