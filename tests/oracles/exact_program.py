"""A program run operation by operation in PyTorch, exactly as the vocabulary says: the oracle for readers.

Dropout passes everything on, batch norms use the batch where ``training`` says so. Draws and opaque operations have no
value of their own: :func:`run` takes none.
"""

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F

from initcore import activations

_BINARY = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.true_divide,
           "maximum": torch.maximum, "minimum": torch.minimum, "power": torch.pow, "remainder": torch.remainder,
           "arctan2": torch.atan2}
_RENAMED = {"cast": lambda x: x, "not": torch.logical_not, "power": None}
_REDUCE = {"sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "amin": torch.amin, "max": torch.amax,
           "min": torch.amin, "logsumexp": torch.logsumexp, "any": torch.any, "all": torch.all,
           "count": torch.count_nonzero}


def run(program, inputs):
    """The outputs, for inputs in the program's order."""
    at = dict(zip(program.inputs, inputs, strict=True))
    at |= {p.value: _typed(torch.from_numpy(np.array(p.read())), p.value) for p in program.parameters}
    at |= {v: _typed(torch.from_numpy(np.array(a)), v) for v, a in program.constants.items()}
    for op in program.ops:
        made = _run(op, [None if v is None else at[v] for v in op.inputs])
        made = made if isinstance(made, tuple) else (made,)
        for value, tensor in zip(op.outputs, made, strict=True):
            assert tuple(tensor.shape) == value.shape, (op, tensor.shape)
            at[value] = _typed(tensor, value)
    return [at[v] for v in program.outputs]


def _typed(tensor, value):
    return tensor.to(getattr(torch, value.dtype))


def _route(x, w, ends):
    edges = [0, *ends.tolist()]
    return torch.cat([x[a:b] @ m for a, b, m in zip(edges, edges[1:], w, strict=False)])


def _run(op, x):
    a, kind = op.attributes, op.kind
    if kind in _BINARY:
        return _BINARY[kind](*x)
    if kind in _PLAIN:
        return _PLAIN[kind](a, *x)
    if kind == "arange":
        return a["start"] + a["step"] * torch.arange(op.outputs[0].shape[0], dtype=torch.float64)
    if kind == "activation":
        return torch.from_numpy(np.asarray(activations.get(a["activation"]).phi(x[0].detach().numpy())))
    if kind in ("pool", "resample"):
        return _spread(kind, a, x[0], op.outputs[0].shape)
    raise NotImplementedError(kind)


def _elementwise(a, x):
    name = a["function"]
    if name == "power":
        return x ** a["exponent"]
    if name == "clamp":
        return x.clamp(a["low"], a["high"])
    return _RENAMED[name](x) if name in _RENAMED else getattr(torch, name)(x)


def _logical(a, x, y=None):
    return torch.logical_not(x) if y is None else getattr(torch, f"logical_{a['function']}")(x, y)


def _contract(a, x, y):
    letters = itertools.count()
    lx, ly = [next(letters) for _ in x.shape], [next(letters) for _ in y.shape]
    over, batch = a["contracting"], a.get("batch") or ((), ())
    for i, j in [*zip(*over, strict=True), *zip(*batch, strict=True)]:
        ly[j] = lx[i]
    out = [lx[i] for i in batch[0]] + [c for i, c in enumerate(lx) if i not in (*over[0], *batch[0])]
    return torch.einsum(x, lx, y, ly, out + [c for j, c in enumerate(ly) if j not in (*over[1], *batch[1])])


def _convolve(a, x, w):
    k = x.dim() - 2
    x, w = x.permute(a["x_dims"]), w.permute(a["w_dims"])
    edges = [n for pair in a["padding"][::-1] for n in pair]
    if a["transposed"]:
        w = w.transpose(0, 1)
        y = getattr(F, f"conv_transpose{k}d")(x, w, None, a["stride"], [p for p, _ in a["padding"]],
                                              a.get("output_padding") or 0, a["groups"], a["dilation"])
    else:
        y = getattr(F, f"conv{k}d")(F.pad(x, edges), w, None, a["stride"], 0, a["dilation"], a["groups"])
    return y.permute(np.argsort(a["x_dims"]).tolist())


def _slice(a, x):
    return x[tuple(slice(b, e, s) for b, e, s in zip(a["starts"], a["stops"], a["steps"], strict=True))]


def _broadcast(a, x):
    inner = [1] * len(a["shape"])
    for i, d in enumerate(a["dims"]):
        inner[d] = x.shape[i]
    assert sorted(a["dims"]) == list(a["dims"])
    return x.reshape(inner).expand(a["shape"])


def _reduce(a, x):
    name, dims, keep = a["function"], tuple(a["dims"]), a["keep"]
    if not dims and name not in ("argmax", "argmin", "count"):
        return x
    if name in ("argmax", "argmin"):
        return getattr(torch, name)(x, dims[0], keep)
    if name in ("var", "std"):
        return getattr(torch, name)(x, dims, correction=a["correction"], keepdim=keep)
    if name == "norm":
        return torch.linalg.vector_norm(x, a["ord"], dims, keep)
    if name == "count":
        return torch.count_nonzero(x, dims)
    if name == "prod":
        for d in dims[::-1]:
            x = x.prod(d, keepdim=keep)
        return x
    return _REDUCE[name](x, dims, keepdim=keep)


