"""What :class:`initcore.torch.seeded` does with the torch functions it sees: draws, and tensors made for draws."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from . import init

Handler = Callable[[Any, Any, tuple[Any, ...], dict[str, Any]], Any]
HANDLERS: dict[Any, Handler] = {}


def _handles(*functions: Any) -> Callable[[Handler], Handler]:
    def register(handler: Handler) -> Handler:
        for function in functions:
            HANDLERS[function] = handler
        return handler
    return register


def _named(args: tuple[Any, ...], kwargs: dict[str, Any], *names: str) -> dict[str, Any]:
    """Arguments of a torch method after the tensor, by these names."""
    return {**dict(zip(names, args[1:])), **{k: v for k, v in kwargs.items() if k in names}}


@_handles(Tensor.normal_)
def _normal(mode: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not mode.knows(args[0]):
        return _other(mode, func, args, kwargs)
    return init.normal_(args[0], **_named(args, kwargs, "mean", "std"))


@_handles(Tensor.uniform_)
def _uniform(mode: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    if not mode.knows(args[0]):
        return _other(mode, func, args, kwargs)
    given = _named(args, kwargs, "from", "to")
    return init.uniform_(args[0], given.get("from", 0.0), given.get("to", 1.0))


@_handles(torch.nn.init.normal_, torch.nn.init.uniform_, torch.nn.init.kaiming_uniform_)
def _by_name(mode: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A function of torch.nn.init that was imported by name: it hands itself over."""
    tensor = args[0] if args else kwargs["tensor"]
    if not mode.knows(tensor):
        return _other(mode, func, args, kwargs)
    return getattr(init, func.__name__)(*args, **kwargs)


def _other(mode: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """A draw into a tensor nobody knows."""
    tensor = args[0] if args else kwargs.get("tensor")
    if isinstance(tensor, Tensor) and tensor.numel() and not tensor.is_meta:
        mode.unknown(f"a tensor of shape {tuple(tensor.shape)}")
    return func(*args, **kwargs)


@_handles(Tensor.exponential_, Tensor.log_normal_, Tensor.cauchy_, Tensor.bernoulli_)
def _transformed(mode: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Distributions that are a function of one uniform or normal value."""
    tensor = args[0]
    name = func.__name__
    if not mode.knows(tensor) or (name == "bernoulli_" and isinstance(args[1:] and args[1], Tensor)):
        return _other(mode, func, args, kwargs)
    if name == "log_normal_":
        given = {"mean": 1.0, "std": 2.0, **_named(args, kwargs, "mean", "std")}
        with torch.no_grad():
            return init.normal_(tensor, **given).exp_()
    init.uniform_(tensor)
    with torch.no_grad():
        if name == "exponential_":
            rate = _named(args, kwargs, "lambd").get("lambd", 1.0)
            return tensor.neg_().log1p_().neg_().div_(rate)
        if name == "cauchy_":
            given = {"median": 0.0, "sigma": 1.0, **_named(args, kwargs, "median", "sigma")}
            return tensor.sub_(0.5).mul_(math.pi).tan_().mul_(given["sigma"]).add_(given["median"])
        return tensor.copy_(tensor < _named(args, kwargs, "p").get("p", 0.5))


@_handles(torch.empty_like, torch.zeros_like, Tensor.new_empty, Tensor.new_zeros)
def _likeness(mode: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    made = func(*args, **kwargs)
    mode.note_scratch(args[0] if args else kwargs.get("input"), made)
    return made


@_handles(torch.randn_like, torch.rand_like)
def _random_likeness(mode: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    source = args[0] if args else kwargs.get("input")
    made = func(*args, **kwargs)
    mode.note_scratch(source, made)
    if mode.knows(made):
        return (init.normal_ if func is torch.randn_like else init.uniform_)(made)
    mode.unknown(f"{func.__name__} of shape {tuple(made.shape)}")
    return made


@_handles(Tensor.random_, Tensor.geometric_, torch.randn, torch.rand, torch.normal, torch.randint, torch.randperm,
          torch.bernoulli)
def _foreign(mode: Any, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    made = func(*args, **kwargs)
    if isinstance(made, Tensor) and made.numel() and not made.is_meta:
        mode.unknown(f"{func.__name__} of shape {tuple(made.shape)}")
    return made
