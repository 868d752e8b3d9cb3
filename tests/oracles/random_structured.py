"""Random programs built as networks are: U-Nets, dense and depthwise blocks, transformers, gates, routed experts.

Weights as in :mod:`random_programs`, and two kinds more: ``gates`` plants units that are each other up to signs of
their factors, or have some factors 0; ``routed`` plants copies of units inside experts and copies of experts.
"""

import numpy as np
from random_programs import _ACTS, BATCH, MODES, TIME, Random

from initcore.program import Op, Value

KINDS = ("unet", "gates", "transformer", "routed", "dense_block", "separable", "gates", "grouped")
SIGNS = ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))


class Structured(Random):
    """``kind``: what is drawn."""

    def program(self):
        x = self.b.input(BATCH, TIME, 3)
        return self.b.program(self.out(getattr(self, self.kind)(x)))

    def phi(self, x):
        return self.b.act(x, str(self.rng.choice(_ACTS)))

    def conv(self, x, m, groups=1, taps=2):
        """Channels last along time, as many places as before."""
        b, n, t = self.b, x.shape[-1], x.shape[1]
        w = np.stack([self.numbers((m, n // groups)) for _ in range(taps)], axis=-1)
        pad = taps // 2
        y = b.op("convolve", x, b.weight(f"k{len(b.parameters)}", w), shape=(BATCH, t + 2 * pad - taps + 1, m),
                 x_dims=(0, 2, 1), w_dims=(0, 1, 2), groups=groups, padding=(pad,))
        y = b.slice(y, 1, 0, t)
        return b.add(y, self.weight(m)) if self.rng.random() < 0.5 else y

    def normed(self, x):
        return self.norm(x, None) if self.rng.random() < 0.6 else x

    def wide(self):
        return int(self.rng.choice([4, 6]))

    # --- convolutions ----------------------------------------------------------------------------------------

    def unet(self, x):
        """Down, across, up, and beside what was there."""
        b, n, m = self.b, self.wide(), self.wide()
        skip = self.phi(self.normed(self.conv(x, n)))
        function = str(self.rng.choice(["max", "average"]))
        low = b.op("pool", skip, shape=(BATCH, TIME // 2, n), dims=(1,), window=(2,), stride=(2,), function=function)
        low = self.phi(self.normed(self.conv(low, m, taps=3)))
        low = b.reshape(low, BATCH, TIME // 2, 1, m)
        up = b.op("broadcast", low, shape=(BATCH, TIME // 2, 2, m), dims=(0, 1, 2, 3))
        up = b.reshape(up, BATCH, TIME, m)
        up = self.conv(up, n) if self.rng.random() < 0.5 else up
        both = b.concat(2, up, skip) if self.rng.random() < 0.7 or up.shape != skip.shape else b.add(up, skip)
        return self.phi(self.conv(both, self.wide()))

    def dense_block(self, x):
        """Every layer reads all before it."""
        made = [self.conv(x, 4)]
        for _ in range(int(self.rng.integers(2, 4))):
            all_ = made[0] if len(made) == 1 else self.b.concat(2, *made)
            made.append(self.conv(self.phi(self.normed(all_)), 4))
        return self.normed(self.b.concat(2, *made))

    def separable(self, x):
        """Inverted residuals: wide, channel by channel, narrow."""
        x = self.phi(self.conv(x, self.wide()))
        for _ in range(int(self.rng.integers(1, 3))):
            h = self.phi(self.normed(self.b.linear(x, self.weight(6, x.shape[-1]))))
            h = self.phi(self.normed(self.conv(h, 6, groups=6, taps=int(self.rng.choice([2, 3])))))
            if self.rng.random() < 0.4:
                h = self.squeeze(h, None)
            x = self.b.add(x, self.normed(self.b.linear(h, self.weight(x.shape[-1], 6))))
        return x

    def grouped(self, x):
        """Groups of channels, shuffled in between."""
        x = self.phi(self.conv(x, 4))
        y = self.phi(self.normed(self.conv(x, 4, groups=2)))
        if self.rng.random() < 0.6:
            y = self.b.reshape(self.b.permute(self.b.reshape(y, BATCH, TIME, 2, 2), 0, 1, 3, 2), BATCH, TIME, 4)
        y = self.conv(y, 4, groups=2)
        return self.phi(self.b.add(x, y) if self.rng.random() < 0.6 else y)

    # --- transformers, gates, experts -------------------------------------------------------------------------

    def transformer(self, x):
        b, n = self.b, self.wide()
        x = b.linear(x, self.weight(n, 3))
        if self.rng.random() < 0.5:
            x = self.positions(x, None)
        for _ in range(int(self.rng.integers(1, 3))):
            h = self.attention(self.normed(x), None)
            x = h if self.rng.random() < 0.2 else b.add(x, h)
            h = self.normed(x)
            h = self.glu(h, None) if self.rng.random() < 0.6 else self.phi(b.linear(h, self.weight(6, n)))
            x = b.add(x, b.linear(h, self.weight(n, h.shape[-1])))
        return self.normed(x)

    def gates(self, x):
        """Gated layers; units 0 and 2 are one up to signs, of unit 3 some factors are 0."""
        b, rng = self.b, self.rng
        for _ in range(int(rng.integers(1, 3))):
            m, n = x.shape[-1], 5
            gate, up, down = (rng.normal(size=s) for s in ((n, m), (n, m), (4, n)))
            biases = [rng.normal(size=n), rng.normal(size=n)] if rng.random() < 0.4 else []
            s = SIGNS[int(rng.integers(4))]
            for a, sign in ((gate, s[0]), (up, s[1]), (down.T, s[2]), *zip(biases, s)):
                a[2] = sign * a[0]
            for a in (gate, up, down.T):
                if rng.random() < 0.5:
                    a[3] = 0
            for a in biases:
                a[3] = 0
            if rng.random() < 0.2:
                gate[2, 0] += 0.5
            sums = [b.linear(x, self.b.weight(f"g{len(b.parameters)}", w)) for w in (gate, up)]
            sums = [b.add(y, self.b.weight(f"g{len(b.parameters)}", a)) for y, a in zip(sums, biases)] or sums
            phi = str(rng.choice(["tanh", "identity", "sin", "silu", "gelu", "sigmoid", "relu"]))
            h = b.mul(sums[0] if phi == "identity" else b.act(sums[0], phi), sums[1])
            x = b.linear(h, b.weight(f"g{len(b.parameters)}", down))
        return x

    def routed(self, x):
        """Two of three experts: by the value of the last one chosen, by their numbers, or row by row."""
        b, rng = self.b, self.rng
        x = self.phi(b.linear(x, self.weight(4, 3)))
        n, m, e = 4, 5, 3
        router, up, down = rng.normal(size=(e, n)), rng.normal(size=(e, n, m)), rng.normal(size=(e, m, n))
        which = int(rng.integers(e))
        up[which, :, 3], down[which, 3] = up[which, :, 1], down[which, 1] + (rng.random() < 0.3)
        if rng.random() < 0.4:
            up[:, :, 3], down[:, 3] = up[:, :, 1], down[:, 1]
        if rng.random() < 0.4:
            order = rng.permutation(m)
            router[2], up[2], down[2] = router[0], up[0][:, order], down[0][order]
        router, up, down = (b.weight(k, a) for k, a in (("router", router), ("up", up), ("down", down)))
        kind = int(rng.integers(3))
        if kind == 2:
            ends = b.constant(np.array([3, 7, BATCH * TIME]))
            flat = b.reshape(x, BATCH * TIME, n)
            h = self.phi(b.op("route", flat, up, ends, shape=(BATCH * TIME, m)))
            return b.reshape(b.op("route", h, down, ends, shape=(BATCH * TIME, n)), BATCH, TIME, n)
        logits = b.linear(x, router)
        p = b.op("softmax", logits, shape=(BATCH, TIME, e), dims=(2,))
        top, index = Value((BATCH, TIME, 2), "float64"), Value((BATCH, TIME, 2), "int64")
        b.ops.append(Op("topk", (p,), (top, index), {"dim": 2, "k": 2}))
        if kind == 0:
            last = b.slice(top, 2, 1, 2)
            p = b.mul(p, b.op("compare", p, last, shape=p.shape, function="ge"))
        else:
            hot = b.op("one_hot", index, shape=(BATCH, TIME, 2, e), classes=e)
            p = b.op("reduce", b.mul(hot, b.reshape(top, BATCH, TIME, 2, 1)), shape=p.shape, function="sum", dims=(2,))
        if rng.random() < 0.5:
            total = b.op("reduce", p, shape=(BATCH, TIME, 1), function="sum", dims=(2,), keep=True)
            p = b.op("divide", p, total, shape=p.shape)
        wide = b.op("broadcast", x, shape=(e, BATCH, TIME, n), dims=(1, 2, 3))
        over = {"contracting": ((3,), (1,)), "batch": ((0,), (0,))}
        h = self.phi(b.op("contract", wide, up, shape=(e, BATCH, TIME, m), **over))
        y = b.op("contract", h, down, shape=(e, BATCH, TIME, n), **over)
        p = b.reshape(b.permute(p, 2, 0, 1), e, BATCH, TIME, 1)
        y = b.op("reduce", b.mul(y, p), shape=x.shape, function="sum", dims=(0,))
        return b.add(x, y) if rng.random() < 0.5 else y


def random_structured(seed):
    """A program, the mode of its weights, and its kind."""
    rng = np.random.default_rng([7, seed])
    mode, kind = MODES[seed // len(KINDS) % len(MODES)], KINDS[seed % len(KINDS)]
    made = Structured(rng, mode)
    made.kind = kind
    return made.program(), mode, kind
