"""TEN801 to TEN804, and NUM401 to RNG502 for tensors whose network is not known: what a file alone gives away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import _catalogue
from ._catalogue import rule
from ._finding import Finding
from ._tensor_facts import TensorContext, TensorFacts

_UNJUDGED = ("optimizer", "buffer")       # their values follow other laws than weights
_PLAIN = ("norm", "position_bias")         # one number everywhere is their usual start
_CLONES = re.compile(r"(?P<stack>(.*\.)?)layers\.\d+\.(?P<part>self_attn\.(in_proj_weight|out_proj\.weight)|"
                     r"multihead_attn\.(in_proj_weight|out_proj\.weight)|linear[12]\.weight)$")
_COPIES = ("optimizer", "buffer", "ema")  # equal to other tensors on purpose


def _tiled(t: TensorFacts) -> bool:
    """Is it one row for all, and no layer's weights? So are tables that a formula makes (Mamba's A_log)."""
    return t.role == "other" and t.equal_rows > 0 and t.equal_rows == t.size // t.shape[-1] - 1


def _tensors(c: Any) -> Iterator[TensorFacts]:
    """The tensors of the context; none where a network is judged, whose own rules know more."""
    return (t for t in getattr(c, "tensors", ()) if t.role not in _UNJUDGED)


@rule("TEN801", title="a tensor that was never initialised", severity="fail",
      why="""Memory that was reserved and never written (torch.empty, numpy.empty, to_empty) holds what was there
      before: NaN, denormal numbers, values of absurd size.""",
      measured="The share of values that are not finite, denormal or beyond 1e10, of the non-zero ones: above `share`.",
      cure="Initialise the tensor; look for a module whose reset_parameters was not called.",
      thresholds={"share": 0.1})
def uninitialised(c: TensorContext) -> Iterator[Finding]:
    """Tensors that look like raw memory as a whole."""
    for t in _tensors(c):
        raw, used = t.nonfinite + t.denormals + t.absurd, t.size - t.zeros
        if used and raw > c.limits["share"] * used:
            yield c.finding(t, f"{raw} of {used} non-zero values are NaN, infinite, denormal or absurd: this is memory "
                            "that was never written.", measured=raw / used, expected=c.limits["share"], cause="data",
                            cure="initialise it, e.g. by the module's reset_parameters")


@rule("TEN802", title="a constant weight tensor", severity="warn",
      why="""Units whose incoming weights are all one number compute the same thing and get the same gradient. Whether
      they stay equal for ever depends on the tensors around, which a file does not always tell; zero is at home in the
      last layer of a branch and in one factor of an adapter.""",
      measured="Matrices, kernels and embeddings all of whose values are the same number.",
      cure="Draw the tensor at random, unless it is meant (a zero last layer, LoRA's B).")
def constant(c: TensorContext) -> Iterator[Finding]:
    """Matrices of one number."""
    for t in _tensors(c):
        if t.matrix and t.constant and t.role not in _PLAIN:
            meant = t.role == "adapter" and t.low == 0
            yield c.finding(t, f"Every value is {t.low:.4g}.", severity="info" if meant else None, measured=t.low,
                            expected="random weights", cause="symmetry", cure="" if meant else "draw it at random")


@rule("TEN803", title="equal rows or columns within a tensor", severity="warn",
      why="""Equal rows or columns are units, inputs or tokens that were copied instead of drawn. Whether they stay
      equal needs the network (SYM101); in a file this is the trace of a copied, tiled or badly broadcast tensor.""",
      measured="""Rows and columns that repeat an earlier one bit for bit, found by a hash of each, where chance (few
      distinct values, short rows) does not explain them.""",
      cure="Draw every row by itself.")
def equal_lines(c: TensorContext) -> Iterator[Finding]:
    """Rows and columns that repeat others."""
    for t in _tensors(c):
        if t.constant or not t.matrix or t.role in _PLAIN or _tiled(t):
            continue
        for word, count, pair, whole in (("rows", t.equal_rows, t.rows_pair, t.blocks is not None and not t.blocks[0]),
                                         ("columns", t.equal_columns, t.columns_pair,
                                          t.blocks is not None and t.blocks[0] == 1)):
            if count and pair is not None and not whole:
                yield c.finding(t, f"{count} {word} repeat others, e.g. {word} {pair[0]} and {pair[1]} are the same "
                                "bits.", measured=count, expected=0, cause="symmetry", cure="draw every row by itself")


@rule("TEN804", title="spread far from the fan rule", severity="warn",
      why="""Weights of variance about 1/fan_in keep a signal's size. Far off, signals die or explode, unless a
      normalisation stands in between.""",
      measured="""Fan_in times the mean square of a matrix or kernel, for the layout that speaks for it: below `low`, or
      above `high` where the file holds no normalisation.""",
      cure="Standard deviation gain/sqrt(fan_in), with the gain of the activation (`initcore gain NAME`).",
      thresholds={"low": 1e-4, "high": 200.0})
def spread(c: TensorContext) -> Iterator[Finding]:
    """Variances that fit no fan."""
    for t in _tensors(c):
        if t.role not in ("dense", "conv", "attention", "expert", "recurrent") or t.constant or not t.fans \
                or t.largest > 1e10:
            continue
        values = [fan * t.mean_square for fan in t.fans]
        if max(values) < c.limits["low"] or (min(values) > c.limits["high"] and not c.normed):
            fan = t.fans[0]
            yield c.finding(t, f"The standard deviation is {t.std:.3g} with {fan} inputs: fan_in times the mean square "
                            f"is {values[0]:.3g}.", measured=values[0], expected="about 1", cause="weight_scale",
                            cure=f"standard deviation {fan ** -0.5:.3g} (times the activation's gain)")


def non_finite(c: TensorContext) -> Iterator[Finding]:
    """NUM401."""
    for t in getattr(c, "tensors", ()):
        if t.nonfinite and t.role != "buffer":
            yield c.finding(t, f"It holds {t.nonfinite} non-finite value(s), the first at flat index {t.first_bad}.",
                            measured=t.nonfinite, expected=0, cause="data", cure="re-initialise it or load it again")


def garbage(c: TensorContext) -> Iterator[Finding]:
    """NUM402."""
    for t in _tensors(c):
        used = t.size - t.zeros
        if t.largest > c.limits["largest"]:
            yield c.finding(t, f"It holds values up to {t.largest:.3g}: uninitialised memory?", measured=t.largest,
                            expected=c.limits["largest"], cause="data", cure="re-initialise it or load it again")
        elif used and t.denormals > c.limits["denormal_share"] * used:
            yield c.finding(t, f"{t.denormals} of {used} non-zero values are denormal: uninitialised memory?",
                            measured=t.denormals / used, expected=c.limits["denormal_share"], cause="data",
                            cure="re-initialise it or load it again")


def half_precision(c: TensorContext) -> Iterator[Finding]:
    """NUM403."""
    for t in _tensors(c):
        used = t.size - t.zeros
        if t.nonfinite or t.dtype == "float16" or t.largest > c.numbers["NUM402"]["largest"]:
            continue
        if t.largest > c.limits["largest"]:
            yield c.finding(t, f"It holds {t.largest:.3g}, infinite in float16.", measured=t.largest,
                            expected=c.limits["largest"], cause="weight_scale", cure="scale it, or use bfloat16")
        elif used and t.lost > c.limits["zero_share"] * used and t.denormals <= c.numbers["NUM402"][
                "denormal_share"] * used:
            yield c.finding(t, f"{t.lost} of {used} non-zero values are 0 in float16.", measured=t.lost / used,
                            expected=c.limits["zero_share"], cause="weight_scale", cure="scale it, or use bfloat16")


def repeated(c: TensorContext) -> Iterator[Finding]:
    """RNG501: the same draws in two tensors, up to one factor, along the last axis of both or along the first."""
    owners, heads = [], []
    for t in getattr(c, "tensors", ()):
        if t.role in _COPIES or not t.matrix or t.nonfinite or _tiled(t):
            continue
        for head in t.heads:
            largest = float(np.max(np.abs(head), initial=0.0))
            if len(head) >= c.limits["elements"] and largest > 0 and len(np.unique(head)) >= 0.9 * len(head):
                owners.append(t)
                heads.append(head / largest / np.linalg.norm(head / largest))      # no overflow, whatever the size
    said: set[str] = set()
    for i, j in _close_pairs(heads, int(c.limits["elements"])):
        a, b = sorted((owners[i], owners[j]), key=lambda t: c.tensors.index(t))
        if a is b or b.name in said or _meant(a, b):
            continue
        said.add(b.name)
        cloned = _cloned(a, b)
        how = "torch.nn's Transformer copies one layer" if cloned else "the same seed was used twice, or it was copied"
        yield c.finding(b, f"It repeats the numbers of {a.name!r}: {how}.", severity="info" if cloned else None,
                        measured=f"{min(len(heads[i]), len(heads[j]))} equal draws", expected="independent draws",
                        cause="data", cure=f"one key a tensor: key.child({b.name!r})")


def _meant(a: TensorFacts, b: TensorFacts) -> bool:
    """An embedding and the output layer share their weights in many language models."""
    return a.digest == b.digest and a.shape == b.shape and "embedding" in (a.role, b.role)


def _cloned(a: TensorFacts, b: TensorFacts) -> bool:
    """Layers of torch.nn.TransformerEncoder and Decoder, which start as copies of the one they are given."""
    names = [_CLONES.match(t.name) for t in (a, b)]
    return a.digest == b.digest and a.shape == b.shape and all(names) \
        and len({(m["stack"], m["part"]) for m in names if m}) == 1


def _close_pairs(heads: list[np.ndarray], elements: int) -> Iterator[tuple[int, int]]:
    """Pairs whose common part is the same up to a factor, found by sorting one projection."""
    if not heads:
        return
    firsts = np.array([h[:elements] / (np.linalg.norm(h[:elements]) or 1.0) for h in heads])
    direction = np.random.default_rng(20).normal(size=elements)
    place = np.abs(firsts @ direction)
    order = np.argsort(place, kind="stable")
    for n, i in enumerate(order):
        for j in order[n + 1:n + 40]:
            if place[j] - place[i] > 1e-2:
                break
            k = min(len(heads[i]), len(heads[j]))
            u, v = heads[i][:k], heads[j][:k]
            if abs(float(u @ v)) >= (1 - 1e-5) * float(np.linalg.norm(u) * np.linalg.norm(v)):
                yield min(i, j), max(i, j)


def repeated_blocks(c: TensorContext) -> Iterator[Finding]:
    """RNG502: parts of one tensor that are the same bits."""
    for t in getattr(c, "tensors", ()):
        if t.blocks is None or t.role in _COPIES or t.constant or _tiled(t):
            continue
        axis, parts, equal, (i, j) = t.blocks
        yield c.finding(t, f"Cut into {parts} parts along axis {axis}, {equal} repeat others: parts {i} and {j} are "
                        "the same bits. Shards, heads or experts were drawn with one seed.", measured=equal, expected=0,
                        cause="data", cure="draw the whole tensor from one key, or each part from a key of its own")


# Rules whose entry stands with the networks' form of them.
_FORMS: dict[str, Callable[[TensorContext], Iterator[Finding]]] = {
    "NUM401": non_finite, "NUM402": garbage, "NUM403": half_precision, "RNG501": repeated, "RNG502": repeated_blocks}


def judge(c: TensorContext, active: frozenset[str]) -> list[Finding]:
    """What the chosen rules find in tensors by themselves."""
    found: list[Finding] = []
    for rule_id in sorted(active):
        entry = _catalogue.CATALOGUE[rule_id]
        c.rule = entry
        if rule_id in _FORMS:
            found += _FORMS[rule_id](c)
        elif rule_id.startswith("TEN"):
            found += entry.run(c)
    return found
