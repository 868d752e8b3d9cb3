"""Dead pairs of gates and negated units of cells, trained in float64; what is not both stays free."""

import pytest

pytest.importorskip("torch")

from gated_programs import gated, negated
from train_program import OPTIMIZERS, Experiment

NAMES = list(OPTIMIZERS)
ZEROS = [("gate", "up"), ("gate", "down"), ("up", "down"), ("gate",), ("up",), ("down",)]


@pytest.mark.parametrize("k, zero", list(enumerate(ZEROS)))
@pytest.mark.parametrize("j, phi", list(enumerate(["silu", "relu", "sigmoid"])))
def test_training_agrees_on_dead_units(j, phi, k, zero):
    experiment = Experiment(gated(phi, zero), NAMES[(j + 2 * k) % len(NAMES)], steps=10).train()
    gap, missed, _ = experiment.worst()
    assert gap < 1e-12 and not missed
    dead = experiment.report.layers[0].status[1] == "dead"
    weights = {p.names[0]: experiment.parameters[p.value].detach() for p in experiment.program.parameters}
    weights["down"] = weights["down"].T
    moved = max(float(weights[name][1].abs().max()) for name in zero)
    assert moved == 0.0 if dead else moved > 1e-4


@pytest.mark.parametrize("optimizer, change", [*((name, None) for name in NAMES), ("sgd", 0), ("adam", 2)])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_training_agrees_on_negatives(kind, change, optimizer):
    experiment = Experiment(negated(kind, change), optimizer, steps=12).train()
    gap, missed, checked = experiment.worst()
    assert gap < 1e-11 and not missed and (change is not None or checked)
