"""What PyTorch's modules are measured in: values of the program that stand inside a node, beside it, in a region."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional as F  # noqa: E402

import initcore as ic  # noqa: E402


def rows(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(8))


class Own(nn.Module):
    """Two linear layers around a function of the test's."""

    def __init__(self, between, width=12, after=12):
        super().__init__()
        torch.manual_seed(2)
        self.a, self.b, self.between = nn.Linear(6, width), nn.Linear(after, 3), between

    def forward(self, x):
        return self.b(self.between(self.a(x)))


WRITTEN = {
    "silu": lambda z: z * torch.sigmoid(z),
    "gelu": lambda z: 0.5 * z * (1 + torch.erf(z / 2 ** 0.5)),
    "gelu_tanh": lambda z: 0.5 * z * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (z + 0.044715 * z ** 3))),
    "leaky_relu_0.1": lambda z: torch.where(z > 0, z, 0.1 * z),
    "hard_swish": F.hardswish, "relu6": F.relu6, "leaky_relu_0.25": nn.PReLU(),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_an_activation_written_out_is_measured_at_what_enters_it(name):
    net, x = Own(WRITTEN[name]), rows(40, 6)
    layer, = ic.check(net, x).layers
    assert layer.activation == name
    assert np.isclose(layer.q, net.a(x).square().mean().item(), rtol=1e-5)


@pytest.mark.parametrize(("f", "after", "z"), [
    (lambda z: F.glu(z), 6, lambda z: z[:, 6:]), (lambda z: F.celu(z, 2.0), 12, lambda z: z / 2),
    (lambda z: F.softplus(z, 3.0), 12, lambda z: 3 * z)], ids=["glu", "celu", "softplus"])
def test_an_activation_inside_an_operation_is_measured_there(f, after, z):
    net, x = Own(f, after=after), rows(40, 6)
    layer, = ic.check(net, x).layers
    assert np.isclose(layer.q, z(net.a(x)).square().mean().item(), rtol=1e-5)


def test_a_direction_of_a_recurrent_layer_is_blamed_for_its_own_weights():
    torch.manual_seed(0)
    net = nn.GRU(5, 8, bidirectional=True, batch_first=True)
    with torch.no_grad():
        net.bias_ih_l0_reverse[16:] = 40
    found = [f for f in ic.check(net, (rows(16, 4, 5),)).findings if f.rule == "SAT201"]
    assert [(f.tensor, f.cause) for f in found] == [("bias_ih_l0_reverse", "bias")]


def test_a_projected_lstm_is_run_as_it_is():
    torch.manual_seed(0)
    net, x = nn.LSTM(5, 8, num_layers=2, proj_size=3), rows(4, 6, 5)
    report = ic.check(net, x)
    assert not report.findings and len(report.layers) == 8
    z = F.linear(x, net.weight_ih_l0, net.bias_ih_l0 + net.bias_hh_l0)[..., :8]
    h = torch.cat([torch.zeros(1, 6, 3), net(x)[0][:-1]])
    assert report.layers[0].q > 0 and z.shape[:2] == h.shape[:2]


def test_a_region_under_autocast_is_looked_into():
    class Region(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(3)
            self.a, self.b = nn.Linear(6, 30), nn.Linear(30, 2)

        def forward(self, x):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                h = torch.tanh(self.a(x))
            return self.b(h.float())
    net, x = Region(), rows(64, 6)
    assert not ic.check(net, x).findings
    with torch.no_grad():
        net.a.weight.mul_(60)
    found = [f for f in ic.check(net, x).findings if f.rule == "SAT201"]
    assert [(f.tensor, f.cause) for f in found] == [("a.weight", "weight_scale")]


def test_the_first_branch_beside_an_embedding_is_judged():
    class First(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(4)
            self.embed, self.up, self.head = nn.Embedding(9, 12), nn.Linear(12, 12, bias=False), nn.Linear(12, 9)
            self.norm = nn.LayerNorm(12)

        def forward(self, t):
            x = self.embed(t)
            return self.head(self.norm(x + self.up(F.layer_norm(x, (12,)))))
    net, t = First(), torch.randint(9, (8, 5), generator=torch.Generator().manual_seed(1))
    assert ic.check(net, t).ok
    with torch.no_grad():
        net.up.weight.mul_(100)
    found = [f for f in ic.check(net, t).findings if f.rule == "SIG302"]
    assert [(f.tensor, f.cause) for f in found] == [("up.weight", "weight_scale")]


def test_a_parameter_that_is_no_plain_tensor_leaves_the_weights_alone_to_be_judged():
    class Mine(nn.Parameter):
        pass
    net = nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 2))
    net[0].weight = Mine(net[0].weight.detach())
    report = ic.check(net, rows(8, 6))
    assert not report.whole and "0.weight is a Mine" in report.notes[0]


def test_sizes_that_hang_on_the_data_are_a_sentence():
    class Chosen(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(6, 5), nn.Linear(5, 5)

        def forward(self, x):
            h = torch.tanh(self.a(x))
            at = (h.sum(-1) > 0).nonzero()[:, 0]
            return torch.zeros_like(h).index_add(0, at, self.b(h[at]))
    report = ic.check(Chosen(), rows(32, 6))
    assert not report.whole and "depends on the values of a tensor" in report.notes[0]
