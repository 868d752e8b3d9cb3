"""The proof on PyTorch modules of every family: free at random, tied where constant, a planted copy found alone."""

import copy

import pytest

torch = pytest.importorskip("torch")

import torch_sequences  # noqa: E402, F401
from torch_families import FAMILIES  # noqa: E402
from train_program import Experiment  # noqa: E402

import initcore as ic  # noqa: E402
import initcore.torch as it  # noqa: E402


def report(net, args, optimizer="adamw"):
    return ic.symmetry.analyze(it.program(net, args), optimizer=optimizer)


@pytest.mark.parametrize("name", sorted(FAMILIES))
def test_a_random_start_is_free(name):
    found = report(*FAMILIES[name]())
    assert found.certified and found.ok, str(found)


@pytest.mark.parametrize("name", sorted(set(FAMILIES) - {"gpt", "vit"}))
def test_a_constant_start_is_tied(name):
    net, args = FAMILIES[name]()
    with torch.no_grad():
        for p in net.parameters():
            p.fill_(0.1)
    found = report(net, args)
    assert not found.ok and "TIED" in found.verdict


# family -> (axis, (unit, its copy), what is copied: (parameter, dim))
PLANTED = {
    "mlp": ("0", (3, 7), [("0.weight", 0), ("0.bias", 0), ("2.weight", 1)]),
    "siren": ("layers.0", (2, 5), [("layers.0.weight", 0), ("layers.0.bias", 0), ("layers.1.weight", 1)]),
    "bert": ("layers.0.up", (1, 9), [("layers.0.up.weight", 0), ("layers.0.up.bias", 0), ("layers.0.down.weight", 1)]),
}


@pytest.mark.parametrize("name", sorted(PLANTED))
def test_a_planted_copy_is_found_and_it_alone(name):
    axis, (a, b), what = PLANTED[name]
    net, args = FAMILIES[name]()
    net = copy.deepcopy(net)
    named = dict(net.named_parameters())
    with torch.no_grad():
        for key, dim in what:
            named[key].select(dim, b).copy_(named[key].select(dim, a))
    found = report(net, args)
    tied = {la.name: [k for k, s in enumerate(la.status) if s != "free"] for la in found.layers if not la.ok}
    assert tied == {axis: [a, b]}


TRAINED = {"lenet": "adam", "gnn": "rmsprop", "gru": "adamw", "t5": "sgd", "moe_dense": "momentum"}


@pytest.mark.parametrize("name", TRAINED)
def test_what_is_called_one_for_ever_stays_one_in_training(name):
    """Units 0 and 1 of every axis are made alike; the program is run and trained in float64, apart from the reader."""
    net, args = FAMILIES[name]()
    with torch.no_grad():
        for p in net.parameters():
            for d in (d for d in (0, 1) if p.dim() > d and p.shape[d] > 2):
                p.select(d, 1).copy_(p.select(d, 0))
    inputs = [a.double().numpy() if a.is_floating_point() else a.numpy() for a in args]
    experiment = Experiment(it.program(net, args), TRAINED[name], steps=4, inputs=lambda rng: inputs).train()
    gap, _, cells = experiment.worst()
    assert cells and gap < 1e-11
