"""The table's sums of products: matrices, einsum, convolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..program import Value
from ._build import Build, NotUnderstood, Number, broadcast_shapes, many

Entry = Callable[..., Any]


def _linear(b: Build, input: Value, weight: Value, bias: Value | None = None) -> Value:
    out = b.contract(input, weight, ((len(input.shape) - 1,), (len(weight.shape) - 1,)))
    return _plus(b, out, bias)


def _plus(b: Build, x: Value, bias: Value | None) -> Value:
    return x if bias is None else b.binary("add", x, bias)


def _scaled(b: Build, x: Value, factor: Number) -> Value:
    return x if factor == 1 else b.binary("multiply", x, factor)


def _mm(b: Build, self: Value, mat2: Value) -> Value:
    return matmul(b, self, mat2)


def _addmm(b: Build, self: Value, mat1: Value, mat2: Value, beta: Number = 1, alpha: Number = 1) -> Value:
    out = _scaled(b, matmul(b, mat1, mat2), alpha)
    return out if beta == 0 else b.binary("add", out, _scaled(b, self, beta))


def matmul(b: Build, self: Value, other: Value) -> Value:
    """As NumPy's: vectors are rows before and columns after; dims before the last two are a batch, broadcast."""
    p, q = len(self.shape), len(other.shape)
    if not p or not q:
        raise NotUnderstood
    if q <= 2:
        return b.contract(self, other, ((p - 1,), (0,)))
    if p == 1:
        return b.contract(self, other, ((0,), (q - 2,)))
    batch = broadcast_shapes(self.shape[:-2], other.shape[:-2])
    x, y = (b.expand(v, (*batch, *v.shape[-2:])) for v in (self, other))
    k = len(batch)
    return b.contract(x, y, ((k + 1,), (k,)), (range(k), range(k)))


def einsum(b: Build, equation: str, tensors: Sequence[Value], path: Any = None) -> Value:
    """Two operands at a time, from the left; a letter of one operand alone that the result lacks is summed before."""
    terms, out = _letters(equation.replace(" ", ""), [len(x.shape) for x in tensors])
    work = list(zip(tensors, terms, strict=True))
    value, letters = _summed(b, *work[0], set(out).union(*terms[1:]))
    for k, (y, more) in enumerate(work[1:], 2):
        wanted = set(out).union(*terms[k:])
        y, more = _summed(b, y, more, wanted | set(letters))
        value, letters = _summed(b, value, letters, wanted | set(more))
        shared = [c for c in letters if c in more]
        batch, over = [c for c in shared if c in wanted], [c for c in shared if c not in wanted]
        at = [[[t.index(c) for c in group] for t in (letters, more)] for group in (over, batch)]
        value = b.contract(value, y, (at[0][0], at[0][1]), (at[1][0], at[1][1]))
        letters = "".join([*batch, *(c for c in letters if c not in shared), *(c for c in more if c not in shared)])
    value, letters = _summed(b, value, letters, set(out))
    if sorted(letters) != sorted(out):
        raise NotUnderstood
    return b.permute(value, [letters.index(c) for c in out])


def _summed(b: Build, x: Value, letters: str, wanted: set[str]) -> tuple[Value, str]:
    gone = [k for k, c in enumerate(letters) if c not in wanted]
    return (b.reduce(x, "sum", gone), "".join(c for c in letters if c in wanted)) if gone else (x, letters)


def _letters(equation: str, ranks: Sequence[int]) -> tuple[list[str], str]:
    """The letters of every operand and of the result; an ellipsis stands for letters of its own."""
    left, arrow, right = equation.partition("->")
    terms = left.split(",")
    if len(terms) != len(ranks):
        raise NotUnderstood
    spare = [chr(c) for c in range(0x3B1, 0x3B1 + 24)]
    longest = 0
    for k, (term, rank) in enumerate(zip(terms, ranks, strict=True)):
        if "..." in term:
            more = rank - len(term) + 3
            longest = max(longest, more)
            terms[k] = term.replace("...", "".join(spare[:more][::-1]))
        if len(terms[k]) != rank or len(set(terms[k])) != rank:
            raise NotUnderstood
    if not arrow:
        every = "".join(terms)
        right = "..." + "".join(sorted(c for c in set(every) if every.count(c) == 1 and c not in spare))
    return terms, right.replace("...", "".join(spare[:longest][::-1]))


