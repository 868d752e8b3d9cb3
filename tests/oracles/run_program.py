"""A program run by PyTorch, operation by operation of the vocabulary: the oracle for the proof and for readers."""

import math

import numpy as np
import torch
import torch.nn.functional as F

from initcore import activations

_TORCH = {"tanh": torch.tanh, "relu": torch.relu, "sigmoid": torch.sigmoid, "identity": lambda z: z, "silu": F.silu,
          "gelu": F.gelu, "softplus": F.softplus, "softsign": F.softsign, "erf": torch.erf, "elu": F.elu,
          "arctan": torch.atan, "selu": F.selu, "mish": F.mish, "hard_tanh": F.hardtanh, "hard_sigmoid": F.hardsigmoid,
          "gelu_tanh": lambda z: F.gelu(z, approximate="tanh"), "sin": torch.sin, "leaky_relu": F.leaky_relu}
_UNARY = {"neg": torch.neg, "abs": torch.abs, "square": torch.square, "exp": torch.exp, "log": torch.log,
          "sqrt": torch.sqrt, "rsqrt": torch.rsqrt, "reciprocal": torch.reciprocal, "cos": torch.cos, "sin": torch.sin,
          "cast": lambda z: z, "erf": torch.erf, "sign": torch.sign, "floor": torch.floor, "expm1": torch.expm1,
          "log1p": torch.log1p, "round": torch.round}
_BINARY = {"add": torch.add, "subtract": torch.sub, "multiply": torch.mul, "divide": torch.div,
           "maximum": torch.maximum, "minimum": torch.minimum, "power": torch.pow, "remainder": torch.remainder}


_COMPARE = {"lt": torch.lt, "le": torch.le, "ge": torch.ge, "eq": torch.eq, "ne": torch.ne}


def values(program, inputs, parameters):
    """Every value of a program, given its inputs and parameters (tensors by :class:`Value`)."""
    at = {**dict(zip(program.inputs, inputs)), **parameters}
    kind = next((t.dtype for t in parameters.values() if t.is_floating_point()), torch.float64)
    constants = {v: torch.as_tensor(np.array(a)) for v, a in program.constants.items()}
    at.update({v: t.to(kind) if t.is_floating_point() and t.ndim else t for v, t in constants.items()})
    for op in program.ops:
        given = [None if v is None else at[v] for v in op.inputs]
        made = _run(op, given)
        at.update(zip(op.outputs, made if isinstance(made, tuple) else (made,)))
        for v in op.outputs:
            assert tuple(at[v].shape) == v.shape, (op, at[v].shape)
    return at


def _run(op, x):
    a = op.attributes
    kind = op.kind
    if kind in _BINARY:
        return _BINARY[kind](*x)
    if kind == "activation":
        phi = activations.get(a["activation"])
        if phi.name.startswith("leaky_relu_"):
            return F.leaky_relu(x[0], float(phi.name.removeprefix("leaky_relu_")))
        return _TORCH[phi.name.split("(")[0]](x[0])
    if kind == "elementwise":
        return _elementwise(a, x[0])
    if kind == "contract":
        return _contract(x[0], x[1], a["contracting"], a.get("batch") or ((), ()))
    if kind == "convolve":
        return _convolve(a, x[0], x[1])
    if kind == "route":
        edges = [0, *(int(n) for n in x[2])]
        return torch.cat([x[0][a:b] @ w for a, b, w in zip(edges, edges[1:], x[1])])
    if kind == "look_up":
        d, (table, index) = a.get("dim", 0), x
        picked = table.index_select(d, index.reshape(-1).long())
        return picked.reshape(*table.shape[:d], *index.shape, *table.shape[d + 1:])
    return _MOVES[kind](a, x) if kind in _MOVES else _others(kind, a, x, op)


def _elementwise(a, x):
    name = a["function"]
    if name == "power":
        return x ** a["exponent"]
    if name == "clamp":
        return x.clamp(a.get("low"), a.get("high"))
    if name == "scale":
        return x * a["factor"]
    if name == "shift":
        return x + a["offset"]
    return _UNARY[name](x)


def _contract(x, y, over, batch):
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    lx = [next(letters) for _ in x.shape]
    ly = [next(letters) for _ in y.shape]
    for i, j in [*zip(*over), *zip(*batch)]:
        ly[j] = lx[i]
    out = [lx[i] for i in batch[0]] + [c for i, c in enumerate(lx) if i not in (*over[0], *batch[0])] + \
        [c for j, c in enumerate(ly) if j not in (*over[1], *batch[1])]
    return torch.einsum(f"{''.join(lx)},{''.join(ly)}->{''.join(out)}", x, y)


