"""Small networks of every family that the reader, the proof and the signals must understand: PyTorch modules.

Each family is a function without arguments that makes (module, args) in PyTorch's own initialisation from a fixed
seed; widths are tiny, all of them even, and no two different axes of one network have the same size where the family
allows it, so that a mix-up of axes shows. ``FAMILIES`` names them all; the sequence models are in
torch_sequences.py, the models that transformers builds from a configuration in ``TRANSFORMERS``.
"""

import torch
import torch.nn.functional as F
from torch import nn

FAMILIES = {}


def family(make):
    """Enter a maker under its name; it is run under seed 0, and leaves the generator as it was."""
    def seeded():
        with torch.random.fork_rng():
            torch.manual_seed(0)
            return make()
    FAMILIES[make.__name__] = seeded
    return seeded


@family
def mlp():
    net = nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 8), nn.ReLU(), nn.Linear(8, 4))
    return net, (torch.randn(5, 6),)


@family
def lenet():
    net = nn.Sequential(nn.Conv2d(1, 4, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(4, 6, 5), nn.Tanh(),
                        nn.AvgPool2d(2), nn.Flatten(), nn.Linear(24, 12), nn.Tanh(), nn.Linear(12, 10))
    return net, (torch.randn(3, 1, 16, 16),)


class BasicBlock(nn.Module):
    """Two 3 x 3 convolutions beside the identity, or beside a 1 x 1 convolution where width or stride change."""

    def __init__(self, inp, out, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(inp, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.downsample = None
        if stride != 1 or inp != out:
            self.downsample = nn.Sequential(nn.Conv2d(inp, out, 1, stride, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += x if self.downsample is None else self.downsample(x)
        return self.relu(out)


class ResNet(nn.Module):
    """torchvision's layout: a stem, four stages, a mean over the pixels, a head."""

    def __init__(self, blocks=(2, 2, 2, 2), width=4):
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        stages, inp = [], width
        for k, n in enumerate(blocks):
            out = width + 2 * k
            stages.append(nn.Sequential(*(BasicBlock(inp if i == 0 else out, out, 2 if k and i == 0 else 1)
                                          for i in range(n))))
            inp = out
        self.stages = nn.ModuleList(stages)
        self.fc = nn.Linear(inp, 5)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x)), inplace=True), 3, 2, 1)
        for stage in self.stages:
            x = stage(x)
        return self.fc(torch.flatten(F.adaptive_avg_pool2d(x, 1), 1))


@family
def resnet18():
    return ResNet(), (torch.randn(2, 3, 32, 32),)


class Inverted(nn.Module):
    """MobileNetV2's block: widen 1 x 1, depthwise 3 x 3, narrow 1 x 1; squeeze and excite on the wide channels."""

    def __init__(self, inp, out, stride, excite):
        super().__init__()
        wide = 2 * inp
        self.skip = stride == 1 and inp == out
        self.up = nn.Sequential(nn.Conv2d(inp, wide, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU6(inplace=True))
        self.depth = nn.Sequential(nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False), nn.BatchNorm2d(wide),
                                   nn.ReLU6(inplace=True))
        self.excite = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(wide, 2, 1), nn.SiLU(), nn.Conv2d(2, wide, 1),
                                    nn.Hardsigmoid()) if excite else None
        self.down = nn.Sequential(nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out))

    def forward(self, x):
        y = self.depth(self.up(x))
        if self.excite is not None:
            y = y * self.excite(y)
        y = self.down(y)
        return x + y if self.skip else y


@family
def mobilenet():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU6(inplace=True),
                        Inverted(4, 6, 2, False), Inverted(6, 6, 1, True), nn.Conv2d(6, 14, 1, bias=False),
                        nn.BatchNorm2d(14), nn.Hardswish(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(0.2),
                        nn.Linear(14, 5))
    return net, (torch.randn(3, 3, 16, 16),)


@family
def vgg():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(True), nn.Conv2d(4, 4, 3, padding="same"), nn.ReLU(True),
                        nn.MaxPool2d(2), nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(True), nn.MaxPool2d(2, 2),
                        nn.Flatten(), nn.Linear(96, 10), nn.ReLU(True), nn.Dropout(), nn.Linear(10, 5))
    return net, (torch.randn(2, 3, 16, 16),)