def _bilinear(b: Build, input1: Value, input2: Value, weight: Value, bias: Value | None = None) -> Value:
    return _plus(b, einsum(b, "...i,oij,...j->...o", [input1, weight, input2]), bias)


def _convolve(k: int | None = None, transposed: bool = False) -> Entry:
    """Convolution over k dims (None: over all but two) of (batch, channel, *spatial), or of (channel, *spatial)."""
    def entry(b: Build, input: Value, weight: Value, bias: Value | None = None, stride: Any = 1, padding: Any = 0,
              dilation: Any = 1, groups: int = 1) -> Value:
        return _convolution(b, input, weight, bias, stride, padding, dilation, False, 0, groups)

    def back(b: Build, input: Value, weight: Value, bias: Value | None = None, stride: Any = 1, padding: Any = 0,
             output_padding: Any = 0, groups: int = 1, dilation: Any = 1) -> Value:
        return _convolution(b, input, weight, bias, stride, padding, dilation, True, output_padding, groups)
    return back if transposed else entry


def _convolution(b: Build, input: Value, weight: Value, bias: Value | None, stride: Any, padding: Any, dilation: Any,
                 transposed: bool, output_padding: Any, groups: int) -> Value:
    k = len(weight.shape) - 2
    x = b.unsqueeze(input, 0) if len(input.shape) == k + 1 else input
    stride, dilation, more = many(stride, k), many(dilation, k), many(output_padding, k)
    taps = [d * (n - 1) for d, n in zip(dilation, weight.shape[2:], strict=True)]
    if isinstance(padding, str):
        both = [(t // 2, t - t // 2) if padding == "same" else (0, 0) for t in taps]
    else:
        both = [(p, p) for p in many(padding, k)]
    if transposed:
        channels = weight.shape[1] * groups
        size = [(n - 1) * s - lo - hi + t + m + 1 for n, s, (lo, hi), t, m in
                zip(x.shape[2:], stride, both, taps, more, strict=True)]
    else:
        channels = weight.shape[0]
        size = [(n + lo + hi - t - 1) // s + 1
                for n, s, (lo, hi), t in zip(x.shape[2:], stride, both, taps, strict=True)]
    spatial = tuple(range(2, k + 2))
    out = b.emit("convolve", x, weight, shape=(x.shape[0], channels, *size), x_dims=(0, 1, *spatial),
                 w_dims=(1, 0, *spatial) if transposed else (0, 1, *spatial), groups=groups, transposed=transposed,
                 stride=stride, dilation=dilation, padding=tuple(both), output_padding=more if any(more) else None)
    if bias is not None:
        out = b.binary("add", out, b.reshape(bias, (channels, *[1] * k)))
    return out if x is input else b.reshape(out, out.shape[1:])


def _grouped(b: Build, x: Value, w: Value, ends: Value | None) -> Value:
    if ends is None or len(x.shape) != 2 or len(w.shape) != 3:
        raise NotUnderstood
    return b.emit("route", x, w, ends, shape=(x.shape[0], w.shape[2]))


ENTRIES: dict[str, Entry] = {
    "transformers.grouped_mm_fallback": lambda b, input, weight, offs: _grouped(b, input, weight, offs),
    "_grouped_mm": lambda b, self, mat2, offs=None, bias=None, out_dtype=None:
        _grouped(b, self, mat2, offs if bias is None else None),
    "linear": _linear, "mm": _mm, "bmm": _mm, "matmul": matmul, "addmm": _addmm, "bilinear": _bilinear,
    "mv": lambda b, self, vec: matmul(b, self, vec), "dot": lambda b, self, tensor: matmul(b, self, tensor),
    "vdot": lambda b, self, other: matmul(b, self, other),
    "addmv": lambda b, self, mat, vec, beta=1, alpha=1: _addmm(b, self, mat, vec, beta, alpha),
    "baddbmm": lambda b, self, batch1, batch2, beta=1, alpha=1: _addmm(b, self, batch1, batch2, beta, alpha),
    "outer": lambda b, self, vec2: b.contract(self, vec2, ((), ())), "einsum": einsum,
    **{f"conv{k}d": _convolve() for k in (1, 2, 3)},
    **{f"conv_transpose{k}d": _convolve(transposed=True) for k in (1, 2, 3)}, "convolution": _convolution,
}
