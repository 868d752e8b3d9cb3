"""``torch.export`` as quietly as it goes, and its failures in the user's words.

Design
A. The module is put into the mode asked for, and every attribute of every submodule back afterwards; export runs on
   fake tensors, so that no buffer, no gradient and no generator changes.
B. The message names the deepest line outside PyTorch and one remedy; what PyTorch said is the cause.
"""

from __future__ import annotations

import contextlib
import io
import linecache
import logging
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import torch

from ...errors import ProgramError
from ._calls import users

_DATA = ("data-dependent", "data dependent", "DataDependent", "could not guard", "could not extract specialized",
         "dynamic output shape", "DynamicOutputShape", "unbacked", ".item()", "_local_scalar_dense", "nonzero")
_REMEDIES = (
    (_DATA, "Python asks for the values of a tensor there, so that the network differs from batch to batch. Use "
            "torch.cond or torch.where, or read the parts without it: program(model.part, ...); approximate=True takes "
            "the branch of the example."),
    (("input type", "pytree", "Unsupported input", "not supported as input", "type of the input"),
     "an argument is neither a tensor nor a number, list or dict of them. Pass tensors; for transformers models "
     "use_cache=False, return_dict=False."),
    (("meta tensor", "unsupported scalarType", "is on cpu, but", "device"),
     "tensors of different devices meet there. Make those that forward makes itself with device=x.device."),
)
_ELSE = "Call the module on the same arguments first; where that works, read its parts: program(model.part, ...)."


def plain(module: Any) -> Any:
    """Without what torch.compile and data parallelism put around it."""
    while True:
        inner = getattr(module, "_orig_mod", None)
        if inner is None and isinstance(module, (torch.nn.DataParallel, torch.nn.parallel.DistributedDataParallel)):
            inner = module.module
        if not isinstance(inner, torch.nn.Module):
            return module
        module = inner


def export(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], *, training: bool, approximate: bool) -> Any:
    """The exported program of a module; see the Design block."""
    with _mode(module, training), _quiet():
        try:
            return torch.export.export(module, args, kwargs, strict=False)
        except Exception as error:
            first = error
        if approximate:
            with contextlib.suppress(Exception):
                return torch.export.draft_export(module, args, kwargs)
    raise ProgramError(_words(module, first)) from first


@contextlib.contextmanager
def _mode(module: Any, training: bool) -> Iterator[None]:
    """In the mode asked for; afterwards every attribute is what it was: forward may have kept fake tensors."""
    before = [(part, dict(vars(part)), _held(part)) for part in module.modules()]
    try:
        module.train(training)
        yield
    finally:
        for part, attributes, held in before:
            vars(part).clear()
            vars(part).update(attributes)
            for thing, items in held:
                thing.clear()
                (thing.extend if isinstance(thing, list) else thing.update)(items)


def _held(part: Any) -> list[tuple[Any, Any]]:
    """The lists and dicts of a module that hold no module's machinery, each with what is in it."""
    return [(thing, thing.copy()) for name, thing in vars(part).items()
            if type(thing) in (list, dict) and not name.startswith("_")]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without PyTorch's warnings (recurrent cells give one), its log and its prints of what the error says anyway."""
    handlers = [handler for name in list(logging.root.manager.loggerDict) if name.split(".")[0] == "torch"
                for handler in logging.getLogger(name).handlers]

    def nothing(record: logging.LogRecord) -> bool:
        return False
    for handler in handlers:
        handler.addFilter(nothing)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), \
                contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        for handler in handlers:
            handler.removeFilter(nothing)


def _words(module: Any, error: Exception) -> str:
    text = str(error)
    said = f"{type(error).__name__}: {text}"
    remedy = next((words for signs, words in _REMEDIES if any(sign in said for sign in signs)), _ELSE)
    where = _line(error)
    first = next((line.strip() for line in text.splitlines() if line.strip()), type(error).__name__)
    return f"{type(module).__name__} cannot be read{where}: {remedy} (PyTorch: {first[:160]})"


def _line(error: BaseException | None) -> str:
    """ at model.py:41 `if x.sum() > 0:`, from the traceback of the error or of what it came from."""
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        own = [f for f in frames if users(f.filename) and f.filename != __file__]
        if own:
            source = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
            return f" at {own[-1].filename}:{own[-1].lineno} `{source[:80]}`"
        error = error.__cause__ or error.__context__
    return ""
