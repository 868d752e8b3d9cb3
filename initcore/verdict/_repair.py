"""A network mended after its findings, and proved so by its own check."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from .. import _rehearsal, initializers, symmetry
from .._types import Array
from ..errors import InitcoreWarning
from ..network import Dense, Network
from ..random import Key, as_key
from ..rules import Finding
from ..rules._weights import start

Recheck = Callable[[Network], Sequence[Finding]]
_RANDOM = ("weight_scale", "weight_mean", "layout", "symmetry", "data", "activation")
_TIES = ("SYM101", "SYM103", "SYM104")
_PASSED = (2.0, 0.85)       # nothing found, and about as far as a good start in a rehearsal
_SHORT = 0.5                # not half as far as a good start: not handed over without a word


class Standard(NamedTuple):
    """``(x - mean) / scale`` for every feature.

    ``scale`` is one number where the features' sizes are alike (pixels: quiet ones stay quiet), else each feature's
    own, but for one that is constant in all but a few rows, which would become huge there.
    """

    mean: Array
    scale: Array

    @classmethod
    def of(cls, x: Array) -> Standard:
        """The numbers that standardise ``x (batch, features)``; constant features become 0."""
        x = np.asarray(x, dtype=np.float64)
        mean, std = x.mean(axis=0), x.std(axis=0)
        varying = std[std > 0]
        if not varying.size:
            return cls(mean, np.ones_like(std))
        common = math.sqrt(float(np.mean(np.square(std))))
        if varying.max() > 3 * np.median(varying):
            rare = np.abs(x - mean).max(axis=0) > 20 * std
            return cls(mean, np.where(std > 0, np.where(rare, np.maximum(std, common), std), 1.0))
        return cls(mean, np.full_like(std, common))

    def __call__(self, x: Array) -> Array:
        return (np.asarray(x, dtype=np.float64) - self.mean) / self.scale

    def folded(self, layer: Dense) -> Dense | None:
        """The layer that does on raw x what ``layer`` does on standardised x; None where its dtype cannot hold it."""
        w = layer.w.astype(np.float64) / self.scale[:, None]
        b = (0.0 if layer.b is None else layer.b.astype(np.float64)) - self.mean @ w
        done = Dense(w.astype(layer.dtype), b.astype(layer.dtype), layer.activation)
        return done if np.isfinite(done.w).all() and np.isfinite(b.astype(layer.dtype)).all() else None


def repaired(net: Network, findings: Sequence[Finding], recheck: Recheck, x: Array | None, rng: Any,
             fold: bool = True, beside: Callable[[Network], float] | None = None) -> Network:
    """The least change after which nothing is found and the network learns as a good start does.

    Tried in turn: a few tied units set free; what was found mended; every layer drawn again, with a quiet last layer;
    a start fitted to the data. Where none passes in everything, the best of them, with an InitcoreWarning if that is
    still judged unfit or gets not half as far as a good start.

    ``recheck`` gives the findings of a candidate; ``x`` is the data, where there are usable ones. ``fold`` undoes
    the inputs' scale and offset in the first layer, where they are at fault. ``beside`` gives how far a candidate gets
    in a rehearsal, as a share of a good start's progress; None where nothing can be rehearsed.
    """
    found = _worse(findings)
    if not found:
        return net
    plan, best, rank = _Plan(net, as_key(rng), None if x is None or not fold else Standard.of(x), x), net, (-1.0, 0.0)
    left: Sequence[Finding] = found
    if any(f.rule in _TIES and f.severity == "warn" for f in found):
        plan.net = symmetry.break_ties(net, rng=plan.key.child("ties")).network
        found = _worse(recheck(plan.net))
        best, rank, left = plan.net, _rank(plan.net, found, beside), found
        if rank >= _PASSED:
            return best
    plan.after(found)
    for candidate in plan.candidates():
        found = _worse(recheck(candidate))
        result = _rank(candidate, found, beside)
        if result > rank:
            best, rank, left = candidate, result, found
        if rank >= _PASSED:
            break
    _tell(left, rank[1], plan.standard is not None and plan.standardise)
    return best


def _tell(left: Sequence[Finding], progress: float, folded: bool) -> None:
    """Warn of a repair that is judged unfit, or that gets not half as far as a good start."""
    rules = sorted({f.rule for f in left if f.severity == "fail"})
    short = progress < _SHORT
    if not (rules or short):
        return
    said = [f"is still found unfit ({', '.join(rules)})"] * bool(rules)
    said += [f"explains {100 * max(progress, 0.0):.0f}% of what a good start explains in a rehearsal"] * short
    way = ("its first layer undoes the scale of the inputs, but its gradients keep it: to train, take "
           "repair(fold=False) and feed report.standardise(x)." if folded else "check it again for what is left to do.")
    # _tell, repaired, the report's mender, Report.repair and what keeps it quiet lie between here and the caller
    warnings.warn(f"the repaired network {' and '.join(said)}; {way}", InitcoreWarning, stacklevel=6)


def _worse(findings: Sequence[Finding]) -> list[Finding]:
    return [f for f in findings if f.severity != "info"]


def _rank(net: Network, found: Sequence[Finding], beside: Callable[[Network], float] | None) -> tuple[float, float]:
    """How good a candidate is: 0 with a failure, 1 with a warning, 2 without; then its progress in a rehearsal."""
    clean = 0.0 if any(f.severity == "fail" for f in found) else 1.0 if found else 2.0
    return clean, 1.0 if beside is None else beside(net)


class _Plan:
    """What is drawn again, and how: see :func:`repaired`."""

    def __init__(self, net: Network, key: Key, standard: Standard | None, x: Array | None) -> None:
        self.net, self.key, self.standard, self.x = net, key, standard, x
        self.fresh: set[int] = set()           # layers drawn again
        self.flat: set[int] = set()            # layers whose biases become 0
        self.everything = False                # all of them, brought back to centre where sigmoids are not
        self.quiet = False                     # the last layer a tenth of its scale
        self.standardise = False

    def after(self, found: Sequence[Finding]) -> None:
        """What the findings ask for."""
        hidden = self.net.layers[:-1]
        self.standardise = any(f.cause in ("input_scale", "input_offset") for f in found)
        self.fresh = {i for f in found if f.cause in _RANDOM for i in f.layers}
        self.flat = {i for f in found if f.cause == "bias" for i in f.layers}
        off_centre = [la for la in hidden if la.activation.saturating and la.activation.center]
        # a deep stack of sigmoids learns in no weights but those that make it the tanh network
        self.everything = (any(f.cause == "activation" and not f.rule.startswith("OUT") for f in found)
                           or (len(off_centre) > 3 and self.fresh >= set(range(len(hidden)))))

    def candidates(self) -> Iterator[Network]:
        """As planned, with everything drawn again, and fitted to the data."""
        yield self.network()
        self.everything = self.quiet = self.standardise = True
        yield self.network()
        if self.x is not None and len(self.x) > 1:
            standard = self.standard
            x = np.asarray(self.x if standard is None else standard(self.x), dtype=np.float64)
            for name in ("fitted", "fitted again"):
                fitted = _rehearsal.good_start(self.net, x, self.key.child(name))
                folded = fitted.layers[0] if standard is None else standard.folded(fitted.layers[0])
                if folded is not None and all(np.isfinite(a).all() for _, _, a in fitted.parameters()):
                    yield Network([folded, *fitted.layers[1:]])

    def network(self) -> Network:
        """The network of the plan."""
        layers = [self._layer(i) for i in range(len(self.net.layers))]
        if self.standardise and self.standard is not None:
            layers[0] = self.standard.folded(layers[0]) or layers[0]
        return self._awake(Network(layers))

    def _layer(self, i: int) -> Dense:
        """Layer i as it is, with zero biases, or drawn again.

        Where the layer below gives sigmoid-like outputs with centre c, the bias of a layer drawn with everything takes
        -c times the column sums, and weights and bias the factor that makes phi the equivalent odd function of unit
        slope: a sigmoid stack becomes the tanh network of the same weights.
        """
        layer, last = self.net.layers[i], i == len(self.net.layers) - 1
        if not (self.everything or i in self.fresh):
            zeros = None if layer.b is None else np.zeros_like(layer.b)
            return layer.replace(b=zeros) if i in self.flat else layer
        how = start(self.net, i)
        make = getattr(initializers, how.initializer)
        w = make((layer.fan_in, layer.fan_out), rng=self.key.child(f"layer{i}.weight"), dtype="float64",
                 **how.arguments)
        b = None if layer.b is None else np.zeros(layer.fan_out)
        if self.everything:
            below = self.net.layers[i - 1].activation if i else None
            # phi(z) = c + h psi(z / k): k = h / phi'(0) gives psi slope 1 at 0
            if layer.activation.saturating and layer.activation.center and layer.activation.dphi0:
                w *= layer.activation.half_range / layer.activation.dphi0
            if below is not None and below.saturating and below.center:
                w /= below.half_range
                b = -below.center * w.sum(axis=0)
        if last and self.quiet:
            w *= 0.1
            b = None if b is None else b * 0.1
        return Dense(w.astype(self.net.dtype), None if b is None else b.astype(self.net.dtype), layer.activation)

    def _awake(self, net: Network) -> Network:
        """The network with outputs that are flat on all the data turned round, where the last layer is a new one."""
        last = net.layers[-1]
        if self.x is None or not last.activation.dies or last is self.net.layers[-1]:
            return net
        asleep = (net.trace(self.x).z[-1] <= 0).all(axis=0)
        w = np.where(asleep, -last.w, last.w)
        return Network([*net.layers[:-1], last.replace(w=w.astype(net.dtype))]) if asleep.any() else net
