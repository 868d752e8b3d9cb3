"""check of PyTorch modules: what is found where, what is left alone, and that nothing of the module changes."""

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import initcore as ic  # noqa: E402


def perceptron():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(20, 64), nn.Tanh(), nn.Linear(64, 48), nn.ReLU(), nn.Linear(48, 40), nn.Sigmoid(),
                         nn.Linear(40, 5))


def convolutions():
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 24, 3, padding=1), nn.Tanh(),
                         nn.MaxPool2d(2), nn.Flatten(), nn.Linear(24 * 16, 32), nn.ReLU(), nn.Linear(32, 10))


def rows():
    g = torch.Generator().manual_seed(3)
    return torch.randn(64, 20, generator=g), torch.randint(5, (64,), generator=g)


def pictures():
    g = torch.Generator().manual_seed(4)
    return torch.randn(16, 3, 8, 8, generator=g), torch.randint(10, (16,), generator=g)


def scaled(name, factor):
    return lambda net: net.get_parameter(name).mul_(factor)


def shifted(name, by):
    return lambda net: net.get_parameter(name).add_(by)


def drawn(name, std):
    return lambda net: net.get_parameter(name).normal_(std=std, generator=torch.Generator().manual_seed(9))


FAULTS = [
    (perceptron, rows, scaled("0.weight", 40), "SAT201", "0.weight", "weight_scale"),
    (perceptron, rows, scaled("2.weight", 40), "SIG305", "2.weight", "weight_scale"),
    (perceptron, rows, scaled("4.weight", 100), "SAT201", "4.weight", "weight_scale"),
    (perceptron, rows, scaled("2.weight", 1e-3), "SIG305", "2.weight", "weight_scale"),
    (perceptron, rows, shifted("0.weight", 1), "SAT201", "0.weight", "weight_mean"),
    (perceptron, rows, shifted("2.weight", 1), "SIG305", "2.weight", "weight_mean"),
    (perceptron, rows, shifted("2.bias", -10), "SAT203", "2.bias", "bias"),
    (perceptron, rows, shifted("4.bias", -30), "SAT201", "4.bias", "bias"),
    (perceptron, rows, scaled("6.weight", 300), "OUT602", "6.weight", "weight_scale"),
    (convolutions, pictures, scaled("0.weight", 40), "SIG305", "0.weight", "weight_scale"),
    (convolutions, pictures, scaled("2.weight", 40), "SAT201", "2.weight", "weight_scale"),
    (convolutions, pictures, drawn("6.weight", (2 / 32) ** 0.5), "SIG305", "6.weight", "layout"),
    (convolutions, pictures, drawn("2.weight", (1 / 16) ** 0.5), "SIG305", "2.weight", "layout"),
    (convolutions, pictures, shifted("0.bias", -30), "SAT203", "0.bias", "bias"),
    (convolutions, pictures, scaled("6.weight", float("nan")), "NUM401", "6.weight", "data"),
]


@pytest.mark.parametrize(("make", "data", "plant", "rule", "tensor", "cause"), FAULTS,
                         ids=[f"{m.__name__}-{r}-{t}-{c}" for m, _, _, r, t, c in FAULTS])
def test_a_planted_fault_is_found_and_mended(make, data, plant, rule, tensor, cause):
    net, (x, y) = make(), data()
    with torch.no_grad():
        plant(net)
    report = ic.check(net, x, y)
    found = [f for f in report.findings if f.rule == rule and f.severity != "info"]
    assert [(f.tensor, f.cause) for f in found] == [(tensor, cause)]
    assert found[0].place.module == tensor.split(".")[0]
    mended = report.repair(rng=5)
    again = ic.check(mended, x, y)
    assert not [f for f in again.findings if f.severity != "info"], again
    for name, p in mended.named_parameters():
        if name not in {t for f in report.findings for t in f.tensors}:
            assert torch.equal(p, net.get_parameter(name)), name


