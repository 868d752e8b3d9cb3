"""Random programs of several towers that are one function of their weights: ensembles, experts, halves of a layer.

Weights of the second tower are those of the first with the units of every hidden layer in another order, and some
towers differ in one number.
"""

import numpy as np
from random_programs import _ACTS, BATCH, MODES, TIME, Random

KINDS = ("critics", "average", "experts", "halves", "stacked", "heads", "trunk", "normed")


class Twins(Random):
    """``kind``: what is made of the towers; ``mode``: as in :mod:`random_programs`, of the first tower."""

    def __init__(self, rng, mode, kind):
        super().__init__(rng, mode)
        self.kind = kind
        self.wide = int(rng.choice([4, 6]))
        self.phi = [str(rng.choice(_ACTS)) for _ in range(3)]
        self.norm_kind = str(rng.choice(["layer", "rms", "batch"])) if kind == "normed" else ""
        self.deep = int(rng.integers(1, 3))

    def draw(self, n, out):
        """One tower's numbers: (weight, bias) a layer."""
        sizes = [n, *[self.wide] * self.deep, out]
        return [(self.numbers((b, a)), self.numbers((b,))) for a, b in zip(sizes, sizes[1:])]

    def copy(self, layers):
        """The same tower, its units in another order; now and then with one number changed."""
        new, order = [], np.arange(layers[0][0].shape[1])
        for k, (w, b) in enumerate(layers):
            out = self.rng.permutation(len(w)) if k < len(layers) - 1 and self.kind != "stacked" else np.arange(len(w))
            new.append((w[out][:, order].copy(), b[out].copy()))
            order = out
        if self.rng.random() < 0.3:
            w, b = new[int(self.rng.integers(len(new)))]
            (w if self.rng.random() < 0.7 else b).flat[0] += 0.5
        return new

    def tower(self, x, layers):
        b = self.b
        for k, (w, bias) in enumerate(layers):
            self.count += 1
            x = b.linear(x, b.weight(f"t{self.count}.w", w), b.weight(f"t{self.count}.b", bias), f"t{self.count}")
            if k < len(layers) - 1:
                x = b.act(x, self.phi[k])
                if self.norm_kind:
                    over = {"channel": 2} if self.norm_kind == "batch" else {"dims": (2,)}
                    x = b.norm(x, self.norm_kind, eps=0.1, **over)
        return x

    def program(self):
        x = self.b.input(BATCH, TIME, 3)
        if self.rng.random() < 0.4 and self.kind != "stacked":
            x = self.dense(x)
        return self.b.program(*getattr(self, self.kind)(x))

    def pair(self, x, out):
        first = self.draw(x.shape[-1], out)
        return [self.tower(x, layers) for layers in (first, self.copy(first))]

    def critics(self, x):
        return self.pair(x, int(self.rng.integers(1, 3)))

    normed = critics

    def average(self, x):
        one, two = self.pair(x, 2)
        return [self.b.add(one, two)]

    def trunk(self, x):
        one, two = self.pair(x, 4)
        return [self.out(self.b.act(self.b.concat(2, one, two), "tanh"))]

    def experts(self, x):
        """A list of experts, weighed by a softmax router, added to one another and perhaps to a stream."""
        b, n = self.b, x.shape[-1]
        first = self.draw(n, n)
        towers = [first, self.copy(first), self.draw(n, n) if self.rng.random() < 0.5 else self.copy(first)]
        router = self.numbers((3, n))
        if self.rng.random() < 0.7:
            router[1] = router[0]
        gate = b.op("softmax", b.linear(x, b.weight("router", router)), shape=(BATCH, TIME, 3), dims=(2,))
        if self.rng.random() < 0.4:                        # stacked, weighed and summed
            made = b.concat(0, *(b.reshape(self.tower(x, layers), 1, BATCH, TIME, n) for layers in towers))
            g = b.reshape(b.permute(gate, 2, 0, 1), 3, BATCH, TIME, 1)
            return [self.out(b.op("reduce", b.mul(made, g), shape=x.shape, function="sum", dims=(0,)))]
        total = x if self.rng.random() < 0.4 else None
        for e, layers in enumerate(towers):
            y = b.mul(self.tower(x, layers), b.slice(gate, 2, e, e + 1))
            total = y if total is None else b.add(total, y)
        return [self.out(total)]

    def halves(self, x):
        """Two halves of one layer, each read by a layer of its own."""
        b, n = self.b, 2 * self.wide
        w = self.numbers((self.wide, x.shape[-1]))
        order = self.rng.permutation(self.wide)
        h = b.act(b.linear(x, b.weight("wide", np.concatenate([w, w[order]]))), self.phi[0])
        head = self.numbers((2, self.wide))
        u, v = b.slice(h, 2, 0, n // 2), b.slice(h, 2, n // 2, n)
        return [b.add(b.linear(u, b.weight("left", head)), b.linear(v, b.weight("right", head[:, order])))]

    def heads(self, x):
        """Heads of attention as modules of their own, put side by side."""
        b = self.b
        ws = [self.numbers((2, x.shape[-1])) for _ in range(3)]
        made = []
        for e in range(2):
            q, k, v = (b.reshape(b.linear(x, b.weight(f"h{e}{i}", w)), BATCH, 1, TIME, 2) for i, w in enumerate(ws))
            made.append(b.reshape(b.op("attention", q, k, v, None, shape=q.shape), BATCH, TIME, 2))
            if self.rng.random() < 0.4:
                ws[int(self.rng.integers(3))].flat[0] += 0.5
        head = self.numbers((2, 2))
        return [b.linear(b.concat(2, *made), b.weight("head", np.concatenate([head, head], axis=1)))]

    def stacked(self, x):
        """All towers in one tensor each layer; the first dim of the output counts them."""
        b, n = self.b, x.shape[-1]
        first = self.draw(n, 2)
        towers = [first, self.copy(first), self.draw(n, 2)]
        h = b.op("broadcast", x, shape=(3, BATCH, TIME, n), dims=(1, 2, 3))
        for k in range(len(first)):
            w = b.weight(f"s{k}.w", np.stack([t[k][0] for t in towers]))
            bias = b.weight(f"s{k}.b", np.stack([t[k][1] for t in towers]))
            wide = w.shape[1]
            h = b.op("contract", h, w, shape=(3, BATCH, TIME, wide), contracting=((3,), (2,)), batch=((0,), (0,)))
            h = b.add(h, b.reshape(bias, 3, 1, 1, wide))
            h = b.act(h, self.phi[k]) if k < len(first) - 1 else h
        return [h]


def random_twins(seed):
    """A program, the mode of its weights, what its towers are, and whether its outputs have one target."""
    rng = np.random.default_rng(seed)
    mode, kind = MODES[seed % len(MODES)], KINDS[seed % len(KINDS)]
    promised = kind in ("critics", "normed", "stacked") and rng.random() < 0.8
    made = Twins(rng, mode, kind)
    return made.program(), mode, kind, bool(promised)
