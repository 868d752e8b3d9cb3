"""Random architectures, good starts for them, and starts with one of every kind of fault, mild to fatal."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

import initcore as ic
from initcore import Dense, Network

from . import tasks
from .tasks import Task

DEPTHS, LARGEST = (1, 1, 2, 2, 3, 3, 4, 5, 6, 8, 10, 12, 16, 20), 30_000
ACTIVATIONS = ("sigmoid", "tanh", "relu", "relu", "tanh", "sigmoid", "gelu", "leaky_relu", "hard_sigmoid", "hard_tanh",
               "softsign", "arctan", "erf", "softplus", "elu", "selu", "gelu_tanh", "silu", "mish", "sin", "identity",
               "leaky_relu_0.2")
Weights = list[np.ndarray]


class Architecture(NamedTuple):
    """A task, the widths (inputs and outputs included) and the activation of the hidden layers."""

    task: Task
    widths: tuple[int, ...]
    activation: str


class Start(NamedTuple):
    """A network as somebody might start it, the data as it is fed, and the fault planted in it."""

    net: Network
    task: Task
    fault: str


class Draft:
    """Weights and biases on their way to a start; faults change it in place."""

    def __init__(self, arch: Architecture, w: Weights, rng: np.random.Generator) -> None:
        self.arch, self.w, self.rng = arch, w, rng
        self.b = [np.zeros(m) for m in arch.widths[1:]]
        self.x = arch.task.x.astype(np.float64)

    def layers(self) -> list[int]:
        """All hidden layers, or one of them."""
        hidden = list(range(len(self.w) - 1))
        return hidden if self.rng.random() < 0.7 else [int(self.rng.choice(hidden))]

    def start(self, fault: str) -> Start:
        """The network and its data in float32."""
        last = len(self.w) - 1
        with np.errstate(over="ignore"):
            net = Network([Dense(w.astype(np.float32), b.astype(np.float32),
                                 self.arch.activation if i < last else "identity")
                           for i, (w, b) in enumerate(zip(self.w, self.b))])
            return Start(net, self.arch.task._replace(x=self.x.astype(np.float32)), fault)


def architecture(rng: np.random.Generator) -> Architecture:
    """Depth 1 to 20, widths 8 to 512 with small ones more often, at most LARGEST weights."""
    task = tasks.make(str(rng.choice(tasks.NAMES)), rng)
    while True:
        depth, width = int(rng.choice(DEPTHS)), 2.0 ** rng.uniform(3, 9)
        shape = rng.choice(["even", "even", "funnel", "uneven"])
        factor = {"even": np.ones(depth), "funnel": 2.0 ** -np.linspace(0, 2, depth),
                  "uneven": 2.0 ** rng.uniform(-1, 1, depth)}[shape]
        hidden = np.clip(np.round(width * factor), 8, 512).astype(int).tolist()
        widths = (task.x.shape[1], *hidden, task.outputs)
        if sum(n * m for n, m in zip(widths, widths[1:])) <= LARGEST:
            return Architecture(task, widths, str(rng.choice(ACTIVATIONS)))


def drawn(arch: Architecture, initializer: str, rng: np.random.Generator) -> Weights:
    """Every layer from one initialiser of the library."""
    return [getattr(ic.init, initializer)((n, m), rng=rng, dtype="float64")
            for n, m in zip(arch.widths, arch.widths[1:])]


def textbook(activation: str) -> str:
    """The initialiser a good book names for an activation."""
    if activation == "selu":
        return "lecun_normal"
    bounded = ("sigmoid", "tanh", "hard_sigmoid", "hard_tanh", "softsign", "arctan", "erf", "sin", "identity")
    return "glorot_normal" if activation in bounded else "he_normal"


def good(arch: Architecture, rng: np.random.Generator) -> list[Start]:
    """Two good starts: the textbook's, and weights scaled and centred layer by layer on the data (LSUV)."""
    book = Draft(arch, drawn(arch, textbook(arch.activation), rng), rng)
    fitted = Draft(arch, drawn(arch, "orthogonal", rng), rng)
    phi = ic.activations.get(arch.activation).phi
    a = arch.task.x[:512].astype(np.float64)
    for i, w in enumerate(fitted.w[:-1]):
        w /= (a @ w).std() or 1.0
        fitted.b[i] = -(a @ w).mean(axis=0)
        a = phi(a @ w + fitted.b[i])
    fitted.w[-1] *= 0.5 / ((a @ fitted.w[-1]).std() or 1.0)
    fitted.b[-1] = -(a @ fitted.w[-1]).mean(axis=0)
    return [book.start("good: textbook"), fitted.start("good: fitted")]