@pytest.mark.parametrize(("make", "data"), [(perceptron, rows), (convolutions, pictures)])
def test_a_sound_start_is_left_alone(make, data):
    assert not ic.check(make(), *data()).findings


def test_unscaled_pixels_are_the_inputs_fault():
    net, (x, y) = convolutions(), pictures()
    report = ic.check(net, (x * 50 + 128).clamp(0, 255), y)
    causes = {f.cause for f in report.findings if f.severity != "info"}
    assert causes <= {"input_scale", "input_offset"}
    assert any(f.rule == "INP701" for f in report.findings)


def test_the_module_is_left_as_it_was():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(True), nn.Dropout(0.5), nn.Flatten(),
                        nn.Linear(144, 3))
    net[1].eval()
    x, y = pictures()
    net(x).sum().backward()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    grads = {k: p.grad.clone() for k, p in net.named_parameters()}
    modes = [m.training for m in net.modules()]
    random = torch.get_rng_state()
    first = ic.check(net, x, y % 3)
    assert torch.equal(torch.get_rng_state(), random)
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())
    assert all(torch.equal(p.grad, grads[k]) for k, p in net.named_parameters())
    assert [m.training for m in net.modules()] == modes
    assert ic.check(net, x, y % 3).to_json() == first.to_json()


def test_signals_are_those_of_hooks():
    """Input of every activation, functional ones and in-place ones too, against plain hooks."""
    torch.manual_seed(2)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 40), nn.Linear(40, 30)

        def forward(self, x):
            return torch.tanh(self.b(nn.functional.relu(self.a(x), inplace=True)))
    net, x = Net(), torch.randn(32, 6)
    report = ic.check(net, x)
    za = net.a(x)
    zb = net.b(za.relu())
    for la, z in zip(report.layers, (za, zb)):
        assert np.isclose(la.q, z.square().mean().item(), rtol=1e-5)
        assert np.isclose(la.variance, z.var(0, unbiased=False).mean().item(), rtol=1e-4)
    assert [la.name for la in report.layers] == ["(relu)", "(tanh)"]


def test_findings_stand_at_the_users_line():
    net, (x, y) = convolutions(), pictures()
    with torch.no_grad():
        net[2].weight.mul_(40)
    report = ic.check(net, x, y)
    sarif = json.loads(report.to_sarif())
    fail = next(r for r in sarif["runs"][0]["results"] if r["ruleId"] == "SAT201")
    place = fail["locations"][0]
    assert place["logicalLocations"][0]["fullyQualifiedName"] == "2.weight"

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = net

        def forward(self, x):
            return self.inner(x)
    report = ic.check(Own(), x, y)
    found = next(f for f in report.findings if f.rule == "SAT201")
    assert found.tensor == "inner.2.weight" and found.place.module == "inner.2"
    assert found.place.file == __file__ and found.place.line
    region = json.loads(report.to_sarif())["runs"][0]["results"][0]["locations"][0]["physicalLocation"]
    assert region["region"]["startLine"] == found.place.line


def test_without_data_the_moments_are_said():
    report = ic.check(perceptron())
    assert report.ok and any("mean 0, variance 1" in c for c in report.conditions)
    assert ic.check(convolutions(), (4, 3, 8, 8)).ok
    with pytest.raises(ic.errors.ArgumentError, match="give a batch, or a shape"):
        ic.check(convolutions())


def test_what_cannot_be_exported_is_judged_by_its_weights():
    class Branching(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)

        def forward(self, x):
            return self.fc(x) if x.sum().item() > 0 else x
    net = Branching()
    report = ic.check(net, torch.ones(3, 4))
    assert report.ok and report.verdict == "no verdict on learning" and "Only its weights" in report.notes[0]
    with torch.no_grad():
        net.fc.weight.fill_(0.5)
    assert [f.rule for f in ic.check(net, torch.ones(3, 4)).findings] == ["TEN802"]
