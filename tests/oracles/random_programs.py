"""Random programs with planted symmetries, for the experiment of the proof."""

import numpy as np
from program_builder import Builder

from initcore.program import Op, Value

BATCH, TIME = 3, 4
_ACTS = ("tanh", "relu", "gelu", "sigmoid", "silu", "sin", "softplus", "identity", "leaky_relu")
MODES = ("random", "constant", "zero", "small", "cells", "cells", "signs", "rows", "mixed")


class Random:
    """Draws a program: ``mode`` says what its weights are like."""

    def __init__(self, rng, mode):
        self.rng, self.mode, self.b = rng, mode, Builder(rng)
        self.count = 0
        self.cells = {}

    def weight(self, *shape):
        """Rows are targets: ``(out, in)``, or per-unit numbers."""
        self.count += 1
        return self.b.weight(f"w{self.count}", self.numbers(shape))

    def numbers(self, shape):
        rng, mode = self.rng, self.mode
        if mode == "mixed":
            mode = rng.choice(["random", "constant", "zero", "cells", "rows"])
        if mode == "random":
            return rng.normal(size=shape)
        if mode == "constant":
            return np.full(shape, rng.choice([0.5, -0.25]))
        if mode == "zero":
            return np.zeros(shape) if rng.random() < 0.6 else rng.normal(size=shape)
        if mode == "small":
            return rng.choice([0.0, 0.5], size=shape)
        if mode == "rows":
            a = rng.normal(size=shape)
            a[-1] = a[0]
            return a
        labels = [self.labels(n) for n in shape]
        a = rng.normal(size=shape)
        for d, (cell, sign) in enumerate(labels):
            a = np.take(a, cell, axis=d)
            if mode == "signs":
                a = a * sign.reshape([-1 if i == d else 1 for i in range(len(shape))])
        return a

    def labels(self, n):
        """One partition for every width: units 0 and 2 are alike, 1 and n-1 where there are six."""
        cell = np.arange(n)
        sign = np.ones(n)
        if n >= 4:
            cell[2] = 0
            sign[2] = -1
        if n >= 6:
            cell[n - 1] = 1
        return cell, sign

    def program(self):
        b, rng = self.b, self.rng
        x = b.input(BATCH, TIME, 3)
        pool = [self.dense(x), self.dense(x)]
        for _ in range(int(rng.integers(3, 9))):
            pick = pool[int(rng.integers(max(0, len(pool) - 3), len(pool)))]
            pool.append(getattr(self, rng.choice(OPS))(pick, pool))
        last = pool[-1]
        if rng.random() < 0.3:
            last = b.op("reduce", last, shape=(BATCH, last.shape[-1]), function="mean", dims=(1,))
        y = self.out(last)
        return b.program(y)

    def out(self, x):
        self.count += 1
        w = self.b.weight(f"head{self.count}", self.numbers((2, x.shape[-1])))
        return self.b.linear(x, w)

    # --- operations ----------------------------------------------------------------------------------

    def dense(self, x, pool=None):
        n = int(self.rng.choice([4, 4, 6]))
        y = self.b.linear(x, self.weight(n, x.shape[-1]))
        if self.rng.random() < 0.6:
            y = self.b.add(y, self.weight(n))
        return self.b.act(y, str(self.rng.choice(_ACTS))) if self.rng.random() < 0.7 else y

    def act(self, x, pool):
        return self.b.act(x, str(self.rng.choice(_ACTS)))

    def mate(self, x, pool):
        fits = [v for v in pool if v.shape == x.shape and v is not x]
        if fits:
            return fits[int(self.rng.integers(len(fits)))]
        return self.b.linear(x, self.weight(x.shape[-1], x.shape[-1]))

    def add(self, x, pool):
        return self.b.add(x, self.mate(x, pool))

    def gate(self, x, pool):
        return self.b.mul(x, self.mate(x, pool))

    def glu(self, x, pool):
        n = int(self.rng.choice([4, 6]))
        g = self.b.act(self.b.linear(x, self.weight(n, x.shape[-1])), str(self.rng.choice(_ACTS)))
        return self.b.mul(g, self.b.linear(x, self.weight(n, x.shape[-1])))

    def residual(self, x, pool):
        h = self.dense(x)
        return self.b.add(x, self.b.linear(h, self.weight(x.shape[-1], h.shape[-1])))

    def norm(self, x, pool):
        n, method = x.shape[-1], str(self.rng.choice(["layer", "rms", "batch", "group"]))
        options = {"layer": {"dims": (2,)}, "rms": {"dims": (2,)}, "batch": {"channel": 2},
                   "group": {"channel": 2, "groups": 2}}[method]
        gamma = self.weight(n) if self.rng.random() < 0.6 else None
        return self.b.norm(x, method, gamma, self.weight(n) if gamma is not None else None, eps=0.1, **options)

    def hand_rms(self, x, pool):
        b = self.b
        s = b.op("elementwise", x, shape=x.shape, function="square")
        m = b.op("reduce", s, shape=(BATCH, TIME, 1), function="mean", dims=(2,), keep=True)
        m = b.op("elementwise", m, shape=m.shape, function="shift", offset=0.1)
        r = b.op("elementwise", m, shape=m.shape, function="rsqrt")
        return b.mul(b.mul(x, r), self.weight(x.shape[-1]))

    def scale(self, x, pool):
        return self.b.mul(x, self.weight(x.shape[-1]) if self.rng.random() < 0.6 else self.weight(1))

    def halves(self, x, pool):
        b, n = self.b, x.shape[-1]
        u, v = b.slice(x, 2, 0, n // 2), b.slice(x, 2, n // 2, n)
        kind = self.rng.integers(3)
        if kind == 0:
            return b.concat(2, v, u)
        if kind == 1:
            turned = b.concat(2, b.op("elementwise", v, shape=v.shape, function="neg"), u)
            c = b.constant(self.rng.normal(size=(TIME, n // 2)))
            c = b.concat(1, c, c)
            return b.add(b.mul(x, c), turned)
        return b.concat(2, b.mul(u, v), b.act(u, "tanh"))

    def flipped(self, x, pool):
        return self.b.add(x, self.b.op("flip", x, shape=x.shape, dims=(2,)))

    def early(self, x, pool):
        """Places of the data mixed among units."""
        b, n = self.b, x.shape[-1]
        late = b.op("roll", x, shape=x.shape, shifts=(1,), dims=(1,))
        return b.concat(2, b.slice(x, 2, 0, n // 2), b.slice(late, 2, n // 2, n))

    def softmax(self, x, pool):
        return self.b.op("softmax", x, shape=x.shape, dims=(int(self.rng.choice([1, 2])),))

    def squeeze(self, x, pool):
        b = self.b
        m = b.op("reduce", x, shape=(BATCH, 1, x.shape[-1]), function="mean", dims=(1,), keep=True)
        g = b.act(b.linear(b.act(b.linear(m, self.weight(4, x.shape[-1])), "relu"), self.weight(x.shape[-1], 4)),
                  "sigmoid")
        return b.mul(x, g)

    def heads(self, x, pool):
        """Two heads, each multiplied by its own mean, and put together again."""
        b, n = self.b, x.shape[-1]
        h = b.reshape(x, BATCH, TIME, 2, n // 2)
        m = b.op("reduce", h, shape=(BATCH, TIME, 2, 1), keep=True, dims=(3,),
                 function=str(self.rng.choice(["mean", "amax", "max", "logsumexp"])))
        return b.reshape(b.mul(h, m), BATCH, TIME, n)

    def attention(self, x, pool):
        b, n = self.b, x.shape[-1]
        packed = self.rng.random() < 0.5
        if packed:
            qkv = b.linear(x, self.weight(12, n))
            q, k, v = (b.slice(qkv, 2, 4 * i, 4 * i + 4) for i in range(3))
            kv = 2
        else:
            kv = int(self.rng.choice([1, 2]))
            q, k, v = (b.linear(x, self.weight(m, n)) for m in (4, 2 * kv, 2 * kv))
        q, k, v = (b.permute(b.reshape(t, BATCH, TIME, t.shape[-1] // 2, 2), 0, 2, 1, 3) for t in (q, k, v))
        y = b.op("attention", q, k, v, None, shape=q.shape, queries=2 // kv, causal=bool(self.rng.random() < 0.5))
        y = b.reshape(b.permute(y, 0, 2, 1, 3), BATCH, TIME, 4)
        y = b.linear(y, self.weight(n, 4))
        return b.add(x, y) if self.rng.random() < 0.6 else y

    def cell(self, x, pool):
        b, n, m = self.b, 4, x.shape[-1]
        kind = str(self.rng.choice(["lstm", "gru", "rnn_tanh", "rnn_relu"]))
        per = {"lstm": 4, "gru": 3}.get(kind, 1)
        gates = [[self.numbers((n, k)) for _ in range(per)] for k in (m, n)]
        ws = [b.weight(f"c{len(b.parameters)}", np.concatenate(g)) for g in gates]
        bs = [b.weight(f"c{len(b.parameters)}", np.concatenate([self.numbers((n,)) for _ in range(per)]))
              for _ in range(2)]
        y = self._value((BATCH, TIME, n))
        rest = [self._value((1, BATCH, n)) for _ in range(2 if kind == "lstm" else 1)]
        b.ops.append(Op("recur", (x, None, None, *ws, *bs), (y, *rest), {"cell": kind, "batch_first": True}))
        return y

    @staticmethod
    def _value(shape):
        return Value(shape, "float64")

    def experts(self, x, pool):
        """Three experts in one tensor, weighed by a softmax router."""
        b, n = self.b, x.shape[-1]
        gate = b.op("softmax", b.linear(x, self.weight(3, n)), shape=(BATCH, TIME, 3), dims=(2,))
        up, down = (b.weight(f"e{len(b.parameters)}", np.stack([self.numbers(s)] * 3) if self.rng.random() < 0.5 else
                             np.stack([self.numbers(s) for _ in range(3)])) for s in ((n, 4), (4, n)))
        wide = b.op("broadcast", x, shape=(3, BATCH, TIME, n), dims=(1, 2, 3))
        h = b.act(b.op("contract", wide, up, shape=(3, BATCH, TIME, 4), contracting=((3,), (1,)), batch=((0,), (0,))))
        y = b.op("contract", h, down, shape=(3, BATCH, TIME, n), contracting=((3,), (1,)), batch=((0,), (0,)))
        g = b.reshape(b.permute(gate, 2, 0, 1), 3, BATCH, TIME, 1)
        return b.op("reduce", b.mul(y, g), shape=x.shape, function="sum", dims=(0,))

    def convolve(self, x, pool):
        n = x.shape[-1]
        groups = int(self.rng.choice([1, 1, 2, n]))
        w = np.stack([self.numbers((n, n // groups)) for _ in range(2)], axis=-1)
        return self._conv(x, w, groups)

    def _conv(self, x, w, groups):
        b, n = self.b, x.shape[-1]
        y = b.op("convolve", x, b.weight(f"k{len(b.parameters)}", w), shape=(BATCH, TIME + 1, n), x_dims=(0, 2, 1),
                 w_dims=(0, 1, 2), groups=groups, padding=(1,))
        return b.slice(y, 1, 0, TIME)

    def shared(self, x, pool):
        """One layer twice."""
        b, n = self.b, x.shape[-1]
        w = self.weight(n, n)
        return b.linear(b.act(b.linear(x, w), str(self.rng.choice(_ACTS))), w)

    def transposed(self, x, pool):
        """Into a layer and back by the same weights."""
        b, n = self.b, x.shape[-1]
        w = self.weight(4, n)
        h = b.act(b.linear(x, w), str(self.rng.choice(_ACTS)))
        return b.op("contract", h, w, shape=x.shape, contracting=((2,), (0,)))

    def opaque(self, x, pool):
        return self.b.op("opaque", x, shape=x.shape)

    def masked(self, x, pool):
        """Where the unit is positive, else a half."""
        b = self.b
        cond = b.op("compare", x, b.constant(0.0), shape=x.shape, function="greater")
        return b.op("choose", cond, x, b.mul(x, b.constant(0.5)), shape=x.shape)

    def positions(self, x, pool):
        w = np.stack([self.numbers((x.shape[-1],)) for _ in range(TIME)])
        return self.b.add(x, self.b.weight(f"p{len(self.b.parameters)}", w))


OPS = ("dense", "dense", "act", "add", "gate", "glu", "residual", "norm", "norm", "hand_rms", "scale", "halves",
       "flipped", "early", "softmax", "squeeze", "heads", "attention", "attention", "cell", "experts", "convolve",
       "shared", "transposed", "opaque", "masked", "positions")


def random_program(seed):
    """A program and the mode of its weights."""
    rng = np.random.default_rng(seed)
    mode = MODES[seed % len(MODES)]
    return Random(rng, mode).program(), mode
