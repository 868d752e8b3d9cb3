"""Rules at the nodes of a module: near ties, late starts, depth, half precision, closed paths, dead layers."""

from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

import initcore as ic  # noqa: E402
from initcore.errors import ArgumentError  # noqa: E402


def rows(n=64, k=6):
    return torch.randn(n, k, generator=torch.Generator().manual_seed(5))


def small():
    torch.manual_seed(11)
    return nn.Sequential(nn.Linear(6, 12), nn.Tanh(), nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 3))


def found(net, x, rule, **options):
    return [f for f in ic.check(net, x, **options).findings if f.rule == rule]


def test_units_that_nearly_agree_are_named_and_mended():
    net = small()
    with torch.no_grad():
        for p in (net[2].weight, net[2].bias, net[4].weight):
            p.copy_(0.2 + 1e-6 * torch.randn(p.shape))
    report = ic.check(net, rows())
    near = [f for f in report.findings if f.rule == "SYM102"]
    assert [(f.severity, f.tensor, f.place.module) for f in near] == [("warn", "2.weight", "2")]
    assert "9 of 9 units" in near[0].message
    assert not found(report.repair(rng=1), rows(), "SYM102")
    assert not found(net, rows(), "SYM102", stage="trained")


def test_dropout_is_what_the_module_says_it_is():
    with pytest.raises(ArgumentError, match="its own layers of dropout"):
        ic.check(small(), rows(), hidden_dropout=True)


@pytest.mark.parametrize(("depth", "xavier", "rule"), [(6, False, "SIG307"), (10, True, "SIG307"),
                                                       (20, False, "SIG303"), (20, True, "SIG303")])
def test_deep_sigmoid_layers_cannot_learn(depth, xavier, rule):
    """The oldest failure of all, at the scales that libraries have: told over the whole depth."""
    torch.manual_seed(0)
    layers, k = [], 20
    for _ in range(depth):
        layers += [nn.Linear(k, 64), nn.Sigmoid()]
        k = 64
    net = nn.Sequential(*layers, nn.Linear(64, 5))
    for layer in net if xavier else ():
        if isinstance(layer, nn.Linear):
            nn.init.xavier_normal_(layer.weight)
            nn.init.zeros_(layer.bias)
    x, teacher = torch.randn(256, 20), torch.randn(20, 5)
    report = ic.check(net, x, (x @ teacher).tanh().argmax(1), loss=nn.functional.cross_entropy)
    assert not report.ok and rule in {f.rule for f in report.findings if f.severity == "fail"}
    if rule == "SIG303":
        assert found(net, x, rule)[0].measured < 1e-9


def test_units_equal_for_a_step_and_a_late_start_are_information():
    net = small()
    with torch.no_grad():
        net[0].weight[4], net[0].bias[4] = net[0].weight[7], net[0].bias[7]
        net[4].weight.zero_()
    equal, late = found(net, rows(), "SYM105"), found(net, rows(), "SYM106")
    assert [(f.severity, f.tensor, f.measured) for f in equal] == [("info", "0.weight", 11)]
    assert [(f.severity, f.tensor, f.measured) for f in late] == [("info", "0.weight", 1)]
    assert set(late[0].tensors) == {"0.weight", "0.bias", "2.weight", "2.bias"}


@pytest.mark.parametrize(("width", "normed", "told"), [(8, False, True), (100, False, False), (8, True, False)])
def test_depth_over_width_is_told_where_no_norm_mends_it(width, normed, told):
    torch.manual_seed(3)
    layers, k = [], 6
    for _ in range(9):
        w = nn.Linear(k, width)
        nn.init.kaiming_normal_(w.weight)
        layers += [w, *([nn.LayerNorm(width)] if normed else []), nn.ReLU()]
        k = width
    one = found(nn.Sequential(*layers, nn.Linear(k, 3)), rows(), "SIG306")
    assert bool(one) == told
    if told:
        assert one[0].severity == "info" and one[0].measured == pytest.approx(9 / 8)


def test_sums_beyond_half_precision_are_told_once():
    net = small()
    with torch.no_grad():
        net[2].weight.mul_(2e5)
    half = found(net, rows(), "NUM403")
    assert [(f.severity, f.tensor, f.cause) for f in half] == [("warn", "2.weight", "weight_scale")]
    assert half[0].measured > 65504
    with torch.no_grad():
        net[2].weight.mul_(1e-16)
    assert [f.tensor for f in found(net, rows(), "NUM403")] == ["2.weight"]
    with torch.no_grad():
        net[2].weight.mul_(1e30)
    assert [(f.tensor, f.cause) for f in found(net, rows(), "NUM402")] == [("2.weight", "data")]


