"""Families of JAX trained in float64 under five optimisers: ties that were proved hold, free units part."""

import pytest

pytest.importorskip("jax")
pytest.importorskip("torch")

import jax
import jax.numpy as jnp
from test_jax_program import FAMILIES
from train_program import OPTIMIZERS, Experiment

import initcore.jax as ij


def constant(params):
    """One number everywhere but in tables: behind equal tokens attention has no gradient but its rounding."""
    tables = {k: params[k] for k in ("embed", "positions") if k in params}
    return {**jax.tree.map(lambda w: jnp.full_like(w, 0.1), params), **tables}


def drawn(program, rng):
    return [rng.integers(0, 11, v.shape) if "int" in v.dtype else rng.normal(size=v.shape) for v in program.inputs]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("name", list(FAMILIES))
def test_ties_of_a_constant_start_hold(name, optimizer):
    fn, make, inputs = FAMILIES[name]
    program = ij.program(fn, constant(make()), *inputs)
    one = Experiment(program, optimizer, steps=8, inputs=lambda rng: drawn(program, rng)).train()
    gap, _, checked = one.worst()
    assert checked and gap < 1e-12, (gap, checked)


@pytest.mark.parametrize("name", ["mlp", "experts", "resnet", "gpt"])
def test_units_of_a_random_start_part(name):
    fn, make, inputs = FAMILIES[name]
    program = ij.program(fn, make(), *inputs)
    one = Experiment(program, "adam", steps=8, inputs=lambda rng: drawn(program, rng)).train()
    assert one.report.ok and not one.worst()[1]
