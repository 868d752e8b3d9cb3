"""How much larger than what passes by may a residual branch start? Small residual networks, trained.

    python tools/calibrate_branches.py              # a table in Markdown
    python tools/calibrate_branches.py --deep       # transformers and residual networks whose norm stands first

In one block (the first or the middle one), or in every block, the branch's last weight is scaled until the branch has
`ratio` times the root mean square of what passes by. A row tells the per cent of the best constant's loss that are
explained on rows kept apart after 300 steps, at the best of three learning rates, the mean of two seeds. With --deep
the branches' last weights are multiplied by `ratio`, from 1/fan_in (transformers) or 2/fan_in (convolutions), and 200
steps are taken with one seed.
"""

import itertools
import sys

import torch
from torch import nn
from torch.nn import functional as F

RATIOS = (1, 3, 10, 30, 100, 300, 1000)
RATES = {"sgd": (0.3, 0.03, 0.003), "momentum": (0.03, 0.003, 0.0003), "adam": (0.01, 0.001, 0.0001)}
STEPS, BLOCKS, WIDTH = 300, 6, 32
TOKENS, LENGTH, CHANNELS = 11, 10, 16
DEEP_RATIOS = (0.01, 0.1, 1, 3, 10, 30, 100)


class Block(nn.Module):
    def __init__(self, norm):
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH) if norm else nn.Identity()
        self.up, self.down = nn.Linear(WIDTH, 2 * WIDTH), nn.Linear(2 * WIDTH, WIDTH)

    def forward(self, x):
        return x + self.down(F.gelu(self.up(self.norm(x))))


def network(norm, where, ratio, seed, x):
    torch.manual_seed(seed)
    net = nn.Sequential(nn.Linear(10, WIDTH), *(Block(norm) for _ in range(BLOCKS)),
                        nn.LayerNorm(WIDTH) if norm else nn.Identity(), nn.Linear(WIDTH, 4))
    with torch.no_grad():
        h = net[0](x)
        for k, block in enumerate(list(net)[1:1 + BLOCKS]):
            branch = block(h) - h
            if where == "all" or k == {"first": 0, "middle": BLOCKS // 2}[where]:
                block.down.weight.mul_(ratio * h.square().mean().sqrt() / branch.square().mean().sqrt())
                block.down.bias.zero_()
            h = block(h)
    return net


def task(seed):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(1280, 10, generator=g)
    w = torch.randn(10, 16, generator=g), torch.randn(16, 4, generator=g)
    return x, (torch.tanh(x @ w[0] / 2) @ w[1]).argmax(1)


class Attention(nn.Module):
    def __init__(self, heads=4):
        super().__init__()
        self.heads, self.enter, self.leave = heads, nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        rows, length, _ = x.shape
        q, k, v = self.enter(x).reshape(rows, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.leave(y.transpose(1, 2).reshape(rows, length, WIDTH))


class Transformer(nn.Module):
    """Norm first, as GPT-2's: attention and a perceptron, a last norm, a quiet head."""

    def __init__(self, depth, ratio, where):
        super().__init__()
        self.table, self.place = nn.Embedding(TOKENS, WIDTH), nn.Parameter(torch.randn(LENGTH, WIDTH) / 50)
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(depth))
        self.attentions = nn.ModuleList(Attention() for _ in range(depth))
        self.blocks = nn.ModuleList(Block(True) for _ in range(depth))
        self.last, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, TOKENS)
        for m in self.modules():
            if isinstance(m, nn.Linear):
                nn.init.normal_(m.weight, std=m.in_features ** -0.5)
                nn.init.zeros_(m.bias)
        nn.init.normal_(self.head.weight, std=0.02)
        for k in scaled(depth, where):
            with torch.no_grad():
                self.attentions[k].leave.weight.mul_(ratio)
                self.blocks[k].down.weight.mul_(ratio)

    def forward(self, i):
        x = self.table(i) + self.place
        for norm, attention, block in zip(self.norms, self.attentions, self.blocks):
            x = block(x + attention(norm(x)))
        return self.head(self.last(x)).transpose(1, 2)


class PreActivation(nn.Module):
    """He et al. 2016b: norm and ReLU before each convolution."""

    def __init__(self):
        super().__init__()
        self.one, self.two = nn.BatchNorm2d(CHANNELS), nn.BatchNorm2d(CHANNELS)
        self.up, self.down = (nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False) for _ in range(2))

    def forward(self, x):
        return x + self.down(torch.relu(self.two(self.up(torch.relu(self.one(x))))))