def test_saturation_fails_where_no_path_is_open():
    """One layer closed to nine tenths is slow; several of them let nothing through; Adam has a longer rope."""
    def closed(depth):
        torch.manual_seed(4)
        layers = []
        for _ in range(depth):
            layers += [nn.Linear(40, 40), nn.Tanh()]
            nn.init.normal_(layers[-2].weight, std=5.0)
        return nn.Sequential(*layers, nn.Linear(40, 2))
    x = rows(64, 40)
    for depth, optimizer, severity in ((1, "sgd", "warn"), (5, "sgd", "fail"), (5, "adam", "warn")):
        told = found(closed(depth), x, "SAT201", optimizer=optimizer)
        assert len(told) == depth and {f.severity for f in told} == {severity}
        assert all(f.cause == "weight_scale" for f in told)


def test_a_dead_layer_is_seen_on_a_few_rows_but_not_a_dead_unit():
    net = small()
    with torch.no_grad():
        net[2].bias.fill_(-40)
    told = found(net, rows(5), "SAT203")
    assert [(f.severity, f.tensor, f.cause) for f in told] == [("warn", "2.bias", "bias")]
    assert [f.severity for f in found(net, rows(64), "SAT203")] == ["fail"]
    with torch.no_grad():
        net[2].bias.zero_()
        net[2].bias[:7] = -40
    assert not found(net, rows(5), "SAT203")


