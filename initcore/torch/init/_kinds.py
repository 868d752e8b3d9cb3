"""The kinds PyTorch lacks, in its manner: in place, trailing underscore, the tensor returned."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

from torch import Tensor

from ... import initializers
from .. import _fill
from .._places.memory import writable

LAYOUTS = {2: "oi", 3: "oiw", 4: "oihw", 5: "oidhw"}
_OURS = ("shape", "dtype", "out", "global_shape", "start", "threads")


def _kind(initializer: Callable[..., Any], name: str | None = None) -> Callable[..., Tensor]:
    signature = inspect.signature(initializer)
    taken = [p for p in signature.parameters.values() if p.name not in _OURS]

    def fill(tensor: Tensor, *args: Any, generator: Any = None, rng: Any = None, **kwargs: Any) -> Tensor:
        given = dict(zip((p.name for p in taken if p.kind is not p.KEYWORD_ONLY), args))
        named = {**given, **kwargs}
        if not {"layout", "in_axis", "out_axis", "batch_axis"} & {k for k, v in named.items() if v is not None}:
            named["layout"] = LAYOUTS.get(tensor.ndim)
        bound = shape_only.bind(**named)                # refuses what the initialiser does not take
        if writable(tensor):
            _fill.structured(tensor, functools.partial(initializer, **bound.kwargs, **_named(bound)), rng, generator)
        return tensor

    shape_only = signature.replace(parameters=[p for p in taken if p.name != "rng"])
    fill.__name__ = fill.__qualname__ = name or f"{initializer.__name__}_"
    first = inspect.Parameter("tensor", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    last = inspect.Parameter("generator", inspect.Parameter.KEYWORD_ONLY, default=None)
    fill.__signature__ = signature.replace(parameters=[first, *taken, last])     # type: ignore[attr-defined]
    what = (initializer.__doc__ or "").splitlines()[0]
    fill.__doc__ = f"{what}\n\n    Fills ``tensor`` as :func:`initcore.init.{initializer.__name__}` does; returns it."
    return fill


def _named(bound: inspect.BoundArguments) -> dict[str, Any]:
    """Positional arguments by their names."""
    return {k: v for k, v in bound.arguments.items() if k not in bound.kwargs}


variance_scaling_ = _kind(initializers.variance_scaling)
glorot_uniform_ = _kind(initializers.glorot_uniform)
glorot_normal_ = _kind(initializers.glorot_normal)
he_uniform_ = _kind(initializers.he_uniform)
he_normal_ = _kind(initializers.he_normal)
lecun_uniform_ = _kind(initializers.lecun_uniform)
lecun_normal_ = _kind(initializers.lecun_normal)
torch_default_ = _kind(initializers.torch_default)
truncated_normal_ = _kind(initializers.trunc_normal, "truncated_normal_")
delta_orthogonal_ = _kind(initializers.delta_orthogonal)
spectral_ = _kind(initializers.spectral)
embedding_ = _kind(initializers.embedding)
small_init_ = _kind(initializers.small_init)
wang_init_ = _kind(initializers.wang_init)
siren_ = _kind(initializers.siren)
mup_std_ = _kind(initializers.mup_std)
