"""The lesson on real data: one network on the digits, started eight ways, foretold before it is trained.

Design
A. A forecast comes from the weights and the training inputs' mean and covariance alone: units that stay
   different from :func:`symmetry.analyze`, saturation and gradient factors from :func:`saturation.predict`.
B. Beside it stands what :func:`check` says of each optimizer when it is given the training images: it rehearses a
   few hundred steps, so its verdict is the calibrated one.
C. Then the start is trained twice, by plain momentum and by Adam, and the same quantities are counted bitwise
   and measured on the data. Nothing of the outcome enters the forecast.
D. :func:`run` returns one document of plain numbers (what ``--json`` writes) and tells a :class:`View` as it goes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .. import initializers, lab, random, saturation, symmetry
from .._checks import integer
from .._version import __version__
from ..data import Split, split_digits
from ..gains import gain
from ..network import Dense, Network
from ..random import Key
from ..verdict import check

WIDTHS = (64, 128, 128, 128, 10)
EPOCHS = 25
BATCH = 32
OPTIMIZERS: dict[str, dict[str, float]] = {"momentum": {"lr": 0.02}, "adam": {"lr": 0.001}}
FAN_INS = (10, 64, 100, 784, 1000, 10000)
SCHEMA = "initcore-demo-1"
Matrix = Callable[[tuple[int, int], Key], np.ndarray]


@dataclass(frozen=True)
class Start:
    """One way to start: a short name, the hidden activation, how a matrix is made, and why it matters."""

    name: str
    activation: str
    weights: str
    why: str
    matrix: Matrix

    def network(self, seed: int) -> Network:
        """The network at its start: float32, biases zero, linear outputs (logits)."""
        key = Key(seed).child(self.name)
        phis = [*[self.activation] * (len(WIDTHS) - 2), "identity"]
        return Network([Dense(self.matrix(shape, key.child(i)), np.zeros(shape[1], np.float32), phi)
                        for i, (shape, phi) in enumerate(zip(pairwise(WIDTHS), phis))])


def _filled(value: float) -> Matrix:
    return lambda shape, key: np.full(shape, value, np.float32)


def _random(std: float) -> Matrix:
    return lambda shape, key: random.normal(shape, std=std, rng=key)


def _good(shape: tuple[int, int], key: Key) -> np.ndarray:
    hidden = shape[1] != WIDTHS[-1]
    return initializers.lecun_normal(shape, gain=gain("tanh", criterion="gradient") if hidden else 1.0, rng=key)


STARTS = (
    Start("zeros, sigmoid", "sigmoid", "every weight 0",
          "All hidden units of a layer compute sigmoid(0) = 1/2, get the same gradient and make the same step. They "
          "leave zero together and stay one unit for ever, whatever the optimizer.", _filled(0.0)),
    Start("zeros, tanh", "tanh", "every weight 0",
          "tanh(0) = 0: no signal goes up, no gradient comes down. Only the output biases ever move.", _filled(0.0)),
    Start("constant, tanh", "tanh", "every weight 0.01",
          "Any constant does what zero did: equal weights, equal gradients, equal steps. 128 units have the power of "
          "one. Adam, for all its memory, gives equal histories equal steps.", _filled(0.01)),
    Start("std 1, tanh", "tanh", "normal, standard deviation 1",
          "Random weights break the tie, but a weighted sum of n inputs has standard deviation std * sqrt(n). tanh is "
          "flat that far out: the typical slope is nearly 0, while the few units left in the middle pass on gradients "
          "that grow from layer to layer.", _random(1.0)),
    Start("std 10, tanh", "tanh", "normal, standard deviation 10",
          "Ten times the weight, ten times the sum. Most slopes are now exactly 0 in float32: those weights cannot "
          "move on that image at all.", _random(10.0)),
    Start("std 1, sigmoid", "sigmoid", "normal, standard deviation 1",
          "The logistic function is tanh at half the sum: flat a little later, and never steeper than 1/4.",
          _random(1.0)),
    Start("std 0.001, tanh", "tanh", "normal, standard deviation 0.001",
          "Nothing is saturated and no two units are equal, but each layer passes on about a hundredth of the signal "
          "and of the gradient. Gradient descent waits; Adam, which divides by the gradient's size, digs itself out.",
          _random(0.001)),
    Start("good, tanh", "tanh", "lecun_normal, gain that keeps the gradient's size",
          "Standard deviation gain / sqrt(n): the sum is as large as one input, tanh is steep there, and a gradient "
          "keeps its size through every layer.", _good),
)


class View:
    """What :func:`run` tells while it works; this one says nothing."""

    def begin(self, document: dict[str, Any]) -> None:
        """The settings are known."""

    def growth(self, rows: list[dict[str, float]]) -> None:
        """What weights of standard deviation 1 do to n inputs, for several n."""

    def forecast(self, entry: dict[str, Any], number: int, total: int) -> None:
        """A start's verdict and forecast stand; its training begins."""

    def epoch(self, entry: dict[str, Any], optimizer: str, record: dict[str, Any]) -> None:
        """One more epoch is done."""

    def outcome(self, entry: dict[str, Any]) -> None:
        """A start is trained and measured."""

    def end(self, document: dict[str, Any]) -> None:
        """Everything is known."""


