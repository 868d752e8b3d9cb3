"""Three trained models: on scikit-learn's digits, an MLP, a CNN with batch norms, and a small transformer.

A digit is a row of 64 numbers, a picture of 8 x 8, or a sequence of 8 rows. Adam, batches of 64, a second or two each.
"""

import torch
from torch import nn
from torch.nn import functional as F

from initcore.data import split_digits


def mlp():
    return nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 32), nn.Tanh(), nn.Linear(32, 10))


def cnn():
    def block(k, n):
        return nn.Sequential(nn.Conv2d(k, n, 3, padding=1, bias=False), nn.BatchNorm2d(n), nn.ReLU())
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), block(1, 12), nn.MaxPool2d(2), block(12, 24), nn.MaxPool2d(2),
                         nn.Flatten(), nn.Linear(96, 10))


class Transformer(nn.Module):
    """Two blocks with the norms in front; a digit's rows are its words."""

    def __init__(self):
        super().__init__()
        self.embed = nn.Linear(8, 32)
        self.position = nn.Parameter(torch.randn(8, 32) * 0.02)
        layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.blocks = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(32)
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        h = self.blocks(self.embed(x.view(-1, 8, 8)) + self.position)
        return self.head(self.norm(h).mean(1))


TRAINED = {"mlp": (mlp, 300), "cnn": (cnn, 120), "transformer": (Transformer, 250)}


def digits():
    """(x, y) to learn from and (x, y) kept apart."""
    d = split_digits()
    x, y, a, b = (torch.from_numpy(v) for v in (d.x_train, d.y_train, d.x_test, d.y_test))
    return (x.float(), y.long()), (a.float(), b.long())


def train(net, x, y, steps, rate=3e-3):
    """Adam, minibatches in a fixed order, on one thread: a second one waits for the first where cores are busy."""
    opt, threads = torch.optim.Adam(net.parameters(), rate), torch.get_num_threads()
    net.train()
    torch.set_num_threads(1)
    for t in range(steps):
        at = torch.arange(t * 64, t * 64 + 64) % len(x)
        opt.zero_grad()
        F.cross_entropy(net(x[at]), y[at]).backward()
        opt.step()
    torch.set_num_threads(threads)


def make(name):
    """(trained model, share of the rows kept apart that it names rightly) from seed 0."""
    factory, steps = TRAINED[name]
    (x, y), (a, b) = digits()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = factory()
        train(net, x, y, steps)
    net.eval()
    with torch.no_grad():
        right = (net(a).argmax(1) == b).float().mean().item()
    return net.train(), right
