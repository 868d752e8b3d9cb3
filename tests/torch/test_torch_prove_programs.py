"""Programs at random, trained in float64: what is called one for ever stays one, what is called free parts."""

import pytest

pytest.importorskip("torch")

from random_programs import MODES, random_program
from train_program import OPTIMIZERS, Experiment, first_gradients

import initcore as ic


@pytest.mark.parametrize("seed", range(2 * len(MODES)))
def test_the_proof_is_borne_out_both_ways(seed):
    program, _ = random_program(seed)
    experiment = Experiment(program, list(OPTIMIZERS)[seed % len(OPTIMIZERS)], seed=seed).train()
    gap, missed, _ = experiment.worst()
    assert gap < 1e-9 and not missed


@pytest.mark.parametrize("seed", range(40, 40 + len(MODES)))
def test_no_gradient_comes_before_it_is_announced(seed):
    program, _ = random_program(seed)
    flow = ic.symmetry.analyze(program, optimizer="sgd").zero_flow
    for name, step in first_gradients(program, seed).items():
        assert step is None or (flow[name] is not None and flow[name] <= step), (name, flow[name], step)
