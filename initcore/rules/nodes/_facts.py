"""What measuring a network finds at its nodes: facts that every framework's reader fills in and the rules judge."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..._rehearsal import Outcome
from ..._types import Array
from ...activations import IDENTITY, Activation, Start
from ...network import Dense
from ...program import Place
from ...saturation import LayerSignal, SignalReport
from .._catalogue import Rule
from .._finding import Finding

Change = Mapping[Hashable, tuple[float, float]]       # key of a tensor or an input -> (factor, offset): a w + b


@dataclass(frozen=True)
class Words:
    """How a framework's users write what cures: a tensor drawn normal, of zeros, of ones."""

    normal: str = "torch.nn.init.normal_(model.get_parameter({name!r}), std={std:.4g})"
    zeros: str = "torch.nn.init.zeros_(model.get_parameter({name!r}))"
    ones: str = "torch.nn.init.ones_(model.get_parameter({name!r}))"

    def drawn(self, name: str, std: float) -> str:
        """A tensor drawn normal.

        >>> Words().drawn("fc.weight", 0.1)
        "torch.nn.init.normal_(model.get_parameter('fc.weight'), std=0.1)"
        """
        return self.normal.format(name=name, std=std)

    def zero(self, name: str) -> str:
        """A tensor of zeros."""
        return self.zeros.format(name=name)

    def one(self, name: str) -> str:
        """A tensor of ones."""
        return self.ones.format(name=name)


TORCH = Words()


@dataclass(eq=False)
class Weight:
    """One use of a weight tensor.

    Attributes
    ----------
    key, bias_key : what a :data:`Change` names them by. name, bias : the parameters' names. place : where it is used.
    dense : makes the layer ``(fan_in, fan_out)`` of its values and bias; not kept. taps : of a kernel, 1 for others.
    after : what follows it: "norm", "activation", "sum", "output", "contraction", "product", "other".
    activation : the first one that follows, None for none. gate : it is a sigmoid that multiplies.
    main : it stands on the main way. table : looked up. data : it reads the user's inputs.
    mean, std, size, largest : of its values. bias_high, bias_rms : of its bias.
    trainable : it will be trained. sources : names of the parameters it is made of.
    silent : its gradient is exactly 0 on the data. stuck : it stayed so in every step that was tried.
    reads, writes : root mean square of what it reads and of what comes out (nan: not seen).
    words : how cures are written.
    """

    key: Hashable
    name: str
    place: Place
    dense: Callable[[], Dense]
    fan_in: int
    fan_out: int
    taps: int = 1
    after: frozenset[str] = frozenset()
    activation: Activation | None = None
    gate: bool = False
    main: bool = False
    table: bool = False
    data: bool = False
    mean: float = 0.0
    std: float = 0.0
    size: int = 0
    largest: float = 0.0
    bias_key: Hashable = None
    bias: str = ""
    bias_high: float = 0.0
    bias_rms: float = 0.0
    trainable: bool = True
    sources: frozenset[str] = frozenset()
    silent: bool = False
    stuck: bool = False
    reads: float = math.nan
    writes: float = math.nan
    words: Words = TORCH

    @property
    def start(self) -> Start:
        """How it would be drawn; of a head without activation as Glorot's."""
        return (self.activation or IDENTITY).start(self.fan_in, self.fan_out, first=self.data)

    @property
    def mean_square(self) -> float:
        """Of its values."""
        return self.mean ** 2 + self.std ** 2

    @property
    def gain2(self) -> float:
        """fan_in times the mean square that suits it."""
        return self.activation.squared_gain if self.activation is not None else 1.0

    @property
    def misfit(self) -> float:
        """How far fan_in times the mean square is above what suits it, as a factor (0 where it is 0)."""
        return self.fan_in * self.mean_square / self.gain2


