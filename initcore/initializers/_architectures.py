"""Initialisers of particular architectures: transformers, implicit representations, maximal-update networks."""

from __future__ import annotations

import math
from typing import Unpack

import numpy as np

from .. import _checks
from .._types import Array, Shape
from ..errors import ArgumentTypeError
from ._request import Common, Gain, Request, gain_of, initializer


@initializer
def small_init(shape: Shape, *, dim: int | None = None, **common: Unpack[Common]) -> Array:
    """``N(0, 2 / (5 dim))``: what Xavier's normal gives a transformer's d to 4d projection, for every matrix.

    ``dim`` is the model's width d; default: the fan_in. Nguyen and Salazar 2019 (Transformers without Tears).
    GPT-NeoX ``small_init``; PyTorch, JAX and Keras have none. Arguments and errors: :mod:`initcore.initializers`.

    >>> w = small_init((512, 2048), rng=0)
    >>> round(float(w.std() / (2 / 2560) ** 0.5), 2)
    1.0
    """
    w = Request(shape, common)
    return w.normal(math.sqrt(2 / (5 * _width(w, dim))))


@initializer
def wang_init(shape: Shape, n_layers: int, *, dim: int | None = None, **common: Unpack[Common]) -> Array:
    """``N(0, std^2)``, ``std = 2 / (n_layers sqrt(dim))``: output projections of a deep residual transformer.

    ``dim`` is the model's width; default: the fan_in. ``n_layers`` counts transformer layers. Wang and Komatsuzaki
    2021 (GPT-J); GPT-NeoX ``wang_init``. PyTorch, JAX and Keras have none.
    Arguments and errors: :mod:`initcore.initializers`.

    >>> w = wang_init((1024, 256), 8, dim=256, rng=0)
    >>> round(float(w.std() * 64), 2)
    1.0
    """
    w = Request(shape, common)
    return w.normal(2 / (_checks.integer("n_layers", n_layers, low=1) * math.sqrt(_width(w, dim))))


@initializer
def siren(shape: Shape, *, omega: float = 30.0, first: bool = False, **common: Unpack[Common]) -> Array:
    """Weights for ``sin(omega (x W + b))``: ``U(-l, l)`` with ``l = sqrt(6 / fan_in) / omega``.

    ``first=True``: the first layer, ``l = 1 / fan_in``. Sitzmann et al. 2020, section 3.2: every
    pre-activation ``omega z`` after the first layer is close to N(0, 1). PyTorch, JAX and Keras have none.
    Raises ArgumentError for omega <= 0; arguments and errors: :mod:`initcore.initializers`.

    >>> float(abs(siren((2, 256), first=True, rng=0)).max()) < 0.5
    True
    """
    w = Request(shape, common)
    frequency = _checks.number("omega", omega, low=0.0, open_low=True)
    if not isinstance(first, (bool, np.bool_)):
        raise ArgumentTypeError(f"first must be True (the first layer) or False, got {_checks.describe(first)}.")
    fan_in = w.fan("fan_in")
    limit = 1 / fan_in if first else math.sqrt(6 / fan_in) / frequency
    return w.uniform(-limit, limit)


_ROLES = ("input", "hidden", "output")


def mup_sigma(fan_in: float, *, role: str = "hidden", base_fan_in: float = 1.0, gain: float = 1.0) -> float:
    """The standard deviation the maximal-update parametrisation asks for (Yang et al. 2022, table 3).

    Role "input" or "hidden": ``gain / sqrt(fan_in)``. Role "output": ``gain sqrt(base_fan_in) / fan_in``, variance
    1/fan_in^2, so that the output does not grow with width; equal to the hidden one at the width ``base_fan_in`` the
    learning rates were tuned at.

    >>> mup_sigma(400), mup_sigma(400, role="output"), mup_sigma(400, role="output", base_fan_in=100)
    (0.05, 0.0025, 0.025)
    """
    _checks.one_of("role", role, _ROLES)
    gain = _checks.number("gain", gain)
    n = _checks.number("fan_in", fan_in, low=0.0, open_low=True)
    base = _checks.number("base_fan_in", base_fan_in, low=0.0, open_low=True)
    return gain * (math.sqrt(base) / n if role == "output" else 1 / math.sqrt(n))


@initializer
def mup_std(shape: Shape, *, role: str = "hidden", base_fan_in: float = 1.0, gain: Gain = 1.0,
            **common: Unpack[Common]) -> Array:
    """``N(0, std^2)`` with the std of the maximal-update parametrisation, :func:`mup_sigma`.

    ``role``: "input" and "hidden" ``gain / sqrt(fan_in)``, "output" ``gain sqrt(base_fan_in) / fan_in``. muP also
    scales learning rates by role; that is the optimiser's part. Yang and Hu 2021, Yang et al. 2022 (table 3).
    The ``mup`` package for PyTorch: ``mup.init``; JAX and Keras have none.
    Raises UnknownNameError for another role; arguments and errors: :mod:`initcore.initializers`.

    >>> w = mup_std((1000, 100), role="output", base_fan_in=10, rng=0)
    >>> round(float(w.std() / (10 ** 0.5 / 1000)), 2)
    1.0
    """
    w = Request(shape, common)
    return w.normal(mup_sigma(w.fan("fan_in"), role=role, base_fan_in=base_fan_in, gain=gain_of(gain)))


def _width(w: Request, dim: int | None) -> float:
    return w.fan("fan_in") if dim is None else _checks.number("dim", _checks.integer("dim", dim, low=1))