def start(arch: Architecture, rng: np.random.Generator) -> Start:
    """One start: a scheme (the textbook's in half of all cases) and, mostly, a fault in it."""
    scheme = textbook(arch.activation) if rng.random() < 0.5 else str(rng.choice(SCHEMES))
    draft = Draft(arch, drawn(arch, scheme, rng), rng)
    name = str(rng.choice(list(FAULTS), p=_SHARES))
    detail = FAULTS[name][1](draft)
    return draft.start(f"{scheme} {name} {detail}".strip())


SCHEMES = ("torch_default", "glorot_uniform", "glorot_normal", "lecun_normal", "lecun_uniform", "he_normal",
           "he_uniform", "orthogonal", "small_init", "mup_std", "spectral")


def _none(d: Draft) -> str:
    return ""


def _zero(d: Draft) -> str:
    d.w = [np.zeros_like(w) for w in d.w]
    return ""


def _constant(d: Draft) -> str:
    value = float(d.rng.choice([0.001, 0.01, 0.1, 0.5, 1.0]))
    chosen = range(len(d.w)) if d.rng.random() < 0.7 else d.layers()
    for i in chosen:
        d.w[i] = np.full_like(d.w[i], value)
    return f"{value:g} in {len(list(chosen))}"


def _scaled(d: Draft) -> str:
    factor, layers = 10 ** d.rng.uniform(-2.5, 1.5), d.layers()
    for i in layers:
        d.w[i] *= factor
    return f"{factor:.3g} in {len(layers)}"


def _fixed(d: Draft) -> str:
    std = float(d.rng.choice([1e-4, 1e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 10.0]))
    d.w = [std * d.rng.standard_normal(w.shape) for w in d.w]
    return f"{std:g}"


def _positive(d: Draft) -> str:
    high = float(d.rng.choice([0.01, 0.05, 0.1, 1.0]))
    d.w = [d.rng.uniform(0, high, w.shape) for w in d.w]
    return f"{high:g}"


def _fan(d: Draft) -> str:
    if d.rng.random() < 0.3:
        d.w = [2 / len(w) * d.rng.standard_normal(w.shape) for w in d.w]
        return "variance as std"
    d.w = [np.sqrt(2 / w.shape[1]) * d.rng.standard_normal(w.shape) for w in d.w]
    return "out for in"


def _mean(d: Draft) -> str:
    shift, layers = 10 ** d.rng.uniform(-1.3, 0.5) * d.rng.choice([-1, 1]), d.layers()
    for i in layers:
        d.w[i] += shift * d.w[i].std()
    return f"{shift:.3g} in {len(layers)}"


def _bias(d: Draft) -> str:
    size, layers = 10 ** d.rng.uniform(-0.7, 1.3), d.layers()
    same = d.rng.random() < 0.5
    sign = d.rng.choice([-1, 1])
    for i in layers:
        d.b[i] = np.full_like(d.b[i], sign * size) if same else size * d.rng.standard_normal(len(d.b[i]))
    return f"{'same' if same else 'random'} {sign * size:.3g} in {len(layers)}"


def _dead(d: Draft) -> str:
    """A negative bias of some deviations of z in one layer or all."""
    size, layers = d.rng.uniform(1, 8), d.layers()
    a = d.x[:256]
    phi = ic.activations.get(d.arch.activation).phi
    for i in range(len(d.w) - 1):
        z = a @ d.w[i]
        if i in layers:
            d.b[i] = d.b[i] - size * (z.std() + 0.01)
        a = phi(z + d.b[i])
    return f"{size:.2g} in {len(layers)}"


