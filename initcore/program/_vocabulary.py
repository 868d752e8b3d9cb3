"""The vocabulary: one entry an operation. What it takes, what it does to axes, to signs and to zeros.

To add an operation: one entry here, and one line in each reader that meets it. ``axes`` names what is done to the
units a value carries:

    elementwise   unit by unit, the same function for all of them
    relocate      units move and keep their identity
    reduce        a symmetric function of the units that go, group by group
    spread        a function of each unit along data only (time, pixels)
    weigh         a sum over units with weights of its own for each pair
    opaque        not known: what goes in is an output, what comes out is data
    anything else is a rule of its own, of that name
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_ANY = 1 << 30


@dataclass(frozen=True, slots=True)
class Entry:
    """One operation of the vocabulary.

    axes : what it does to units (see the module).   inputs : fewest and most.   outputs : how many, 0: any number.
    needs : names of attributes it must have.   takes : the others, with their defaults.
    sign : "odd", "even", "linear", "product" or "": what becomes of a negated unit.
    zero : is its result 0 where its first input is?
    """

    name: str
    axes: str
    inputs: tuple[int, int]
    needs: tuple[str, ...] = ()
    takes: Mapping[str, Any] = field(default_factory=dict)
    outputs: int = 1
    sign: str = ""
    zero: bool = False
    meaning: str = ""


# What :attr:`Entry.sign` and :attr:`Entry.zero` are for each function of ``elementwise``: sign, zero, has a gradient?
FUNCTIONS: dict[str, tuple[str, bool, bool]] = {
    "neg": ("linear", True, True), "cast": ("linear", True, True), "scale": ("linear", True, True),
    "shift": ("", False, True), "abs": ("even", True, True), "square": ("even", True, True), "exp": ("", False, True),
    "expm1": ("", True, True), "log": ("", False, True), "log1p": ("", True, True), "sqrt": ("", True, True),
    "rsqrt": ("", False, True), "reciprocal": ("odd", False, True), "cos": ("even", False, True),
    "sin": ("odd", True, True), "tan": ("odd", True, True), "sinh": ("odd", True, True), "cosh": ("even", False, True),
    "asin": ("odd", True, True), "acos": ("", False, True), "atan": ("odd", True, True),
    "asinh": ("odd", True, True), "atanh": ("odd", True, True), "erf": ("odd", True, True),
    "erfc": ("", False, True), "erfinv": ("odd", True, True), "clamp": ("", False, True), "power": ("", False, True),
    "sign": ("odd", True, False), "floor": ("", True, False), "ceil": ("", True, False), "round": ("odd", True, False),
    "trunc": ("odd", True, False), "isnan": ("even", True, False), "isinf": ("even", True, False),
    "isfinite": ("even", False, False), "not": ("even", False, False), "bits": ("", False, False),
    "logit": ("", False, True), "lgamma": ("", False, True), "digamma": ("", False, True),
    "sinc": ("even", False, True),
}
REDUCTIONS = ("sum", "mean", "max", "min", "amax", "amin", "prod", "logsumexp", "norm", "var", "std", "any", "all",
              "argmax", "argmin", "count")
CELLS = {"lstm": 4, "gru": 3, "rnn_tanh": 1, "rnn_relu": 1}
_PAIR = (2, 2)
_ONE = (1, 1)
_DIMS = {"dims": None, "keep": False}
_WINDOW = {"window": None, "stride": None, "padding": None, "dilation": None, "ceil": False, "count_padding": True,
           "adaptive": False}

_ENTRIES = (
    Entry("contract", "weigh", _PAIR, ("contracting",), {"batch": ((), ())}, meaning="sum of products over dims"),
    Entry("convolve", "weigh", _PAIR, ("x_dims", "w_dims"),
          {"groups": 1, "transposed": False, "stride": None, "dilation": None, "padding": None, "output_padding": None},
          meaning="convolution of any dimension, no bias"),
    Entry("look_up", "weigh", _PAIR, (), {"dim": 0}, meaning="rows of a table at indices"),
    Entry("route", "weigh", (3, 3), meaning="x (rows, in), w (experts, in, out), ends: w[e] for rows up to ends[e]"),
    Entry("activation", "elementwise", _ONE, ("activation",), meaning="an activation of initcore's table"),
    Entry("elementwise", "elementwise", _ONE, ("function",),
          {"exponent": None, "low": None, "high": None, "factor": None, "offset": None, "named": False},
          meaning="a function of each element; named: a clamp that users call an activation, as ReLU6"),
    Entry("add", "elementwise", _PAIR, sign="linear", zero=True),
    Entry("subtract", "elementwise", _PAIR, sign="linear", zero=True),
    Entry("multiply", "elementwise", _PAIR, sign="product", zero=True),
    Entry("divide", "elementwise", _PAIR, sign="product", zero=True),
    Entry("maximum", "elementwise", _PAIR),
    Entry("minimum", "elementwise", _PAIR),
    Entry("power", "elementwise", _PAIR),
    Entry("remainder", "elementwise", _PAIR),
    Entry("arctan2", "elementwise", _PAIR),
    Entry("compare", "compare", _PAIR, ("function",), meaning="equal, less ...: data without a gradient"),
    Entry("logical", "compare", (1, 2), ("function",), meaning="and, or, not, xor of data"),
    Entry("choose", "elementwise", (3, 3), sign="linear", zero=True, meaning="where(condition, a, b)"),
    Entry("reshape", "relocate", _ONE, ("shape",), sign="linear", zero=True),
    Entry("permute", "relocate", _ONE, ("dims",), sign="linear", zero=True),
    Entry("broadcast", "relocate", _ONE, ("shape", "dims"), sign="linear", zero=True,
          meaning="dim i of x becomes dim dims[i] of shape"),
    Entry("slice", "relocate", _ONE, ("starts", "stops"), {"steps": None}, sign="linear", zero=True),
    Entry("concatenate", "relocate", (1, _ANY), ("dim",), sign="linear", zero=True),
    Entry("flip", "relocate", _ONE, ("dims",), sign="linear", zero=True),
    Entry("roll", "relocate", _ONE, ("shifts", "dims"), sign="linear", zero=True),
    Entry("pad", "relocate", _ONE, ("low", "high"), {"function": "constant", "value": 0.0}, sign="linear", zero=True,
          meaning="low and high: elements added at either end of each dim"),
    Entry("reduce", "reduce", _ONE, ("function",), {**_DIMS, "ord": 2.0, "correction": 1.0}),
    Entry("softmax", "softmax", _ONE, ("dims",), {"log": False}),
    Entry("normalize", "normalize", (1, 5), ("method",),
          {"dims": None, "channel": None, "groups": 1, "eps": 1e-5, "training": True},
          meaning="x, gamma, beta, mean, var"),
    Entry("attention", "attention", (3, 4), (), {"queries": 1, "causal": False, "scale": None, "dropout": 0.0},
          meaning="q, k, v, mask; (..., heads, time, channels)"),
    Entry("dropout", "dropout", _ONE, ("rate",), {"dims": ()}, sign="linear", zero=True),
    Entry("detach", "detach", _ONE, sign="linear", zero=True, meaning="no gradient passes"),
    Entry("random", "data", (0, _ANY), meaning="draws, new at every step"),
    Entry("arange", "data", (0, _ANY), (), {"start": 0, "step": 1}, meaning="numbers that are the same at every step"),
    Entry("pool", "spread", _ONE, ("dims",), {"function": "max", **_WINDOW}, zero=True, meaning="windows along dims"),
    Entry("resample", "spread", _ONE, ("dims",), {"function": "linear", "align": False}, sign="linear", zero=True),
    Entry("cumulate", "spread", _ONE, ("dim",), {"function": "sum"}, sign="linear", zero=True),
    Entry("sort", "spread", _ONE, ("dim",), {"descending": False}, outputs=0, meaning="values, indices"),
    Entry("topk", "topk", _ONE, ("dim", "k"), {"largest": True}, outputs=0, meaning="values, indices"),
    Entry("gather", "gather", _PAIR, ("dim",), meaning="element indices[...] along dim"),
    Entry("scatter", "scatter", (2, 3), ("dim",), {"function": "set"}, meaning="x, indices, y"),
    Entry("one_hot", "data", _ONE, ("classes",)),
    Entry("recur", "recur", (3, _ANY), ("cell",),
          {"layers": 1, "bidirectional": False, "biases": True, "batch_first": False, "dropout": 0.0,
           "projected": False}, outputs=0,
          meaning="x, h0, c0, weights in PyTorch's order -> y, h, c"),
    Entry("opaque", "opaque", (0, _ANY), outputs=0, meaning="not understood"),
)
VOCABULARY: dict[str, Entry] = {e.name: e for e in _ENTRIES}
# What a reader may add to any operation: its framework's name for it, the line of a loop that it is a step of.
FREE = ("node", "loop")
