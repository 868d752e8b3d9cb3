"""Four tasks of some 1500 rows each, made by formula but for the bundled digits; all float32, inputs standardised."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from initcore.data import split_digits

ROWS = 1536
NAMES = ("digits", "regression", "parity", "tabular")


class Task(NamedTuple):
    """``x (rows, features)``, ``y``, the loss, the outputs a network needs, each row's loss under the best constant."""

    name: str
    x: np.ndarray
    y: np.ndarray
    loss: str
    outputs: int
    constant: np.ndarray


def make(name: str, rng: np.random.Generator) -> Task:
    """A task by name; its formula is drawn from ``rng``, the digits are only shuffled."""
    x, y, loss, outputs = {"digits": _digits, "regression": _regression, "parity": _parity,
                           "tabular": _tabular}[name](rng)
    order = rng.permutation(len(x))
    x, y = np.ascontiguousarray(x[order], np.float32), np.ascontiguousarray(y[order])
    return Task(name, x, y, loss, outputs, _constant(y, loss, outputs))


def _constant(y: np.ndarray, loss: str, outputs: int) -> np.ndarray:
    """Each row's loss under the best constant answer: what a network that sees nothing of its inputs can reach."""
    if loss == "mse":
        return np.mean(np.square(y - y.mean(axis=0)), axis=1)
    if outputs == 1:
        return -np.log(np.where(y[:, 0] == 1, y.mean(), 1 - y.mean()))
    return -np.log(np.bincount(y, minlength=outputs) / len(y))[y]


def _standard(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def _digits(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str, int]:
    """The 1198 training digits, centred, mean square 1."""
    s = split_digits()
    return s.x_train, s.y_train, "softmax_cross_entropy", 10


def _regression(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str, int]:
    """``sin(a.x) + (b.x)(c.x)/2 + d.x`` of Gaussian features, one to three outputs of variance 1."""
    features, outputs = int(rng.choice([4, 8, 20])), int(rng.choice([1, 3]))
    x = rng.standard_normal((ROWS, features))
    a, b, c, d = rng.standard_normal((4, features, outputs)) / np.sqrt(features)
    return _standard(x), _standard(np.sin(x @ a) + (x @ b) * (x @ c) / 2 + x @ d).astype(np.float32), "mse", outputs


def _parity(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str, int]:
    """Parity of two of a few +-1 features, with a little noise on the features."""
    features = int(rng.choice([2, 4, 6]))
    bits = rng.choice([-1.0, 1.0], (ROWS, features))
    x = _standard(bits + 0.1 * rng.standard_normal(bits.shape))
    return x, (bits[:, :1] * bits[:, 1:2] > 0).astype(np.float32), "binary_cross_entropy", 1


def _tabular(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, str, int]:
    """Log-normal features (standardised, so with long tails); four classes of unequal size by their logarithms."""
    features, classes = 16, 4
    logs = rng.standard_normal((ROWS, features))
    score = logs @ rng.standard_normal(features) / 4 + 0.7 * np.tanh(logs[:, 0] * logs[:, 1])
    y = np.searchsorted(np.quantile(score, [0.4, 0.7, 0.9]), score).astype(np.int64)
    return _standard(np.exp(0.8 * logs)), y, "softmax_cross_entropy", classes
