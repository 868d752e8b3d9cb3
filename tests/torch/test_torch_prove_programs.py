"""Programs at random, trained in float64: what is called one for ever stays one, what is called free parts."""

import pytest

pytest.importorskip("torch")

from random_programs import MODES, random_program
from train_program import OPTIMIZERS, Experiment


@pytest.mark.parametrize("seed", range(3 * len(MODES)))
def test_the_proof_is_borne_out_both_ways(seed):
    program, _ = random_program(seed)
    experiment = Experiment(program, list(OPTIMIZERS)[seed % len(OPTIMIZERS)], seed=seed).train()
    gap, missed, _ = experiment.worst()
    assert gap < 1e-9 and not missed