def _normalize(a, x, gamma=None, beta=None, mean=None, var=None):
    method, eps = a["method"], a["eps"]
    if method == "batch":
        x = x.movedim(a["channel"], 1)
        y = F.batch_norm(x, None if a["training"] else mean, None if a["training"] else var, gamma, beta,
                         a["training"], 0.0, eps)
        return y.movedim(1, a["channel"])
    if method == "layer":
        return F.layer_norm(x, [x.shape[d] for d in a["dims"]], gamma, beta, eps)
    if method == "rms":
        return F.rms_norm(x, [x.shape[d] for d in a["dims"]], gamma, eps)
    if method == "group":
        return F.group_norm(x, a["groups"], gamma, beta, eps)
    return F.instance_norm(x, None, None, gamma, beta, True, 0.0, eps)


def _attention(a, q, k, v, mask=None):
    k, v = (t.repeat_interleave(a["queries"], -3) for t in (k, v))
    score = q @ k.transpose(-1, -2) * a["scale"]
    if mask is not None:
        score = score.masked_fill(~mask, -math.inf) if mask.dtype == torch.bool else score + mask
    if a["causal"]:
        score = score.masked_fill(torch.ones(score.shape[-2:], dtype=torch.bool).triu(1), -math.inf)
    return score.softmax(-1) @ v


def _recur(a, x, h, c, *weights):
    rest = (list(weights), a["biases"], a["layers"], 0.0, False, a["bidirectional"], a["batch_first"])
    return torch.lstm(x, [h, c], *rest) if a["cell"] == "lstm" else getattr(torch, a["cell"])(x, h, *rest)


def _scatter(a, x, index, y):
    if a["function"] == "set":
        return x.scatter(a["dim"], index, y)
    return x.scatter_reduce(a["dim"], index, y, {"add": "sum", "max": "amax", "min": "amin"}[a["function"]])


def _look_up(a, table, index):
    d = a.get("dim", 0)
    picked = table.index_select(d, index.reshape(-1) % table.shape[d])
    return picked.reshape(*table.shape[:d], *index.shape, *table.shape[d + 1:])


def _pad(a, x):
    edges = [n for pair in zip(a["low"], a["high"], strict=True) for n in pair]
    flat = [n for k in range(x.dim())[::-1] for n in edges[2 * k:2 * k + 2]]
    if a["function"] == "constant":
        return F.pad(x, flat, value=a["value"])
    return F.pad(x, flat[:2 * (x.dim() - 2)] if x.dim() > 2 else flat, mode=a["function"])


def _spread(kind, a, x, shape):
    k = len(a["dims"])
    if kind == "resample":
        more = {} if "nearest" in a["function"] else {"align_corners": a["align"]}
        return F.interpolate(x, list(shape[-k:]), mode=a["function"], **more)
    if a.get("adaptive"):
        return getattr(F, f"adaptive_{'max' if a['function'] == 'max' else 'avg'}_pool{k}d")(x, shape[-k:])
    if a["function"] == "max":
        return getattr(F, f"max_pool{k}d")(x, a["window"], a["stride"], a["padding"], a["dilation"], a["ceil"])
    return getattr(F, f"avg_pool{k}d")(x, a["window"], a["stride"], a["padding"], a["ceil"], a["count_padding"])


_PLAIN = {
    "elementwise": _elementwise, "contract": _contract, "convolve": _convolve, "slice": _slice, "broadcast": _broadcast,
    "reduce": _reduce, "normalize": _normalize, "attention": _attention, "recur": _recur, "scatter": _scatter,
    "look_up": _look_up, "route": lambda a, x, w, ends: _route(x, w, ends), "pad": _pad, "logical": _logical,
    "compare": lambda a, x, y: getattr(torch, a["function"])(x, y),
    "choose": lambda a, c, x, y: torch.where(c, x, y), "reshape": lambda a, x: x.reshape(a["shape"]),
    "permute": lambda a, x: x.permute(a["dims"]), "concatenate": lambda a, *xs: torch.cat(xs, a["dim"]),
    "flip": lambda a, x: x.flip(a["dims"]), "roll": lambda a, x: x.roll(a["shifts"], a["dims"]),
    "softmax": lambda a, x: (torch.log_softmax if a["log"] else torch.softmax)(x, a["dims"][0]),
    "dropout": lambda a, x: x, "detach": lambda a, x: x.detach(),
    "gather": lambda a, x, index: x.gather(a["dim"], index),
    "cumulate": lambda a, x: {"sum": torch.cumsum, "prod": torch.cumprod,
                              "logsumexp": torch.logcumsumexp}[a["function"]](x, a["dim"]),
    "one_hot": lambda a, x: F.one_hot(x, a["classes"]),
    "sort": lambda a, x: tuple(x.sort(a["dim"], a["descending"])),
    "topk": lambda a, x: tuple(x.topk(a["k"], a["dim"], a.get("largest", True))),
}
