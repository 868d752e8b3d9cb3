"""Which ties survive which optimiser (theory 4.2): one row a rule.

kind : "linear"   linear in past gradients and parameters: keeps sums, signs and multiples.
       "entry"    a function of each entry's own history: keeps sums while every entry of a block has the same
                  history (no L2 term in the gradient), else only multisets; odd, so it keeps signs; never multiples.
       "matrix"   a polynomial in the whole gradient matrix: keeps sums and signs, and multiples of weights.
       "none"     noise or an arbitrary choice per weight: keeps nothing.
"""

from dataclasses import dataclass

from .._checks import describe, flag, number
from ..errors import ArgumentTypeError, unknown_name


@dataclass(frozen=True)
class Invariance:
    """What an optimiser keeps: ``strength`` "affine", "elementwise" or "none"; signs; multiples; and on what terms.

    per_tensor : every tensor is scaled (or orthogonalised) by itself, so units of two tensors part.
    """

    name: str
    kind: str
    strength: str
    signs: bool
    scales: bool
    bias_stays: bool
    per_tensor: bool
    conditions: tuple[str, ...]


_KINDS = {
    "sgd": "linear", "momentum": "linear", "nesterov": "linear", "lars": "linear", "sam": "linear", "asgd": "linear",
    "adam": "entry", "adamw": "entry", "nadam": "entry", "radam": "entry", "adamax": "entry", "amsgrad": "entry",
    "rmsprop": "entry", "adagrad": "entry", "adadelta": "entry", "lion": "entry", "sign_sgd": "entry",
    "rprop": "entry", "lamb": "entry", "adafactor": "entry",
    "muon": "matrix", "shampoo": "matrix", "kfac": "matrix", "full_adagrad": "matrix", "lbfgs": "matrix",
    "newton": "matrix",
    "muon_svd": "none", "sgld": "none", "dp_sgd": "none",
}
_ALIASES = {"signsgd": "sign_sgd", "signum": "sign_sgd", "gd": "sgd", "sgdm": "momentum", "nag": "nesterov",
            "heavy_ball": "momentum", "sgd_momentum": "momentum", "k_fac": "kfac", "l_bfgs": "lbfgs",
            "sgd_nesterov": "nesterov", "dpsgd": "dp_sgd", "full_matrix_adagrad": "full_adagrad"}
_PER_TENSOR = {"lars", "lamb", "adafactor", "muon", "shampoo", "kfac"}
names = tuple(_KINDS)


def rule(optimizer: str, l2: float = 0.0, *, hidden_dropout: bool = False, masked: bool = False,
         normed: bool = False) -> Invariance:
    """The :class:`Invariance` of an optimiser with an L2 penalty of weight ``l2`` in the gradient.

    optimizer : "sgd", "momentum", "adam", "adamw" and further, by PyTorch's, Optax' and Keras' names. hidden_dropout :
    hidden units are dropped at random. masked : some weights are held at 0. normed : weights are normalised, which puts
    a term along the weights into their gradient (theory 4.9.6).

    Raises UnknownNameError for another name, ArgumentTypeError for what is none, ArgumentError for a negative ``l2``.

    >>> rule("adam").strength, rule("sgd").strength
    ('affine', 'affine')
    """
    if not isinstance(optimizer, str):
        raise ArgumentTypeError(f"optimizer must be a name such as 'sgd' or 'adam', got {describe(optimizer)}.")
    key = optimizer.lower().replace("-", "_").replace(" ", "_")
    key = _ALIASES.get(key, key)
    if key not in _KINDS:
        raise unknown_name("optimizer", optimizer, [*_KINDS, *_ALIASES])
    l2 = number("l2", l2, low=0.0)
    hidden_dropout, masked, normed = (flag(name, value) for name, value in (
        ("hidden_dropout", hidden_dropout), ("masked", masked), ("normed", normed)))
    kind = _KINDS[key]
    decoupled = key == "adamw"
    strength = "elementwise" if kind == "entry" and (normed or (l2 > 0 and not decoupled)) else "affine"
    conditions = ["equal optimiser state within a cell (fresh, or loaded equal)",
                  "exact arithmetic: rounding that differs between units breaks ties at its own pace"]
    if kind == "none" or ((masked or normed) and kind == "matrix"):
        strength = "none"
        conditions = [f"an orthogonalised update of {'masked' if masked else 'normalised'} weights is not covered by "
                      "the theorem" if kind == "matrix" else f"{key} adds noise or an arbitrary choice to each weight"]
    else:
        conditions.append("hidden dropout: a unit's own draws part it from all others; a dead one stays dead"
                          if hidden_dropout else
                          "no per-unit randomness (hidden dropout, gradient noise, stochastic rounding)")
        if strength == "affine":
            conditions.append("no L1 penalty, no clipping of single weights (they break sums and multiples)")
        if strength == "affine" and kind == "entry":
            conditions.append("weight decay decoupled")
        if kind == "matrix":
            conditions.append("the exact polynomial iteration; biases by an update linear in the gradient or entrywise")
    return Invariance(key, kind, strength, strength != "none", kind in ("linear", "matrix") and strength != "none",
                      l2 == 0 or key in ("sgd", "adamw"), key in _PER_TENSOR, tuple(conditions))