def _convolve(a, x, w):
    n = x.dim() - 2
    x = x.permute(*a["x_dims"])
    w = w.permute(*a["w_dims"])
    stride, dilation, padding = (a.get(k) or d for k, d in (("stride", (1,) * n), ("dilation", (1,) * n),
                                                         ("padding", (0,) * n)))
    if a.get("transposed"):
        padding = tuple(n[0] if isinstance(n, tuple) else n for n in padding)
        f = (F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d)[n - 1]
        y = f(x, w.transpose(0, 1), None, stride, padding, a.get("output_padding") or 0, a.get("groups", 1), dilation)
    else:
        f = (F.conv1d, F.conv2d, F.conv3d)[n - 1]
        if padding and isinstance(padding[0], tuple):
            x, padding = F.pad(x, [n for both in padding[::-1] for n in both]), (0,) * n
        y = f(x, w, None, stride, padding, dilation, a.get("groups", 1))
    return y.permute(*np.argsort(a["x_dims"]).tolist())


def _slice(a, x):
    steps = a.get("steps") or (1,) * x[0].dim()
    return x[0][tuple(slice(b, e, s) for b, e, s in zip(a["starts"], a["stops"], steps))]


def _pad(a, x):
    flat = [n for low, high in zip(a["low"][::-1], a["high"][::-1]) for n in (low, high)]
    return F.pad(x[0], flat)


def _broadcast(a, x):
    inner = [1] * len(a["shape"])
    for i, d in enumerate(a["dims"]):
        inner[d] = x[0].shape[i]
    return x[0].permute([int(d) for d in np.argsort(a["dims"])]).reshape(inner).expand(*a["shape"])


_MOVES = {
    "reshape": lambda a, x: x[0].reshape(a["shape"]), "permute": lambda a, x: x[0].permute(*a["dims"]),
    "broadcast": _broadcast, "slice": _slice, "concatenate": lambda a, x: torch.cat(x, a["dim"]), "pad": _pad,
    "flip": lambda a, x: x[0].flip(a["dims"]), "roll": lambda a, x: x[0].roll(a["shifts"], a["dims"]),
    "choose": lambda a, x: torch.where(x[0].bool(), x[1], x[2]),
    "softmax": lambda a, x: _softmax(x[0], a["dims"], a.get("log", False)), "detach": lambda a, x: x[0].detach(),
    "gather": lambda a, x: x[0].gather(a["dim"], x[1].long()),
    "compare": lambda a, x: _COMPARE.get(a["function"], torch.gt)(x[0], x[1]).to(x[0].dtype),
    "cumulate": lambda a, x: x[0].cumsum(a["dim"]),
    "one_hot": lambda a, x: F.one_hot(x[0].long(), a["classes"]).double(),
}


def _softmax(x, dims, log):
    y = x - x.logsumexp(dims, keepdim=True)
    return y if log else y.exp()


def _others(kind, a, x, op):
    if kind == "reduce":
        return _reduce(a, x[0])
    if kind == "arange":
        (v,) = op.outputs
        return torch.arange(v.shape[0] if v.shape else 1, dtype=torch.float64).reshape(v.shape)
    if kind == "normalize":
        return _normalize(a, *[*x, None, None, None, None][:5])
    if kind == "attention":
        return _attention(a, *[*x, None][:4])
    if kind == "dropout":
        shape = [1 if d in (a.get("dims") or ()) else n for d, n in enumerate(x[0].shape)]
        return x[0] * (torch.rand(shape, dtype=x[0].dtype) > a["rate"]) / (1 - a["rate"])
    if kind == "scatter":
        index = x[1].long()
        x = [x[0].double(), index, *(t.double() for t in x[2:])]
        if a.get("function") == "add":
            return x[0].scatter_add(a["dim"], index, x[2])
        return x[0].scatter(a["dim"], index, x[2])
    if kind == "topk":
        return tuple(x[0].topk(a["k"], a["dim"]))
    if kind == "sort":
        return tuple(x[0].sort(a["dim"]))
    if kind == "pool" and len(a["dims"]) > 1:
        y = x[0]
        for d, window, step in zip(a["dims"], a["window"], a["stride"]):
            y = y.unfold(d, window, step)
        inner = tuple(range(x[0].dim(), y.dim()))
        return y.amax(inner) if a["function"] == "max" else y.mean(inner)
    if kind == "pool":
        y = x[0]
        if any(a.get("padding") or ()):
            sizes = [a["padding"][a["dims"].index(d)] if d in a["dims"] else 0 for d in range(y.dim() - 1, -1, -1)]
            wide = [n for one in sizes for n in (one if isinstance(one, tuple) else (one, one))]
            y = F.pad(y, wide, value=-1e30 if a.get("function", "max") == "max" else 0.0)
        for k, d in enumerate(a["dims"]):
            y = y.unfold(d, *((a["window"][k], a["stride"][k]) if "window" in a else (2, 2)))
        last = tuple(range(x[0].dim(), y.dim()))
        return y.amax(last) if a.get("function", "max") == "max" else y.mean(last)
    if kind == "recur":
        return _recur(a, x)
    if kind == "opaque":
        return tuple(_unknown(x, v.shape, k) for k, v in enumerate(op.outputs))
    raise NotImplementedError(kind)