def _copied(d: Draft) -> str:
    """Units of one hidden layer (or of all) that are copies of its first, with or without their readers."""
    share, layers = float(d.rng.choice([0.0, 0.1, 0.5, 0.9, 1.0])), d.layers()
    both = d.rng.random() < 0.7
    for i in layers:
        k = max(2, round(share * d.w[i].shape[1]))
        d.w[i][:, :k] = d.w[i][:, :1]
        if both:
            d.w[i + 1][:k] = d.w[i + 1][:1]
    return f"{share:g} in {len(layers)}{'' if both else ', readers apart'}"


def _zero_layer(d: Draft) -> str:
    where = str(d.rng.choice(["head", "head", "inner", "two"]))
    chosen = [len(d.w) - 1] if where != "inner" else [int(d.rng.integers(len(d.w)))]
    if where == "two":
        chosen.append(max(chosen[0] - 1, 0))
    for i in chosen:
        d.w[i] = np.zeros_like(d.w[i])
    return where


def _head(d: Draft) -> str:
    factor = 10 ** d.rng.uniform(-3, 2.5)
    d.w[-1] *= factor
    return f"{factor:.3g}"


def _inputs(d: Draft) -> str:
    kind = str(d.rng.choice(["scale", "scale", "offset", "one feature", "features"]))
    size = 10 ** d.rng.uniform(-2 if kind == "scale" else 0, 2.5)
    if kind == "scale":
        d.x = d.x * size
    elif kind == "offset":
        d.x = d.x + size
    elif kind == "one feature":
        d.x[:, 0] *= size
    else:
        d.x = d.x * 10 ** d.rng.uniform(-1, np.log10(size) + 0.5, d.x.shape[1])
    return f"{kind} {size:.3g}"


def _blank(d: Draft) -> str:
    d.x = np.full_like(d.x, d.rng.choice([0.0, 1.0]))
    return ""


def _coarse(d: Draft) -> str:
    """Rounded to three values, or pruned."""
    share = float(d.rng.choice([0.3, 0.7, 0.95, 0.99]))
    kind = str(d.rng.choice(["ternary", "pruned"]))
    for i, w in enumerate(d.w):
        cut = np.quantile(np.abs(w), share)
        d.w[i] = np.where(np.abs(w) > cut, np.sign(w) * w.std() if kind == "ternary" else w, 0)
    return f"{kind} {share:g}"


def _low_rank(d: Draft) -> str:
    rank = int(d.rng.choice([1, 2, 4]))
    for i in d.layers():
        u, s, v = np.linalg.svd(d.w[i], full_matrices=False)
        d.w[i] = (u[:, :rank] * s[:rank]) @ v[:rank]
    return f"{rank}"


def _noisy_constant(d: Draft) -> str:
    value, noise = float(d.rng.choice([0.01, 0.1, 0.5])), 10 ** d.rng.uniform(-7, -1)
    d.w = [value * (1 + noise * d.rng.standard_normal(w.shape)) for w in d.w]
    return f"{value:g} noise {noise:.2g}"


# weight in the draw, and what is done to a draft (it returns the details)
FAULTS: dict[str, tuple[float, Callable[[Draft], str]]] = {
    "none": (4, _none), "scaled": (4, _scaled), "fixed std": (3, _fixed), "mean": (2, _mean), "bias": (2, _bias),
    "inputs": (3, _inputs), "dead": (1.5, _dead), "fan": (1, _fan), "copied": (1.5, _copied), "head": (1, _head),
    "zero layer": (0.7, _zero_layer), "zero": (0.4, _zero), "constant": (0.7, _constant), "positive": (1, _positive),
    "blank inputs": (0.3, _blank), "coarse": (1, _coarse), "low rank": (0.6, _low_rank),
    "noisy constant": (0.6, _noisy_constant)}
_SHARES = np.array([weight for weight, _ in FAULTS.values()]) / sum(weight for weight, _ in FAULTS.values())
