"""Towers of one function, trained in float64: what is called one across modules stays one, what is free parts."""

import pytest

pytest.importorskip("torch")

import torch
from random_twins import KINDS, random_twins
from train_program import OPTIMIZERS, Experiment

import initcore as ic
import initcore.torch as it


@pytest.mark.parametrize("seed", range(3 * len(KINDS)))
def test_the_proof_of_twins_is_borne_out_both_ways(seed):
    program, _, _, promised = random_twins(seed)
    name = list(OPTIMIZERS)[seed // 3 % len(OPTIMIZERS)]
    experiment = Experiment(program, name, seed=seed, same_targets=promised).train()
    gap, missed, _ = experiment.worst()
    assert gap < 1e-9 and not missed


class Critics(torch.nn.Module):
    """Two critics of a state and an action, as in soft actor-critic."""

    def __init__(self):
        super().__init__()
        self.one, self.two = (torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 8),
                                                  torch.nn.ReLU(), torch.nn.Linear(8, 1)) for _ in range(2))

    def forward(self, state, action):
        both = torch.cat([state, action], dim=-1)
        return self.one(both), self.two(both)


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
def test_critics_that_start_equal_are_one_critic(optimizer):
    torch.manual_seed(5)
    net = Critics().double()
    net.two.load_state_dict(net.one.state_dict())
    program = it.program(net, (torch.zeros(4, 4, dtype=torch.float64), torch.zeros(4, 2, dtype=torch.float64)))
    experiment = Experiment(program, optimizer, steps=12, same_targets=True).train()
    assert not experiment.report.ok and experiment.report.axes["one.0"].twins == ("two.0",)
    gap, missed, checked = experiment.worst()
    assert gap < 1e-12 and not missed and checked
    assert ic.symmetry.analyze(program, optimizer=optimizer).ok           # with targets of their own they part
    torch.manual_seed(6)
    program = it.program(Critics().double(), (torch.zeros(4, 4, dtype=torch.float64),
                                              torch.zeros(4, 2, dtype=torch.float64)))
    assert ic.symmetry.analyze(program, optimizer=optimizer, same_targets=True).ok


class Beside(torch.nn.Module):
    """Two layers that read one input and write one sum: their units share an axis."""

    def __init__(self):
        super().__init__()
        sizes = ((12, 20), (12, 24), (20, 3), (24, 3))
        self.one, self.two, self.up, self.down = (torch.nn.Linear(n, m) for n, m in sizes)

    def forward(self, x):
        return self.up(torch.tanh(self.one(x))) + self.down(torch.tanh(self.two(x)))


def test_near_ties_of_layers_that_share_an_axis():
    torch.manual_seed(0)
    net, x = Beside(), torch.zeros(4, 12)
    assert not ic.symmetry.analyze(it.program(net, (x,))).near_ties
    with torch.no_grad():
        net.two.weight[20], net.two.bias[20] = net.two.weight[9] + 1e-5, net.two.bias[9]
        net.down.weight[:, 20] = net.down.weight[:, 9]
    report = ic.symmetry.analyze(it.program(net, (x,)), tolerance=1e-3)
    [tie] = report.near_ties
    assert tie in report.axes["two"].near_ties and tie.units == (9, 20) and 5e-6 < tie.distance < 2e-5
    assert report.ok and report.axes["two"].tolerance_cells == 23 and report.axes["one"].tolerance_cells == 20