def _unknown(x, shape, k):
    """Something of all it takes, with an order of its own, and different everywhere."""
    total = sum((v.double().reshape(-1) * torch.linspace(0.3, 0.7, v.numel(), dtype=torch.float64)).sum() for v in x)
    place = torch.arange(math.prod(shape), dtype=torch.float64).reshape(shape)
    return torch.sin(total * (1 + 0.1 * torch.cos(place)) + 1.7 * place + k)


def _reduce(a, x):
    dims = a.get("dims")
    dims = tuple(range(x.dim())) if dims is None else tuple(dims)
    keep, name = bool(a.get("keep", False)), a["function"]
    if name in ("max", "min"):
        for d in sorted(dims, reverse=True):
            x = (x.max(d, keepdim=True) if name == "max" else x.min(d, keepdim=True)).values
        return x if keep else x.reshape([n for d, n in enumerate(x.shape) if d not in dims])
    f = {"sum": torch.sum, "mean": torch.mean, "amax": torch.amax, "amin": torch.amin, "logsumexp": torch.logsumexp,
         "norm": torch.linalg.vector_norm, "var": torch.var, "std": torch.std}[name]
    return f(x, dim=dims, keepdim=keep) if dims else x


def _normalize(a, x, gamma, beta, mean, var):
    method, eps, channel = a["method"], a.get("eps", 1e-5), a.get("channel")
    shape, n = x.shape, x.dim()
    if method in ("layer", "rms"):
        own = tuple(a.get("dims") or (n - 1,))
        over = own
    else:
        own = (channel,)
        over = tuple(d for d in range(n) if d != channel) if method == "batch" else \
            tuple(d for d in range(1, n) if d != channel)
    if method == "group":
        g = a["groups"]
        y = x.reshape(*shape[:channel], g, shape[channel] // g, *shape[channel + 1:])
        over = tuple(d for d in range(1, n + 1) if d != channel)
        y = (y - y.mean(over, keepdim=True)) / (y.var(over, unbiased=False, keepdim=True) + eps).sqrt()
        y = y.reshape(shape)
    elif method == "rms":
        y = x / (x.square().mean(over, keepdim=True) + eps).sqrt()
    else:
        y = (x - x.mean(over, keepdim=True)) / (x.var(over, unbiased=False, keepdim=True) + eps).sqrt()
    wide = [m if d in own else 1 for d, m in enumerate(shape)]
    y = y if gamma is None else y * gamma.reshape(wide)
    return y if beta is None else y + beta.reshape(wide)


def _attention(a, q, k, v, mask):
    share = a.get("queries", 1)
    if share > 1:
        k, v = (t.repeat_interleave(share, -3) for t in (k, v))
    s = q @ k.transpose(-1, -2) * (a.get("scale") or 1 / math.sqrt(q.shape[-1]))
    if mask is not None:
        s = s + mask
    if a.get("causal"):
        s = s + torch.full(s.shape[-2:], -1e30, dtype=s.dtype).triu(1)
    return s.softmax(-1) @ v


def _recur(a, x):
    x, h0, c0, *weights = [None if t is None else t.to(x[0].dtype) for t in x]
    cell = a["cell"]
    ways = 1 + bool(a.get("bidirectional"))
    size = [a.get("layers", 1) * ways, x.shape[0] if a.get("batch_first") else x.shape[1], weights[1].shape[1]]
    h0 = torch.zeros(size, dtype=x.dtype) if h0 is None else h0
    size[2] = weights[1].shape[0] // 4 if cell == "lstm" else size[2]
    common = (weights, bool(a.get("biases", True)), a.get("layers", 1), 0.0, True, ways == 2,
              bool(a.get("batch_first")))
    if cell == "lstm":
        c0 = torch.zeros(size, dtype=x.dtype) if c0 is None else c0
        return tuple(torch.lstm(x, (h0, c0), *common))
    f = {"gru": torch.gru, "rnn_tanh": torch.rnn_tanh, "rnn_relu": torch.rnn_relu}[cell]
    y, h = f(x, h0, *common)
    return y, h
