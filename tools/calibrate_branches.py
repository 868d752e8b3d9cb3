"""How much larger than what passes by may a residual branch start? Small residual networks, trained.

    python tools/calibrate_branches.py              # a table in Markdown

In one block (the first or the middle one), or in every block, the branch's last weight is scaled until the branch has
`ratio` times the root mean square of what passes by. A row tells the per cent of the best constant's loss that are
explained on rows kept apart after 300 steps, at the best of three learning rates, the mean of two seeds.
"""

import itertools

import torch
from torch import nn
from torch.nn import functional as F

RATIOS = (1, 3, 10, 30, 100, 300, 1000)
RATES = {"sgd": (0.3, 0.03, 0.003), "momentum": (0.03, 0.003, 0.0003), "adam": (0.01, 0.001, 0.0001)}
STEPS, BLOCKS, WIDTH = 300, 6, 32


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


def trained(net, x, y, optimizer, rate):
    steps = torch.optim.Adam(net.parameters(), rate) if optimizer == "adam" else torch.optim.SGD(
        net.parameters(), rate, momentum=0.9 if optimizer == "momentum" else 0.0)
    for t in range(STEPS):
        at = slice(t % 32 * 32, t % 32 * 32 + 32)
        steps.zero_grad()
        loss = F.cross_entropy(net(x[at]), y[at])
        if not loss < 1e9:
            return float("inf")
        loss.backward()
        steps.step()
    with torch.no_grad():
        return F.cross_entropy(net(x[1024:]), y[1024:]).item()


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
                counts = torch.bincount(y[1024:], minlength=4).float()
                nothing = -(counts / counts.sum() * (counts / counts.sum()).clamp(1e-9).log()).sum().item()
                end = min(trained(network(norm, where, ratio, seed, x[:64]), x, y, optimizer, r)
                          for r in RATES[optimizer])
                good.append(max(nothing - end, 0.0) / nothing)
            row.append(f"{50 * sum(good):.0f}")
        print("| " + " | ".join(("pre-norm" if norm else "plain", where, optimizer, *row)) + " |", flush=True)


if __name__ == "__main__":
    main()