def test_a_frequency_far_too_high_is_told():
    class Wave(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(4, 30), nn.Linear(30, 30), nn.Linear(30, 2)
            with torch.no_grad():
                self.a.weight.uniform_(-0.25, 0.25)
                self.b.weight.uniform_(-(6 / 30) ** 0.5 / 20, (6 / 30) ** 0.5 / 20)

        def forward(self, x):
            return self.c(torch.sin(20.0 * self.b(torch.sin(20.0 * self.a(x)))))
    torch.manual_seed(6)
    net = Wave()
    assert not ic.check(net, rows(64, 4)).findings
    with torch.no_grad():
        net.b.weight.mul_(25)
    assert [(f.tensor, f.cause) for f in found(net, rows(64, 4), "SIG305")] == [("b.weight", "weight_scale")]
    net = Wave()
    assert not found(net, torch.rand(64, 4) * 2 - 1, "SIG305")                  # the first layer has a size of its own
    with torch.no_grad():
        net.a.weight.mul_(40)
    assert [f.tensor for f in found(net, torch.rand(64, 4) * 2 - 1, "SIG305")] == ["a.weight"]


def deep(std, depth=6):
    torch.manual_seed(8)
    layers, k = [], 10
    for _ in range(depth):
        layers += [nn.Linear(k, 24), nn.Tanh()]
        nn.init.normal_(layers[-2].weight, std=std)
        k = 24
    return nn.Sequential(*layers, nn.Linear(k, 4))


def lessons(scale=1.0):
    g = torch.Generator().manual_seed(12)
    x = torch.randn(256, 10, generator=g)
    return x * scale, (x[:, :4] @ torch.randn(4, 4, generator=g)).argmax(1)


def test_a_rehearsal_tells_a_module_that_learns_nothing():
    x, y = lessons()
    report = ic.check(deep(1e5), x, y)
    stuck = [f for f in report.findings if f.rule == "SIG307"]
    assert [(f.severity, f.cause, f.tensor) for f in stuck] == [("fail", "weight_scale", "0.weight")]
    assert stuck[0].measured < 0.1 and "repaired copy" in stuck[0].message
    mended = report.repair(rng=3)
    assert ic.check(mended, x, y).ok


def test_a_rehearsal_that_learns_overrules_an_estimate():
    x, y = lessons()
    net = deep(0.2, 2)
    with torch.no_grad():
        net[4].weight.mul_(100)
    without = ic.check(net, x, y, ignore=["SIG307"])
    report = ic.check(net, x, y)
    assert without.findings and {f.severity for f in without.findings} <= {"fail", "warn", "info"}
    assert not [f for f in report.findings if f.rule == "SIG307" or f.severity == "fail"], report
    threads = torch.get_num_threads()
    ic.check(deep(20.0, 5), x, y, optimizer="adam")
    assert torch.get_num_threads() == threads


def test_nothing_is_rehearsed_where_nothing_is_doubted_or_known(monkeypatch):
    def never(*args):
        raise AssertionError("rehearsed")
    monkeypatch.setattr("initcore._signals._judged.beside_repaired", never)
    x, y = lessons()
    assert ic.check(deep(0.2, 2), x, y).ok
    assert not ic.check(deep(1e5), x).ok
    assert not ic.check(deep(1e5), x, y, ignore=["SIG307"]).ok


def test_what_is_said_of_a_rehearsal_does_not_hang_on_the_callers_generator():
    x, y = lessons()
    net = nn.Sequential(*deep(1e5)[:-1], nn.Dropout(0.4), deep(0.1)[-1])
    said = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        said.append([(f.rule, f.severity, f.measured) for f in ic.check(net, x, y, optimizer="momentum").findings])
        state = torch.get_rng_state()
        torch.manual_seed(seed)
        assert torch.equal(state, torch.get_rng_state())
    assert said[0] == said[1] and "SIG307" in [s[0] for s in said[0]]


def test_a_module_that_takes_no_other_number_of_rows_is_not_rehearsed():
    class Fixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = deep(1e5)

        def forward(self, x):
            return self.inner(x.view(256, 10))
    x, y = lessons()
    report = ic.check(Fixed(), x, y)
    assert not report.ok and "SIG307" not in {f.rule for f in report.findings}


def test_a_module_too_large_for_a_rehearsal_is_not_even_copied(monkeypatch):
    copied = []
    monkeypatch.setattr("initcore.torch._signals._rehearse.copy", SimpleNamespace(deepcopy=copied.append))
    monkeypatch.setattr("initcore._rehearsal._modules.WORK", 1e5)
    x, y = lessons()
    report = ic.check(deep(1e5), x, y)
    assert not copied and not report.ok and "SIG307" not in {f.rule for f in report.findings}


def test_a_scale_that_is_folded_into_the_first_weights_is_no_fault():
    """The repaired copy takes the raw numbers; only they are still told, not the small weights that read them."""
    torch.manual_seed(21)
    net = nn.Sequential(nn.Linear(6, 28), nn.Tanh(), nn.Linear(28, 18), nn.Sigmoid(), nn.Linear(18, 3))
    x = rows(80) * torch.tensor([400.0, 300.0, 500.0, 350.0, 450.0, 380.0]) + 90
    assert "SAT201" in {f.rule for f in ic.check(net, x)}
    again = ic.check(ic.check(net, x).repair(rng=2), x)
    assert {f.rule for f in again if f.severity != "info"} == {"INP701"}


def test_a_branch_may_be_some_times_as_large_as_what_passes_by():
    class Sum(nn.Module):
        def __init__(self, ratio):
            super().__init__()
            torch.manual_seed(17)
            self.enter, self.up, self.down = nn.Linear(6, 26), nn.Linear(26, 40), nn.Linear(40, 26, bias=False)
            self.leave = nn.Linear(26, 3)
            with torch.no_grad():
                h = self.enter(rows())
                branch = self.down(torch.relu(self.up(h)))
                self.down.weight.mul_(ratio * h.square().mean().sqrt() / branch.square().mean().sqrt())

        def forward(self, x):
            h = self.enter(x)
            return self.leave(h + self.down(torch.relu(self.up(h))))
    assert not found(Sum(8.0), rows(), "SIG302")
    told = found(Sum(14.0), rows(), "SIG302")
    assert [(f.severity, f.tensor, f.cause) for f in told] == [("warn", "down.weight", "weight_scale")]
    assert told[0].measured == pytest.approx(14.0, rel=1e-3)
    assert [f.tensor for f in found(Sum(2e5), rows(), "SIG302")] == ["down.weight"]         # as growth too, told once
    assert found(Sum(8.0), rows(), "SIG302", thresholds={"SIG302": {"branch": 5.0}})


class Normed(nn.Module):
    """Two blocks whose norm stands first; the sums are read by norms, or, plain, by the head."""

    def __init__(self, ratio, last=True):
        super().__init__()
        torch.manual_seed(27)
        self.enter, self.leave = nn.Linear(7, 22), nn.Linear(22, 3)
        self.up, self.down = (nn.ModuleList(nn.Linear(22, 22) for _ in range(2)) for _ in range(2))
        self.norms = nn.ModuleList([nn.LayerNorm(22), nn.LayerNorm(22), nn.LayerNorm(22) if last else nn.Identity()])
        with torch.no_grad():
            for down in self.down:
                nn.init.normal_(down.weight, std=ratio * 22 ** -0.5)

    def forward(self, x):
        h = self.enter(x)
        for norm, up, down in zip(self.norms, self.up, self.down):
            h = h + down(torch.tanh(up(norm(h))))
        return self.leave(self.norms[2](h))


@pytest.mark.parametrize(("optimizer", "last", "level"), [
    ("adamw", True, {"info"}), ("sgd", True, {"warn"}), ("adamw", False, {"warn"})])
def test_a_large_branch_that_norms_read_is_information_under_adam(optimizer, last, level):
    g = torch.Generator().manual_seed(4)
    x = torch.randn(48, 7, generator=g)
    assert not [f for f in ic.check(Normed(1.0, last), x, optimizer=optimizer) if f.severity != "info"]
    told = [f for f in ic.check(Normed(60.0, last), x, optimizer=optimizer) if f.rule in ("SIG302", "SIG305")]
    assert {f.severity for f in told} == level and {"down.0.weight"} <= {f.tensor for f in told}, told
    whole = {"SIG302": {"held_total": 10.0}}
    strict = ic.check(Normed(60.0, last), x, optimizer=optimizer, thresholds=whole)
    assert "warn" in {f.severity for f in strict if f.rule in ("SIG302", "SIG305")}