def run(*, epochs: int = EPOCHS, seed: int = 0, starts: tuple[Start, ...] = STARTS, view: View | None = None,
        threads: int | None = None) -> dict[str, Any]:
    """Forecast, train and measure every start.

    Parameters
    ----------
    epochs, seed : of every run; the same seed gives the same document, bit for bit.
    starts : which; default :data:`STARTS`.
    view : told of every step; default says nothing.

    Returns the document that ``initcore demo --json`` writes: settings, ``fan_in`` (see :func:`growth`) and, for each
    of ``starts``, ``verdict`` (rule, severity, layer), ``judged`` (see :func:`judged`), ``predicted`` and ``measured``
    (one number a hidden layer, see :func:`signals`; predicted also ``distinct_units`` and ``effective_width``),
    ``saturation_error`` and, under ``runs``, for each optimizer the last epoch's numbers and, under ``epochs``, those
    of each.
    """
    epochs, seed = integer("epochs", epochs, low=1), integer("seed", seed, low=0)
    view = view or View()
    data = split_digits()
    document: dict[str, Any] = {
        "schema": SCHEMA, "initcore": __version__, "seed": seed, "epochs": epochs, "batch_size": BATCH,
        "widths": list(WIDTHS), "dtype": "float32", "train_images": len(data.x_train), "test_images": len(data.x_test),
        "optimizers": OPTIMIZERS, "plan": [s.name for s in starts], "fan_in": [], "starts": []}
    view.begin(document)
    document["fan_in"] = growth()
    view.growth(document["fan_in"])
    for number, start in enumerate(starts, 1):
        net = start.network(seed)
        entry: dict[str, Any] = {"name": start.name, "activation": start.activation, "weights": start.weights,
                                 "why": start.why, **forecast(net, data), "judged": judged(net, data)}
        document["starts"].append(entry)
        view.forecast(entry, number, len(starts))
        entry["measured"] = signals(saturation.measure(net, data.x_train, threads=threads))
        entry["runs"] = {name: _train(net, data, name, epochs, seed, entry, view, threads) for name in OPTIMIZERS}
        entry["saturation_error"] = max(abs(a - b) for a, b in zip(entry["predicted"]["saturated"],
                                                                   entry["measured"]["saturated"]))
        view.outcome(entry)
    view.end(document)
    return document


