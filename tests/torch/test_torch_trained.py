"""Trained models are left alone: weights have grown, units have become certain."""

import pytest

pytest.importorskip("torch")

import torch
import torch_trained
from torch import nn

import initcore as ic


@pytest.fixture(scope="module", params=torch_trained.TRAINED)
def trained(request):
    return torch_trained.make(request.param)


def test_a_trained_model_is_no_failure(trained):
    net, right = trained
    (x, y), _ = torch_trained.digits()
    assert right > 0.8
    for given in (y[:200], None):
        report = ic.check(net, x[:200], given, stage="trained")
        assert report.whole and not [f for f in report.findings if f.severity != "info"], report
        alone = ic.check(net, x[:200], given)
        assert not [f for f in alone.findings if f.severity == "fail"], alone


def test_what_saturates_or_dies_is_information_in_a_trained_model():
    """Half of one layer's units are certain, most of another's never fire: warnings at the start, no news later."""
    torch.manual_seed(2)
    net = nn.Sequential(nn.Linear(7, 20), nn.Sigmoid(), nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 4))
    with torch.no_grad():
        net[0].weight[:9].mul_(60)
        net[2].bias[:] = torch.tensor([-30.0] * 28 + [0.5] * 2)
    x = torch.randn(64, 7)
    told = {s: {f.rule: f.severity for f in ic.check(net, x, stage=s).findings} for s in ("start", "trained")}
    assert told["start"]["SAT201"] == told["start"]["SAT203"] == "warn"
    assert set(told["trained"].values()) <= {"info"} and {"SAT201", "SAT203"} <= set(told["trained"])


def test_a_head_whose_loss_stands_in_the_module_is_judged_by_the_loss():
    class Scaled(nn.Module):
        """The head's table is of variance 1, and what it reads is made small (as in T5)."""

        def __init__(self):
            super().__init__()
            self.body, self.head = nn.Linear(24, 60), nn.Linear(60, 20, bias=False)
            nn.init.normal_(self.head.weight)

        def forward(self, x, labels):
            logits = self.head(torch.tanh(self.body(x)) * 60 ** -0.5)
            return {"loss": nn.functional.cross_entropy(logits, labels), "logits": logits}
    torch.manual_seed(5)
    net, x = Scaled(), {"x": torch.randn(48, 24), "labels": torch.randint(20, (48,))}
    assert not ic.check(net, x).findings
    with torch.no_grad():
        net.head.weight.mul_(300)
    assert "OUT601" in {f.rule for f in ic.check(net, x).findings}
