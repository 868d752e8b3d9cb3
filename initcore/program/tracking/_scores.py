"""Which products of values are attention's: scores that a softmax over keys takes, and values that it weighs.

A number added to all keys alike changes no score's rank among its row: softmax over keys does not see it (theory 4.9,
Lemma 7). And scores get a signal only through values that vary over the keys.
"""

from __future__ import annotations

from collections import Counter

from .._program import Op, Value

KEYS, VALUES = "keys", "values"
Roles = dict[int, tuple[str, int]]

# What changes all scores of a row alike or one by one, and never makes one of another.
_LOCAL = ("add", "subtract", "multiply", "divide", "choose", "dropout")
_SCALED = ("scale", "cast", "neg")


def roles(ops: tuple[Op, ...], needed: list[bool]) -> Roles:
    """Of contractions around a softmax over one dim: (KEYS, the operand of the keys), (VALUES, that of the weights)."""
    alive = [i for i, n in enumerate(needed) if n]
    maker = {v: i for i in alive for v in ops[i].outputs}
    taken = Counter(v for i in alive for v in ops[i].inputs if v is not None)
    out: Roles = {}
    for i in alive:
        if ops[i].kind == "softmax" and len(ops[i].attributes["dims"]) == 1:
            x, dim = ops[i].inputs[0], ops[i].attributes["dims"][0]
            if x is not None:
                found = _scores(ops, maker, taken, x, dim)
                if found is not None:
                    out[found[0]] = (KEYS, found[1])
    for i in alive:
        if ops[i].kind == "contract" and (k := _weights(ops, maker, i)) is not None:
            out[i] = (VALUES, k)
    return out


def _scores(ops: tuple[Op, ...], maker: dict[Value, int], taken: Counter[Value], x: Value,
            dim: int) -> tuple[int, int] | None:
    """The contraction that makes the scores and its operand with the keys along ``dim``, if nobody else sees them."""
    while x in maker and taken[x] == 1:
        op = ops[maker[x]]
        if op.kind == "contract":
            (ca, _), (ba, _) = op.attributes["contracting"], op.attributes.get("batch") or ((), ())
            a, b = op.inputs
            assert a is not None and b is not None
            first = len(ba) + len(a.shape) - len(ca) - len(ba)
            return None if dim < len(ba) else (maker[x], int(dim >= first))
        same = [v for v in op.inputs if v is not None and v.shape == x.shape and v in maker]
        if op.kind == "elementwise" and op.attributes["function"] in _SCALED:
            (x,) = same or (x,)
            if not same:
                return None
        elif op.kind in _LOCAL and len(same) == 1:
            x = same[0]
        else:
            return None
    return None


def _weights(ops: tuple[Op, ...], maker: dict[Value, int], i: int) -> int | None:
    """The operand of a contraction over a softmax's own dim."""
    over = ops[i].attributes["contracting"]
    for k, v in enumerate(ops[i].inputs):
        dims = over[k]
        while v in maker and ops[maker[v]].kind in ("dropout", "elementwise") and \
                ops[maker[v]].attributes.get("function", "cast") == "cast":
            v = ops[maker[v]].inputs[0]
        if v in maker and ops[maker[v]].kind == "softmax" and tuple(dims) == tuple(ops[maker[v]].attributes["dims"]):
            return k
    return None