def forecast(net: Network, data: Split) -> dict[str, Any]:
    """Verdict and prediction from the weights and the training inputs' moments; no image goes through the network."""
    x = data.x_train.astype(np.float64)
    mean, covariance = x.mean(axis=0), np.cov(x, rowvar=False, bias=True)
    ties = [symmetry.analyze(net, optimizer=name) for name in OPTIMIZERS]
    predicted = signals(saturation.predict(net, mean=mean, covariance=covariance))
    predicted["distinct_units"] = [min(t.layers[i].n_cells for t in ties) for i in range(len(net) - 1)]
    predicted["effective_width"] = [min(t.layers[i].effective_width for t in ties) for i in range(len(net) - 1)]
    findings = {(f.rule, f.severity, f.layer) for f in check(net, optimizer="adam").findings if f.severity != "info"}
    verdict = [{"rule": rule, "severity": severity, "layer": layer}
               for rule, severity, layer in sorted(findings, key=lambda f: (f[1] != "fail", f[0], str(f[2])))]
    return {"verdict": verdict, "predicted": predicted}


def judged(net: Network, data: Split) -> dict[str, str]:
    """What :func:`check` says of each optimizer, given the training images: "cannot learn", "fit to train", ..."""
    return {name: check(net, data.x_train, data.y_train, loss="softmax_cross_entropy", optimizer=name).verdict
            for name in OPTIMIZERS}


def signals(report: saturation.SignalReport) -> dict[str, list[float]]:
    """The hidden layers' numbers of a prediction or a measurement, side by side under the same names.

    ``saturated``: share of units with less than 1% of the greatest slope; ``slope_zero``: share exactly 0;
    ``gradient_factor``: root mean square over units; ``typical_factor``: that of the typical unit.
    """
    hidden = report.layers[:-1]
    return {"z_std": [math.sqrt(la.q) for la in hidden], "saturated": [la.slope_below_1pct for la in hidden],
            "slope_zero": [la.slope_zero for la in hidden], "mean_slope": [la.mean_slope for la in hidden],
            "gradient_factor": [math.sqrt(la.chi) for la in hidden],
            "typical_factor": [la.typical_factor for la in hidden]}


def growth() -> list[dict[str, float]]:
    """What weights of standard deviation 1 do to n inputs of +-1: the closed form beside 64 x 512 sums drawn.

    "saturated" as in :func:`signals`: a slope of 1% is reached where the output, from -1 to 1, is at sqrt(0.99).
    """
    rows = []
    for n in FAN_INS:
        key = Key(0).child("growth").child(n)
        x = np.where(random.uniform((64, n), rng=key.child("x")) < 0.5, np.float32(-1), np.float32(1))
        net = Network([Dense(random.normal((n, 512), rng=key.child("w")), None, "tanh")])
        layer = saturation.measure(net, x).layers[0]
        rows.append({"fan_in": n, "z_std": math.sqrt(n), "measured_z_std": math.sqrt(layer.q),
                     "measured_tanh": layer.slope_below_1pct,
                     **{name: saturation.lesson(n, 1.0, activation=name, t=math.sqrt(0.99))
                        for name in ("tanh", "sigmoid")}})
    return rows


def _train(net: Network, data: Split, optimizer: str, epochs: int, seed: int, entry: dict[str, Any], view: View,
           threads: int | None) -> dict[str, Any]:
    records: list[dict[str, Any]] = []

    def norm(now: Network) -> float:
        return lab.gradient_norms(now, data.x_train, data.y_train)[0]

    def note(done: lab.Epoch) -> None:
        records.append({"epoch": done.number, "loss": done.loss, "distinct_units": lab.distinct_units(done.net),
                        "first_gradient_norm": norm(done.net),
                        "train_accuracy": lab.accuracy(done.net, data.x_train, data.y_train),
                        "test_accuracy": lab.accuracy(done.net, data.x_test, data.y_test)})
        view.epoch(entry, optimizer, records[-1])

    trained = lab.train(net, data.x_train, data.y_train, optimizer=lab.optimizer(optimizer, **OPTIMIZERS[optimizer]),
                        epochs=epochs, batch_size=BATCH, rng=Key(seed).child("batches"), callback=note,
                        threads=threads)
    last = {k: v for k, v in records[-1].items() if k != "epoch"}
    return {"first_gradient_norm_at_start": norm(net), **last, "epochs": records,
            "saturated_after": signals(saturation.measure(trained, data.x_train, threads=threads))["saturated"]}
