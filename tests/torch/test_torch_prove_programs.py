"""Programs at random, trained in float64: what is called one unit for ever stays one (more in tools)."""

import pytest

pytest.importorskip("torch")

from random_programs import MODES, random_program
from train_program import OPTIMIZERS, Experiment


@pytest.mark.parametrize("seed", range(len(MODES)))
def test_what_is_called_one_for_ever_stays_one(seed):
    program, _ = random_program(seed)
    experiment = Experiment(program, list(OPTIMIZERS)[seed % len(OPTIMIZERS)], seed=seed).train()
    gap, _, _ = experiment.worst()
    assert gap < 1e-9
