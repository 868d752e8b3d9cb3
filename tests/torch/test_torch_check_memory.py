"""`check` of a module keeps statistics and no activations: at its peak it takes what one training step takes."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")

# In a process of its own, whose highest memory nobody else raises: a step first, then a check, in megabytes of growth.
CODE = """
import re, torch
from pathlib import Path
from torch import nn
import initcore as ic

def peak():                     # of this image alone: getrusage's begins with what the process that made this one had
    return int(re.search(r"VmHWM:\\s*(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024

class Pictures(nn.Module):
    def __init__(self, w=24):
        super().__init__()
        self.enter = nn.Conv2d(3, w, 3, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(w, w, 3, padding=1, bias=False) for _ in range(16))
        self.norms = nn.ModuleList(nn.BatchNorm2d(w) for _ in range(16))
        self.leave = nn.Linear(w, 5)
    def forward(self, x):
        x = self.enter(x)
        for k in range(0, 16, 2):
            h = torch.relu(self.norms[k](self.convs[k](x)))
            x = torch.relu(x + self.norms[k + 1](self.convs[k + 1](h)))
        return self.leave(x.mean((2, 3)))

class Sequences(nn.Module):
    def __init__(self, d=128, n=900):
        super().__init__()
        self.table, self.leave = nn.Embedding(n, d), nn.Linear(d, n)
        self.blocks = nn.ModuleList(nn.TransformerEncoderLayer(d, 4, 4 * d, 0.0, "gelu", batch_first=True,
                                                               norm_first=True) for _ in range(4))
    def forward(self, i):
        x = self.table(i)
        for block in self.blocks:
            x = block(x)
        return self.leave(x)

torch.manual_seed(0)
small = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 3))
ic.check(small, torch.randn(8, 6), torch.randint(0, 3, (8,)))                  # what is imported and built once
if KIND == "pictures":
    net, x, y = Pictures(), torch.randn(24, 3, 48, 48), torch.randint(0, 5, (24,))
else:
    net, x, y = Sequences(), torch.randint(0, 900, (16, 96)), torch.randint(0, 900, (16, 96))
before = peak()
out = net(x)
nn.functional.cross_entropy(out.flatten(0, -2), y.flatten()).backward()
del out
net.zero_grad()
step = peak() - before
report = ic.check(net, x, y)
assert report.layers and report.signal.kind == "measured"
print(step, peak() - before)
"""


@pytest.mark.parametrize("kind", ["pictures", "sequences"])
def test_a_check_takes_the_memory_of_one_step(kind):
    done = subprocess.run([sys.executable, "-c", f"KIND = {kind!r}\n{CODE}"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    step, whole = map(float, done.stdout.split())
    assert step > 60, "too small to tell"
    assert whole < 1.25 * step + 32, (step, whole)
