"""The structure of an exported graph that signals need: weights and what follows them, residual sums, the main way.

Design
A. A node is *live* when floating-point data flow through it that depend on the user's inputs or are looked up by them;
   what depends on parameters alone is a weight, however it is computed (weight norm, transposed, cast).
B. The main way leads from the output back to the input: through a residual sum along its skip, through a product along
   what is scaled, through a contraction along its data. Depth is counted along it, so that a branch is never depth.
C. What follows a weight (a norm, an activation, a sum, the output) is found by walking forward through operations
   that only move or scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from torch.fx import Node

from ..._signals import Ancestry
from ._operations import CONTRACTIONS, NORMS, PASS, RECURRENT, activation, argument, is_float, operation, shape


@dataclass(eq=False)
class Use:
    """One contraction of data with a weight: ``node`` reads ``x`` (None: looked up) and the value of ``w``.

    summed : the dims of w that are summed over. kind : "dense", "conv", "transposed", "table".
    after : what follows ("norm", "activation", "sum", "output", "contraction", "product", "other").
    """

    node: Node
    x: Node | None
    w: Node
    bias: Node | None
    kind: str
    summed: tuple[int, ...]
    fan_in: int
    fan_out: int
    taps: int = 1
    after: set[str] = field(default_factory=set)
    activation: Node | None = None       # the first activation that follows
    part: str = ""                       # of a fused operation: "layer 0, hidden"


@dataclass(frozen=True, eq=False)
class Sum:
    """A residual sum: ``node`` = ``skip`` + ``branch``."""

    node: Node
    skip: Node
    branch: Node


class Structure(Ancestry[Node, Use]):
    """See the module's text. ``inputs``: placeholders of the user's data; ``weights``: of parameters and buffers."""

    def __init__(self, nodes: list[Node], parameters: set[Node], inputs: list[Node]) -> None:
        super().__init__()
        self.nodes, self.parameters, self.inputs = nodes, parameters, inputs
        self.order = {n: i for i, n in enumerate(nodes)}
        self.live: set[Node] = set()
        self.weights: set[Node] = set(parameters)
        self.use_of: dict[Node, list[Use]] = {}
        self.activations: list[Node] = []
        self.sums: list[Sum] = []
        self.norms: set[Node] = set()
        data = set(inputs)
        for n in nodes:
            self._enter(n, data)
        for use in self.uses:
            self._follow(use)

    # what a node is -----------------------------------------------------------------------------------------------

    def _enter(self, n: Node, data: set[Node]) -> None:
        sources = list(n.all_input_nodes)
        if n.op == "placeholder":
            if n in data and is_float(n):
                self.live.add(n)
            self._ancestors[n], self._depth[n] = 1 << self.order[n], 0
            return
        if n.op == "output":
            return
        if n.op != "call_function" or not sources:
            return
        if any(s in data for s in sources):
            data.add(n)
        elif any(s in self.weights for s in sources):
            self.weights.add(n)
        found = self._contractions(n)
        seen = [s for s in sources if s in self.live]
        if (seen or found) and is_float(n):
            self.live.add(n)
        mask = 1 << self.order[n]
        for s in seen:
            mask |= self._ancestors.get(s, 0)
        self._ancestors[n] = mask
        if n not in self.live:
            return
        self.uses += found
        if found:
            self.use_of[n] = found
        if found and found[0].x is None:
            self.main[n] = None
        else:
            self.main[n] = self._main(n, seen)
        before = self.main[n]
        self._depth[n] = (self._depth.get(before, 0) if before is not None else 0) + bool(found)
        if activation(n) is not None:
            self.activations.append(n)
        if self._is_norm(n):
            self.norms.add(n)
        if operation(n) == "add" and len(seen) == 2 and shape(seen[0]) == shape(seen[1]):
            branch = seen[1] if self.main[n] is seen[0] else seen[0]
            skip = self.main[n]
            common = self._ancestors[branch] & self._ancestors[skip] if skip is not None else 0
            if skip is not None and common and skip is not branch:
                self.sums.append(Sum(n, skip, branch))

    def _is_norm(self, n: Node) -> bool:
        """A normalisation, or one written out: x times the reciprocal of a root, x over a norm."""
        name = operation(n)
        if name in NORMS:
            return True
        roots = {"mul": ("rsqrt",), "div": ("sqrt", "linalg_vector_norm", "norm")}.get(name, ())
        return any(isinstance(a, Node) and a in self.live and self._comes_from(a, roots) for a in n.args)

    def _comes_from(self, n: Node, names: tuple[str, ...]) -> bool:
        for _ in range(6):
            if operation(n) in names:
                return True
            if operation(n) not in PASS | {"clamp_min", "clamp", "add", "maximum"} or not n.args \
                    or not isinstance(n.args[0], Node):
                return False
            n = n.args[0]
        return False

    # the main way -------------------------------------------------------------------------------------------------

    def _main(self, n: Node, seen: list[Node]) -> Node | None:
        if len(seen) < 2:
            return seen[0] if seen else None
        name, first = operation(n), seen[0]
        if name in ("add", "sub", "mul"):
            for a, b in ((first, seen[1]), (seen[1], first)):
                if self.is_ancestor(a, b):
                    return a
            return min(seen[:2], key=self._rank) if name == "add" else max(seen[:2], key=self._rank)
        if name == "cat":
            return max(seen, key=self._rank)
        if name in ("scaled_dot_product_attention", "matmul", "bmm"):
            return seen[-1]
        if name in ("where", "index_add", "scatter_add", "index_put"):
            return max(seen, key=self._rank)
        return first

    # weights ------------------------------------------------------------------------------------------------------

    def _contractions(self, n: Node) -> list[Use]:
        name = operation(n)
        if name in ("embedding", "embedding_bag"):
            table = n.args[0]
            if isinstance(table, Node) and table in self.weights:
                rows, columns = shape(table)
                return [Use(n, None, table, None, "table", (0,), rows, columns)]
            return []
        if name in RECURRENT:
            return list(_cells(n, name))
        if name not in CONTRACTIONS:
            return []
        data = [a for a in n.args if isinstance(a, Node)]
        if name == "einsum":
            data = list(n.args[1])
        if name in ("addmm", "baddbmm", "addmv"):
            bias, data = data[0], data[1:]
        else:
            bias = argument(n, "bias", 2) if name == "linear" or name.startswith("conv") else None
        pair = data[:2]
        if len(pair) < 2 or sum(a in self.weights for a in pair) != 1 or not any(a in self.live for a in pair):
            return []
        w, x = pair if pair[0] in self.weights else pair[::-1]
        kind, summed, fan_in, fan_out, taps = _layout(n, name, w, first=w is pair[0])
        return [Use(n, x, w, bias, kind, summed, fan_in, fan_out, taps)] if fan_in else []

    def _follow(self, use: Use) -> None:
        """What comes after a weight, through operations that only move or scale."""
        todo, seen = [use.node], {use.node}
        sums = {s.node: s for s in self.sums}
        while todo:
            n = todo.pop()
            for user in n.users:
                if user in seen:
                    continue
                seen.add(user)
                name = operation(user)
                others = [a for a in user.all_input_nodes if a is not n and a in self.live]
                if user.op == "output":
                    use.after.add("output")
                elif user not in self.live:
                    continue
                elif user in self.norms:
                    use.after.add("norm")
                elif user in self.activations:
                    use.after.add("activation")
                    if use.activation is None or self.order[user] < self.order[use.activation]:
                        use.activation = user
                elif user in sums:
                    use.after.add("sum")
                elif user in self.use_of or name in CONTRACTIONS or name == "scaled_dot_product_attention":
                    use.after.add("contraction")
                elif name in PASS or (name in ("add", "mul", "div", "sub", "pow") and not others):
                    todo.append(user)
                elif name in ("add", "sub"):
                    todo.append(user)                    # embeddings added up, gates of a cell
                elif name == "mul":
                    use.after.add("product")
                    todo.append(user)
                else:
                    use.after.add("other")


def _layout(n: Node, name: str, w: Node, first: bool) -> tuple[str, tuple[int, ...], int, int, int]:
    """(kind, summed dims, fan_in, fan_out, taps) of a contraction's weight; fan_in 0: not understood."""
    dims = shape(w)
    last = len(dims) - 1
    if name == "linear" or (last == 0 and name in ("mv", "addmv", "matmul")):
        return "dense", (last,), dims[-1], math.prod(dims[:-1]), 1
    if name.startswith("conv"):
        taps = math.prod(dims[2:])
        if not (name.startswith("conv_transpose") or (name == "convolution" and bool(n.args[6]))):
            return "conv", tuple(range(1, last + 1)), dims[1] * taps, dims[0], taps
        groups = int(argument(n, "groups", 8 if name == "convolution" else 6, 1))
        stride = argument(n, "stride", 3, 1)
        step = math.prod(stride) if isinstance(stride, (list, tuple)) else int(stride) ** (last - 1)
        return ("transposed", (0, *range(2, last + 1)), max(dims[0] // groups * taps // max(step, 1), 1),
                dims[1] * groups, taps)
    if name == "einsum":
        terms, _, out = str(n.args[0]).replace(" ", "").partition("->")
        parts = terms.split(",")
        mine, other = (parts[0], parts[-1]) if first else (parts[-1], parts[0])
        if "." in terms or len(parts) != 2 or len(mine) != len(dims):
            return "dense", (), 0, 0, 1
        summed = tuple(k for k, c in enumerate(mine) if c in other and c not in out)
        free = [k for k, c in enumerate(mine) if c not in other]
        return "dense", summed, math.prod(dims[k] for k in summed) if summed else 0, math.prod(
            dims[k] for k in free) or 1, 1
    if name == "bilinear" or last < 1:
        return "dense", (), 0, 0, 1
    return ("dense", (last,), dims[-1], dims[-2], 1) if first else ("dense", (last - 1,), dims[-2], dims[-1], 1)


def _cells(n: Node, name: str) -> Any:
    """The weights of a fused recurrent operation: per layer and direction from below, and from the state."""
    if name.endswith("_cell"):
        x, state = n.args[0], n.args[1]
        state = state[0] if isinstance(state, (list, tuple)) else state
        w = [(n.args[2], n.args[3])]
        biases = [(argument(n, "b_ih", 4), argument(n, "b_hh", 5))]
    else:
        x, weights = n.args[0], list(n.args[2])
        has_biases = bool(n.args[3])
        size = 4 if has_biases else 2
        state = n.args[1][0] if isinstance(n.args[1], (list, tuple)) else n.args[1]
        w = [(weights[i], weights[i + 1]) for i in range(0, len(weights), size)]
        biases = [(weights[i + 2], weights[i + 3]) if has_biases else (None, None)
                  for i in range(0, len(weights), size)]
    for k, ((w_ih, w_hh), (b_ih, b_hh)) in enumerate(zip(w, biases)):
        for which, source, matrix, bias in (("input", x, w_ih, b_ih), ("state", state, w_hh, b_hh)):
            rows, columns = shape(matrix)
            yield Use(n, source, matrix, bias, "dense", (1,), columns, rows, part=f"layer {k}, {which}")
