"""Gates: two factors that are 0 make a unit dead; units of cells may be each other's negative (theory 4.9.1, 4.9.5)."""

import pytest
from gated_programs import gated, negated

import initcore as ic

PAIRS = [("gate", "up"), ("gate", "down"), ("up", "down")]


@pytest.mark.parametrize("phi", ["silu", "relu", "tanh", "sigmoid", "softplus"])
@pytest.mark.parametrize("zero", [*PAIRS, ("gate",), ("up",), ("down",)])
def test_two_factors_that_are_zero_are_dead_for_ever(phi, zero):
    shut = phi not in ("sigmoid", "softplus")                        # phi(0) = 0; of a ReLU the slope there, too
    dead = zero == ("up", "down") or (len(zero) == 2 and shut) or (phi == "relu" and "gate" in zero)
    (la,) = ic.symmetry.analyze(gated(phi, zero), optimizer="adam").layers
    assert la.status == ("free", "dead" if dead else "free", "free", "free")


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_units_of_cells_that_are_negatives(kind):
    (la,) = ic.symmetry.analyze(negated(kind), optimizer="adamw").layers
    assert la.status == ("free", "sign-tied", "free", "sign-tied") and la.multipliers[3] == -1
    for gate in range(4 if kind == "lstm" else 3):
        assert ic.symmetry.analyze(negated(kind, gate), optimizer="adamw").ok
