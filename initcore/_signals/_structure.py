"""The structure of a program that signals need: weights and what follows them, residual sums, norms, the main way.

Design
A. A value is *live* when floating-point data flow through it that depend on the inputs or are looked up by them; what
   depends on parameters alone is a weight, however it is computed (weight norm, transposed, a slice of a stack).
B. The main way leads from the output back to the input: through a residual sum along its skip, through a product along
   what is scaled, through a contraction along its data. Depth is counted along it, so that a branch is never depth.
C. What follows a weight (a norm, an activation, a sum, the output) is found by walking forward through operations
   that only move or scale. Norms and activations written out as arithmetic are one thing each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ..activations import Activation
from ..program import Op, Program, Value
from ._activations import Finder
from ._cells import Gate, gates
from ._norms import MOVES, Norms
from ._uses import Use, uses_of

# 1-homogeneous in their first argument: a signal twice as large comes out twice as large, from the same places
_PASS = frozenset("""reshape permute broadcast slice concatenate flip roll pad dropout pool resample choose gather
    scatter detach cumulate sort topk""".split())
_PASSING = {"elementwise": ("neg", "cast"), "reduce": ("sum", "mean", "max", "min", "amax", "amin")}
_SUMS, _CHOICES = frozenset(("add", "subtract")), frozenset(("minimum", "maximum"))
_LINEAR = _SUMS | {"multiply", "divide"}


@dataclass(frozen=True, eq=False)
class Sum:
    """A residual sum: ``node`` = ``skip`` + ``branch``."""

    node: Value
    skip: Value
    branch: Value


class Structure(Norms):
    """See the module's text; everything is named by the value that an operation makes.

    uses_of : a result -> the weights in it. activations, reads : a result -> the activation, and its z. gates : of
    recurrent operations. channels : the dim of a value that counts units, -1 the last.
    """

    def __init__(self, program: Program) -> None:
        super().__init__()
        self.program = program
        self.live = {v for v in program.inputs if is_float(v)}
        self.weights: set[Value] = {p.value for p in program.parameters if not p.buffer}
        self.uses_of: dict[Value, list[Use]] = {}
        self.activations: dict[Value, Activation] = {}
        self.reads: dict[Value, Value] = {}
        self.gates: list[Gate] = []
        self.sums: list[Sum] = []
        self.channels: dict[Value, int] = {}
        self._hidden: set[Value] = set()                 # of activations written out
        self._finder = Finder(self, {v: float(a.item()) for v, a in program.constants.items() if a.size == 1 and
                                     a.dtype.kind in "fiu"}, self.weights)
        self._walk()
        for v in (self.inside | self._hidden) & self.activations.keys():
            del self.activations[v]
        self.sum_of = {one.node: one for one in self.sums}
        for use in self.uses:
            self._follow(use)

    def _walk(self) -> None:
        """All operations in their order."""
        program = self.program
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

    # what a value is ----------------------------------------------------------------------------------------------

    def _enter(self, op: Op, data: set[Value]) -> None:
        sources = [v for v in op.inputs if v is not None]
        if any(s in data for s in sources) or op.kind == "random":
            data.update(op.outputs)
        elif any(s in self.weights for s in sources):
            self.weights.update(op.outputs)
        found = uses_of(op, self.weights, self.live)
        seen = [s for s in sources if s in self.live]
        mask = 1 << self.order[op.outputs[0]] if op.outputs else 0       # one result stands for all of them
        for s in seen:
            mask |= self._ancestors[s]
        self.uses += found
        for v in op.outputs:
            self._ancestors[v] = mask | 1 << self.order[v]
            if (seen or found) and is_float(v):
                self.live.add(v)
                self._place(op, v, found, seen)
        if op.kind == "recur":
            self.gates += gates(op, found)

    def _place(self, op: Op, v: Value, found: list[Use], seen: list[Value]) -> None:
        """A live value: on the main way, a weight's product, a norm, a sum, an activation."""
        if found:
            self.uses_of[v] = found
        root = self._root(op, seen)
        before = self.main[v] = None if found and found[0].x is None else \
            next(s for s in seen if s is not root) if root is not None and len(seen) > 1 else self._main(op, seen)
        self._depth[v] = (self._depth.get(before, 0) if before is not None else 0) + bool(found)
        self.channels[v] = self._channel(op, v, found, before)
        if root is not None:
            self.norms[v] = root
            self._enclose(v, root)
        elif op.kind in _SUMS and len(seen) == 2 and before in self._sources:
            self._shift(v, before, seen[1] if before is seen[0] else seen[0])
        activation = self._finder.find(op)
        if activation is not None:
            self.activations[v], self.reads[v] = activation.activation, activation.z
            self._hidden.update(activation.hidden)
        if op.kind == "add" and len(seen) == 2 and seen[0].shape == seen[1].shape and seen[0] is not seen[1]:
            branch = seen[1] if before is seen[0] else seen[0]
            if before is not None and self._ancestors[branch] & self._ancestors[before]:
                self.sums.append(Sum(v, before, branch))

    # the main way -------------------------------------------------------------------------------------------------

    def _main(self, op: Op, seen: list[Value]) -> Value | None:
        if len(seen) < 2:
            return seen[0] if seen else None
        if op.kind in _SUMS | {"multiply"}:
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

    def _channel(self, op: Op, v: Value, found: list[Use], before: Value | None) -> int:
        """The dim of a value that counts units; -1: the last."""
        if found:
            return int(op.attributes["x_dims"][1]) if op.kind == "convolve" else _free(op, found[0])
        if op.kind == "normalize" and op.attributes.get("channel") is not None:
            return int(op.attributes["channel"])
        at = self.channels.get(before, -1) if before is not None else -1
        if at < 0 or before is None:
            return -1
        if op.kind == "permute":
            return list(op.attributes["dims"]).index(at)
        return at if len(before.shape) == len(v.shape) and before.shape[at] == v.shape[at] else -1

    # weights ------------------------------------------------------------------------------------------------------

    def source(self, v: Value) -> Value:
        """The parameter that moving alone has made a value of, else the value itself."""
        found = v
        while (op := self.op_of.get(found)) is not None and (
                op.kind in MOVES or op.attributes.get("function") == "cast") and op.inputs[0] is not None:
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
        todo, seen = list(self.op_of[use.node].outputs), {use.node}
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
        if user in self._hidden:
            yield user
        elif user in self.norms or user in self.inside:
            use.after.add("norm")
        elif user in self.activations:
            use.after.add("activation")
            if use.activation is None or self.order[user] < self.order[use.activation]:
                use.activation = user
        elif user in self.sum_of:
            use.after.add("sum")
            if self.is_gate_sum(self.sum_of[user]):
                yield user
        elif user in self.uses_of or op.kind in ("contract", "convolve", "attention", "recur"):
            use.after.add("contraction")
        elif op.kind in _SUMS or (op.kind in _LINEAR and not alive) or (op.kind in _CHOICES and alive) or \
                self.passes(op) or op.attributes.get("function") in ("scale", "shift"):
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
        own = {u.w for v in (one.skip, one.branch) for u in self.uses_of.get(v, ())}
        return one.skip in self.uses_of and one.branch in self.uses_of and not self.is_ancestor(
            one.skip, one.branch) and {u.w for u in self.between(one.skip, one.branch)} <= own


def _free(op: Op, use: Use) -> int:
    """The last dim of the result that a contraction's weight brings."""
    if op.kind != "contract":
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
