"""The structure of a program that signals need: weights and what follows them, residual sums, norms, the main way.

Design
A. A value is *live* when floating-point data flow through it that depend on the inputs or are looked up by them; what
   depends on parameters alone is a weight, however it is computed (weight norm, transposed, a slice of a stack).
B. The main way leads from the output back to the input: through a residual sum along its skip, through a product along
   what is scaled, through a contraction along its data. Depth is counted along it, so that a branch is never depth.
C. What follows a weight (a norm, an activation, a sum, the output) is found by walking forward through operations
   that only move or scale. A norm written out as arithmetic is one thing: what lies inside it is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

from ..activations import Activation
from ..activations import get as activation_named
from ..program import Op, Program, Value
from ._ancestry import Ancestry

# 1-homogeneous in their first argument: a signal twice as large comes out twice as large, from the same places
_PASS = frozenset("""reshape permute broadcast slice concatenate flip roll pad dropout pool resample choose gather
    scatter detach cumulate sort topk""".split())
_PASSING = {"elementwise": ("neg", "cast"), "reduce": ("sum", "mean", "max", "min", "amax", "amin")}
_ROOT = frozenset(("reshape", "permute", "broadcast"))
_LINEAR = frozenset(("add", "subtract", "multiply", "divide"))


@dataclass(eq=False)
class Use:
    """One contraction of data with a weight: ``node`` is the result, ``x`` what it reads (None: looked up).

    w : the weight's value. bias : the parameter that is added, or None. summed : the dims of w that are summed over.
    kind : "dense", "conv", "transposed", "table". after : what follows ("norm", "activation", "sum", "output",
    "contraction", "product", "other"). activation : the first one that follows.
    """

    node: Value
    x: Value | None
    w: Value
    kind: str
    summed: tuple[int, ...]
    fan_in: int
    fan_out: int
    taps: int = 1
    bias: Value | None = None
    after: set[str] = field(default_factory=set)
    activation: Value | None = None


@dataclass(frozen=True, eq=False)
class Sum:
    """A residual sum: ``node`` = ``skip`` + ``branch``."""

    node: Value
    skip: Value
    branch: Value


class Structure(Ancestry[Value, Use]):
    """See the module's text; everything is named by the value that an operation makes."""

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.op_of: dict[Value, Op] = {}
        self.users: dict[Value, list[Op]] = {}
        self.live: set[Value] = {v for v in program.inputs if is_float(v)}
        self.weights: set[Value] = {p.value for p in program.parameters if not p.buffer}
        self.use_of: dict[Value, Use] = {}
        self.activations: dict[Value, Activation] = {}
        self.sums: list[Sum] = []
        self.norms: dict[Value, Value] = {}              # the norm's result -> the value in it that holds the root
        self._sources: dict[Value, Value] = {}           # a norm written out -> what it normalises
        self.inside: set[Value] = set()                  # of norms written out
        self.channels: dict[Value, int] = {}
        for v in (*program.inputs, *(p.value for p in program.parameters), *program.constants):
            self.order[v] = len(self.order)
            self._ancestors[v] = 1 << self.order[v] if v in self.live else 0
        data = set(program.inputs)
        for op in program.ops:
            for read in op.inputs:
                if read is not None:
                    self.users.setdefault(read, []).append(op)
            for v in op.outputs:
                self.op_of[v], self.order[v] = op, len(self.order)
            self._enter(op, data)
        for v in self.inside & self.activations.keys():
            del self.activations[v]
        self.sum_of = {one.node: one for one in self.sums}
        for use in self.uses:
            self._follow(use)

    def kind(self, v: Value | None) -> str:
        """The operation that makes a value; "" for inputs, parameters and constants."""
        op = self.op_of.get(v) if v is not None else None
        return op.kind if op is not None else ""

    # what a value is ----------------------------------------------------------------------------------------------

    def _enter(self, op: Op, data: set[Value]) -> None:
        sources = [v for v in op.inputs if v is not None]
        if any(s in data for s in sources) or op.kind == "random":
            data.update(op.outputs)
        elif any(s in self.weights for s in sources):
            self.weights.update(op.outputs)
        use = self._contraction(op)
        seen = [s for s in sources if s in self.live]
        mask = 0
        for s in seen:
            mask |= self._ancestors[s]
        for v in op.outputs:
            self._ancestors[v] = mask | 1 << self.order[v]
            if (seen or use) and is_float(v):
                self.live.add(v)
                self._place(op, v, use, seen)

    def _place(self, op: Op, v: Value, use: Use | None, seen: list[Value]) -> None:
        """A live value: on the main way, a weight's product, a norm, a sum, an activation."""
        if use is not None:
            self.uses.append(use)
            self.use_of[v] = use
        root = self._norm(op, seen)
        before = self.main[v] = None if use is not None and use.x is None else \
            next(s for s in seen if s is not root) if root is not None and len(seen) > 1 else self._main(op, seen)
        self._depth[v] = (self._depth.get(before, 0) if before is not None else 0) + (use is not None)
        self.channels[v] = self._channel(op, v, use, before)
        if root is not None:
            self.norms[v] = root
            self._enclose(v, root)
        elif op.kind in ("add", "subtract") and len(seen) == 2 and before in self._sources:
            self._shift(v, before, seen[1] if before is seen[0] else seen[0])
        if op.kind == "activation":
            self.activations[v] = activation_named(op.attributes["activation"])
        if op.kind == "add" and len(seen) == 2 and seen[0].shape == seen[1].shape and seen[0] is not seen[1]:
            branch = seen[1] if before is seen[0] else seen[0]
            if before is not None and self._ancestors[branch] & self._ancestors[before]:
                self.sums.append(Sum(v, before, branch))

    def _norm(self, op: Op, seen: list[Value]) -> Value | None:
        """What holds the reciprocal root in a normalisation: the value itself for one operation."""
        if op.kind == "normalize":
            return op.outputs[0]
        roots = {"multiply": ("rsqrt",), "divide": ("sqrt", "norm")}.get(op.kind, ())
        if len(seen) != 2 or not roots:
            return None
        found = [s for s in seen[op.kind == "divide":] if self._comes_from(s, roots)]
        return found[0] if len(found) == 1 else None

    def _comes_from(self, v: Value | None, names: tuple[str, ...]) -> bool:
        for _ in range(8):
            op = self.op_of.get(v) if v is not None else None
            if op is None or v not in self.live:
                return False
            if op.attributes.get("function") in names:
                return True
            if op.kind not in (*_ROOT, "add", "maximum", "multiply", "choose") and op.attributes.get(
                    "function") not in ("clamp", "cast", "shift", "scale"):
                return False
            v = next((s for s in op.inputs if s in self.live), None)
        return False

    def _enclose(self, v: Value, root: Value) -> None:
        """Everything between a norm written out and what it normalises."""
        source = self.main[v]
        while source is not None and not self.is_ancestor(source, root):
            source = self.main[source]
        if source is None or root is v:
            return
        mask, bit = self._ancestors[v], self.order[source]
        self.inside |= {u for u in self.live if u is not source and u is not v and mask >> self.order[u] & 1
                        and self._ancestors[u] >> bit & 1}

        self._sources[v] = source

    def _shift(self, v: Value, norm: Value, other: Value) -> None:
        """A norm whose mean is taken off afterwards: x r + (b - mean r)."""
        source = self._sources[norm]
        if self.is_ancestor(source, other) and not self.between(source, other):
            mask, bit = self._ancestors[other], self.order[source]
            self.inside |= {u for u in self.live if u is not source and mask >> self.order[u] & 1
                            and self._ancestors[u] >> bit & 1}
            self.norms[v], self._sources[v] = self.norms[norm], source

    # the main way -------------------------------------------------------------------------------------------------

    def _main(self, op: Op, seen: list[Value]) -> Value | None:
        if len(seen) < 2:
            return seen[0] if seen else None
        if op.kind in ("add", "subtract", "multiply"):
            for a, b in ((seen[0], seen[1]), (seen[1], seen[0])):
                if self.is_ancestor(a, b):
                    return a
            return max(seen[:2], key=self._rank) if op.kind == "multiply" else min(seen[:2], key=self._rank)
        if op.kind in ("concatenate", "choose", "scatter"):
            return max(seen, key=self._rank)
        if op.kind == "attention":
            return seen[2] if len(seen) > 2 else seen[-1]
        if op.kind == "contract":                        # of scores and values: the values
            return next((s for s in reversed(seen) if not self._scores(s)), seen[-1])
        return seen[0]

    def _scores(self, v: Value) -> bool:
        """Is it what a softmax gives, moved or masked?"""
        for _ in range(8):
            op = self.op_of.get(v)
            if op is None:
                return False
            if op.kind == "softmax" or op.attributes.get("function") == "exp":
                return True
            if op.kind not in _PASS | {"divide", "multiply"}:
                return False
            v = next((s for s in op.inputs if s in self.live), op.inputs[0] or v)
        return False

    def _channel(self, op: Op, v: Value, use: Use | None, before: Value | None) -> int:
        """The dim of a value that counts units; -1: the last."""
        if use is not None:
            return int(op.attributes["x_dims"][1]) if op.kind == "convolve" else _free(op, use)
        at = self.channels.get(before, -1) if before is not None else -1
        if at < 0 or before is None:
            return -1
        if op.kind == "permute":
            return list(op.attributes["dims"]).index(at)
        return at if len(before.shape) == len(v.shape) and before.shape[at] == v.shape[at] else -1

    # weights ------------------------------------------------------------------------------------------------------

    def _contraction(self, op: Op) -> Use | None:
        if op.kind not in ("contract", "convolve", "look_up"):
            return None
        a, b = op.inputs[:2]
        assert a is not None and b is not None
        if op.kind == "look_up":
            dim = op.attributes.get("dim", 0)
            rows = a.shape[dim]
            return Use(op.outputs[0], None, a, "table", (dim,), rows, math.prod(a.shape) // max(rows, 1)) \
                if a in self.weights and b not in self.weights else None
        w, x = (a, b) if a in self.weights else (b, a)
        if w not in self.weights or x not in self.live:
            return None
        if op.kind == "convolve":
            return _convolution(op, x, w) if w is b else None
        which = 0 if w is a else 1
        summed, batch = op.attributes["contracting"][which], (op.attributes.get("batch") or ((), ()))[which]
        free = [n for k, n in enumerate(w.shape) if k not in (*summed, *batch)]
        fan_in = math.prod(w.shape[k] for k in summed)
        return Use(op.outputs[0], x, w, "dense", tuple(summed), fan_in, math.prod(free)) if summed and fan_in else None

    def source(self, v: Value) -> Value:
        """The parameter that moving alone has made a value of, else the value itself."""
        found = v
        while (op := self.op_of.get(found)) is not None and (
                op.kind in _ROOT or op.attributes.get("function") == "cast") and op.inputs[0] is not None:
            found = op.inputs[0]
        return v if found in self.op_of else found

    def passes(self, op: Op) -> bool:
        """Does an operation only move its first argument, or scale it by one number?"""
        if op.kind in _PASSING:
            return op.attributes.get("function") in _PASSING[op.kind]
        return op.kind in _PASS or (op.kind in ("multiply", "divide") and any(
            v in self.program.constants and not v.shape for v in op.inputs if v is not None))

    def _follow(self, use: Use) -> None:
        """What comes after a weight, through operations that only move or scale."""
        todo, seen = [use.node], {use.node}
        outputs = set(self.program.outputs)
        while todo:
            v = todo.pop()
            if v in outputs:
                use.after.add("output")
            for op in self.users.get(v, ()):
                for user in op.outputs[:1]:
                    if user not in seen and user in self.live:
                        seen.add(user)
                        todo += self._meet(use, v, user, op)

    def _meet(self, use: Use, v: Value, user: Value, op: Op) -> Iterator[Value]:
        """One user of what a weight makes: told, or walked through."""
        others = [s for s in op.inputs if s is not None and s is not v]
        alive = any(s in self.live for s in others)
        if user in self.norms or user in self.inside:
            use.after.add("norm")
        elif user in self.activations:
            use.after.add("activation")
            if use.activation is None or self.order[user] < self.order[use.activation]:
                use.activation = user
        elif user in self.sum_of:
            use.after.add("sum")
            if self.is_gate_sum(self.sum_of[user]):
                yield user
        elif user in self.use_of or op.kind in ("contract", "convolve", "attention"):
            use.after.add("contraction")
        elif op.kind in ("add", "subtract") or (op.kind in _LINEAR and not alive) or self.passes(op) or \
                op.attributes.get("function") in ("scale", "shift"):
            if op.kind == "add" and not alive and use.bias is None and others and others[0] in self.weights:
                own = self.source(others[0])
                use.bias = own if sum(n > 1 for n in own.shape) <= 1 else None
            yield user
        elif op.kind == "multiply":
            use.after.add("product")
            yield user
        else:
            use.after.add("other")

    def is_gate_sum(self, one: Sum) -> bool:
        """Are both parts products of weights, as in a recurrent cell, and neither a way past the other?"""
        return one.skip in self.use_of and one.branch in self.use_of


def _convolution(op: Op, x: Value, w: Value) -> Use:
    """A kernel (out, in, *taps) wherever its dims stand."""
    a = op.attributes
    out, into, *rest = a["w_dims"]
    taps = math.prod(w.shape[k] for k in rest)
    fan_in, fan_out, kind = w.shape[into] * taps, w.shape[out], "conv"
    if a.get("transposed"):
        fan_in, kind = max(fan_in // math.prod(a.get("stride") or (1,)), 1), "transposed"
    return Use(op.outputs[0], x, w, kind, (into, *rest), fan_in, fan_out, taps)


def _free(op: Op, use: Use) -> int:
    """The last dim of the result that a contraction's weight brings."""
    if op.kind == "look_up":
        return -1
    (ca, cb), (ba, bb) = op.attributes["contracting"], op.attributes.get("batch") or ((), ())
    a, b = op.inputs[:2]
    assert a is not None and b is not None
    left = len(a.shape) - len(ca) - len(ba)
    if use.w is b or not left:
        return -1
    right = len(b.shape) - len(cb) - len(bb)
    return len(ba) + left - 1 if right else -1


def is_float(v: Value) -> bool:
    """Is it of a floating-point type?"""
    return "float" in v.dtype