def residual(depth, ratio, where):
    net = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, padding=1, bias=False), *(PreActivation() for _ in range(depth)),
                        nn.BatchNorm2d(CHANNELS), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
                        nn.Linear(CHANNELS, 4))
    for m in net.modules():
        if isinstance(m, nn.Conv2d):
            nn.init.kaiming_normal_(m.weight)
    with torch.no_grad():
        for k in scaled(depth, where):
            net[1 + k].down.weight.mul_(ratio)
    return net


def scaled(depth, where):
    """The blocks whose branch is changed."""
    return range(depth) if where == "all" else [{"first": 0, "middle": depth // 2}[where]]


def sequences(seed):
    """The sum of a token and the one before, of which no embedding alone knows."""
    g = torch.Generator().manual_seed(seed)
    i = torch.randint(0, TOKENS, (1280, LENGTH), generator=g)
    y = (i + torch.roll(i, 1, 1)) % TOKENS
    y[:, 0] = i[:, 0]
    return i, y


def pictures(seed):
    g = torch.Generator().manual_seed(seed)
    y = torch.randint(0, 4, (1280,), generator=g)
    return torch.randn(4, 3, 8, 8, generator=g)[y] * 0.5 + torch.randn(1280, 3, 8, 8, generator=g), y


def trained(net, x, y, optimizer, rate, count=STEPS):
    steps = torch.optim.Adam(net.parameters(), rate) if optimizer == "adam" else torch.optim.SGD(
        net.parameters(), rate, momentum=0.9 if optimizer == "momentum" else 0.0)
    for t in range(count):
        at = slice(t % 32 * 32, t % 32 * 32 + 32)
        steps.zero_grad()
        loss = F.cross_entropy(net(x[at]), y[at])
        if not loss < 1e9:
            return float("inf")
        loss.backward()
        steps.step()
    with torch.no_grad():
        return F.cross_entropy(net(x[1024:]), y[1024:]).item()


DEEP = {"transformer, 2 blocks": (lambda *a: Transformer(2, *a), sequences),
        "transformer, 8 blocks": (lambda *a: Transformer(8, *a), sequences),
        "convolutions, 3 blocks": (lambda *a: residual(3, *a), pictures),
        "convolutions, 9 blocks": (lambda *a: residual(9, *a), pictures)}


def nothing(y):
    """The entropy of the classes."""
    share = torch.bincount(y.reshape(-1)).float() / y.numel()
    return -(share * share.clamp(1e-9).log()).sum().item()


def deep():
    """Train the networks whose norm stands first."""
    torch.set_num_threads(1)
    print("| network | block | optimiser | " + " | ".join(f"{r:g}" for r in DEEP_RATIOS) + " |")
    print("|---|---|---|" + "---|" * len(DEEP_RATIOS))
    for kind, where, optimizer in itertools.product(DEEP, ("first", "all"), ("sgd", "adam")):
        make, lesson = DEEP[kind]
        x, y = lesson(0)
        row = []
        for ratio in DEEP_RATIOS:
            ends = []
            for rate in RATES[optimizer]:
                torch.manual_seed(0)
                ends.append(trained(make(ratio, where), x, y, optimizer, rate, 200))
            row.append(f"{100 * max(1 - min(ends) / nothing(y[1024:]), 0.0):.0f}")
        print("| " + " | ".join((kind, where, optimizer, *row)) + " |", flush=True)


def main():
    """Train all, and count."""
    torch.set_num_threads(1)
    print("| network | block | optimiser | " + " | ".join(str(r) for r in RATIOS) + " |")
    print("|---|---|---|" + "---|" * len(RATIOS))
    for norm, where, optimizer in itertools.product((False, True), ("first", "middle", "all"), RATES):
        row = []
        for ratio in RATIOS:
            good = []
            for seed in (0, 1):
                x, y = task(seed)
                whole = nothing(y[1024:])
                end = min(trained(network(norm, where, ratio, seed, x[:64]), x, y, optimizer, r)
                          for r in RATES[optimizer])
                good.append(max(whole - end, 0.0) / whole)
            row.append(f"{50 * sum(good):.0f}")
        print("| " + " | ".join(("pre-norm" if norm else "plain", where, optimizer, *row)) + " |", flush=True)


if __name__ == "__main__":
    deep() if "--deep" in sys.argv[1:] else main()