class UNet(nn.Module):
    """Two levels; each way up joins what the way down had, by channels; group norms."""

    def __init__(self):
        super().__init__()
        self.down1, self.down2 = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 8, 3, 2, 1)
        self.middle, self.norm = nn.Conv2d(8, 12, 3, 2, 1), nn.GroupNorm(2, 12)
        self.up2, self.mix2 = nn.ConvTranspose2d(12, 8, 2, 2), nn.Conv2d(16, 8, 3, padding=1)
        self.up1, self.mix1 = nn.Upsample(scale_factor=2), nn.Conv2d(12, 4, 3, padding=1)
        self.head = nn.Conv2d(4, 1, 1)

    def forward(self, x):
        a = F.gelu(self.down1(x))
        b = F.gelu(self.down2(a))
        c = F.gelu(self.norm(self.middle(b)))
        b = F.gelu(self.mix2(torch.cat([b, self.up2(c)], 1)))
        return self.head(F.gelu(self.mix1(torch.cat([a, self.up1(b)], 1))))


@family
def unet():
    return UNet(), (torch.randn(2, 2, 8, 8),)


class DenseBlock(nn.Module):
    """Every layer reads the channels of all before it."""

    def __init__(self, inp, growth, layers):
        super().__init__()
        self.layers = nn.ModuleList(nn.Sequential(nn.BatchNorm2d(inp + k * growth), nn.ReLU(),
                                                  nn.Conv2d(inp + k * growth, growth, 3, padding=1, bias=False))
                                    for k in range(layers))

    def forward(self, x):
        parts = [x]
        for layer in self.layers:
            parts.append(layer(torch.cat(parts, 1)))
        return torch.cat(parts, 1)


@family
def densenet():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, bias=False), DenseBlock(4, 2, 3), nn.BatchNorm2d(10), nn.ReLU(),
                        nn.Conv2d(10, 6, 1, bias=False), nn.AvgPool2d(2), DenseBlock(6, 2, 2), nn.BatchNorm2d(10),
                        nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, 3))
    return net, (torch.randn(3, 3, 8, 8),)


class Siren(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(2, 12), nn.Linear(12, 10), nn.Linear(10, 1)])
        with torch.no_grad():
            self.layers[0].weight.uniform_(-1 / 2, 1 / 2)
            for layer in self.layers[1:]:
                layer.weight.uniform_(-(6 / layer.in_features) ** 0.5 / 30, (6 / layer.in_features) ** 0.5 / 30)

    def forward(self, x):
        for layer in self.layers[:-1]:
            x = torch.sin(30.0 * layer(x))
        return self.layers[-1](x)


@family
def siren():
    return Siren(), (torch.rand(7, 2) * 2 - 1,)


class Twins(nn.Module):
    """SAC's two critics on one state and action; the target is the smaller of both."""

    def __init__(self):
        super().__init__()
        self.q1, self.q2 = (nn.Sequential(nn.Linear(7, 12), nn.ReLU(), nn.Linear(12, 10), nn.ReLU(), nn.Linear(10, 1))
                            for _ in range(2))

    def forward(self, state, action):
        x = torch.cat([state, action], dim=-1)
        a, b = self.q1(x), self.q2(x)
        return a.squeeze(-1), b.squeeze(-1), torch.min(a, b)


@family
def critics():
    return Twins(), (torch.randn(6, 5), torch.randn(6, 2))


class Messages(nn.Module):
    """Message passing: the edges gather nodes, messages are summed where they go; a mean over the nodes."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(3, 8)
        self.message = nn.ModuleList(nn.Sequential(nn.Linear(18, 10), nn.SiLU(), nn.Linear(10, 8)) for _ in range(2))
        self.update = nn.ModuleList(nn.GRUCell(8, 8) if k else nn.Linear(16, 8) for k in range(2))
        self.head = nn.Linear(8, 2)

    def forward(self, x, source, target, features):
        h = torch.relu(self.embed(x))
        for k, message in enumerate(self.message):
            m = message(torch.cat([h[source], h.index_select(0, target), features], -1))
            total = torch.zeros_like(h).index_add_(0, target, m)
            h = self.update[k](total, h) if k else h + torch.tanh(self.update[k](torch.cat([h, total], 1)))
        return self.head(h.mean(0))


@family
def gnn():
    source, target = torch.tensor([0, 1, 2, 3, 4, 0, 2]), torch.tensor([1, 2, 3, 4, 0, 3, 1])
    return Messages(), (torch.randn(5, 3), source, target, torch.randn(7, 2))


import torch_sequences  # noqa: E402, F401 - enters its families
