"""Programs built as networks are (U-Nets, blocks, transformers, gates, experts), trained in float64, both ways."""

import pytest

pytest.importorskip("torch")

from random_structured import KINDS, random_structured
from train_program import OPTIMIZERS, Experiment


@pytest.mark.parametrize("seed", range(3 * len(KINDS)))
def test_the_proof_is_borne_out_both_ways(seed):
    program, _, _ = random_structured(seed)
    experiment = Experiment(program, list(OPTIMIZERS)[seed // 3 % len(OPTIMIZERS)], seed=seed, signs=True).train()
    gap, missed, _ = experiment.worst()
    assert gap < 1e-9 and not missed