@dataclass(eq=False)
class Activity:
    """An activation at work: ``signal`` of its input; ``gate``: a sigmoid that multiplies; ``output``: the network's.

    local : weights whose sum it reads. earlier : those before. gains : (key, name, "scale" or "shift") of a norm that
    stands between. rows : positions of the data. fed : its input is not all 0. main : it stands on the main way, and
    no other beside it. highest : the largest input of every unit on all of the data, where it was looked for.
    """

    key: Hashable
    name: str
    place: Place
    activation: Activation
    signal: LayerSignal
    local: tuple[Weight, ...] = ()
    earlier: tuple[Weight, ...] = ()
    gains: tuple[tuple[Hashable, str, str], ...] = ()
    gate: bool = False
    output: bool = False
    rows: int = 0
    fed: bool = True
    main: bool = False
    highest: Array | None = None


@dataclass(eq=False)
class Residual:
    """A residual sum: root mean squares of what is added (``branch``) and of what passes by (``skip``). held : norms
    alone read it, and later sums of its kind: its size is taken out."""

    key: Hashable
    name: str
    place: Place
    branch: float
    skip: float
    weights: tuple[Weight, ...] = ()
    held: bool = False


@dataclass(eq=False)
class Step:
    """One step of the main way: sizes before and after, norms of the back-signal there, and whether a norm ends it.

    beside : it is a residual sum, whose weights stand beside the way. held : as of a :class:`Residual`.
    """

    name: str
    place: Place
    before: float
    after: float
    gradient_before: float
    gradient_after: float
    normed: bool
    weights: tuple[Weight, ...] = ()
    beside: bool = False
    held: bool = False


@dataclass(eq=False)
class Feature:
    """A floating-point input: per feature (along ``axis``) mean, standard deviation; its extremes, rows, key."""

    key: Hashable
    name: str
    mean: Array
    std: Array
    low: float
    high: float
    rows: int
    varies: bool
    normed: bool = False


@dataclass(eq=False)
class Outputs:
    """The main output: root mean square, outputs a row, how many classes it is taken for (0: none), and the loss."""

    name: str
    place: Place
    rms: float
    width: int
    classes: int = 0
    loss: float | None = None
    weights: tuple[Weight, ...] = ()
    learnt: bool = False


@dataclass
class NodeContext:
    """What the rules look at. ``measure(change, key)`` measures a node again under a change: a LayerSignal at an
    activation, the ratio of branch to skip at a sum, the size of the output. ``symmetry`` : the proof, None without.
    ``rehearse(findings)`` : the first steps of training beside those of a copy repaired by the findings; None without
    targets."""

    numbers: dict[str, dict[str, float]]
    weights: tuple[Weight, ...] = ()
    activities: tuple[Activity, ...] = ()
    residuals: tuple[Residual, ...] = ()
    steps: tuple[Step, ...] = ()
    features: tuple[Feature, ...] = ()
    outputs: Outputs | None = None
    measure: Callable[[Change, Hashable], Any] = lambda change, key: None
    bad: tuple[tuple[str, Place, str], ...] = ()       # nodes with non-finite values: name, place, what
    motionless: bool = False
    targets: bool = False
    trained: bool = False
    family: str = "sgd"
    signal: SignalReport | None = None
    symmetry: Any = None
    words: Words = TORCH
    rehearse: Callable[[Sequence[Finding]], Outcome | None] = lambda findings: None
    rule: Rule | None = None
    blamed: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def calm(self) -> bool:
        """Do the sums that norms alone read grow, all together, by no more than Adam was seen to bear?"""
        grown = sum(math.log(max(r.branch / r.skip, 1.0)) for r in self.residuals if r.held and 0 < r.skip < math.inf
                    and math.isfinite(r.branch))
        return self.family == "adam" and math.exp(min(grown, 700.0)) < self.numbers["SIG302"]["held_total"]

    @property
    def limits(self) -> dict[str, float]:
        """Thresholds of the running rule."""
        assert self.rule is not None
        return self.numbers[self.rule.id]

    def finding(self, place: Place, where: str, text: str, *, severity: str | None = None, measured: Any = None,
                expected: Any = None, cause: str | None = None, cure: str = "",
                tensors: tuple[str, ...] = ()) -> Finding:
        """A finding of the running rule."""
        assert self.rule is not None
        return Finding(self.rule.id, severity or self.rule.severity, None, text, measured, expected, cause, cure, where,
                       place=place, tensors=tensors or ((where,) if where else ()))
