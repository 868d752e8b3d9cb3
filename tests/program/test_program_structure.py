"""The structure of a program that signals need: activations written out, what follows a weight, sums and gates."""

import math

import numpy as np
import pytest
from program_builder import Builder

from initcore._signals import Structure, unmeasured
from initcore.program import Op, Program, Value
from initcore.rules.nodes import Words


@pytest.fixture
def b():
    return Builder(np.random.default_rng(0))


def function(b, x, name, **attributes):
    return b.op("elementwise", x, shape=x.shape, function=name, **attributes)


def sole(s):
    """The only activation: its name, what it reads, what it makes."""
    (made, phi), = s.activations.items()
    return phi.name, s.reads[made], made


def test_a_sigmoid_times_its_own_input_is_one_activation(b):
    x = b.input(4, 3)
    z = b.dense("a", x, 5)
    y = b.mul(z, b.act(z, "sigmoid"))
    s = Structure(b.program(b.dense("b", y, 2)))
    assert sole(s) == ("silu", z, y)
    first = next(u for u in s.uses if s.source(u.w).name == "a.weight")
    assert first.activation is y and first.after == {"activation"}


def test_a_sigmoid_times_something_else_stays_a_gate(b):
    x = b.input(4, 3)
    gate = b.act(b.dense("a", x, 5), "sigmoid")
    s = Structure(b.program(b.mul(b.dense("b", x, 5), gate)))
    assert sole(s)[0] == "sigmoid" and sole(s)[2] is gate


@pytest.mark.parametrize("form", ["erf", "tanh"])
def test_a_gelu_written_out_reads_what_enters_it(b, form):
    z = b.dense("a", b.input(4, 3), 5)
    if form == "erf":
        inner = b.act(b.mul(z, b.constant(math.sqrt(0.5))), "erf")
    else:
        cube = b.mul(function(b, z, "power", exponent=3.0), b.constant(0.044715))
        inner = b.act(b.mul(b.add(z, cube), b.constant(math.sqrt(2 / math.pi))), "tanh")
    y = b.mul(b.mul(z, b.constant(0.5)), b.add(inner, b.constant(1.0)))
    s = Structure(b.program(y))
    assert sole(s) == ({"erf": "gelu", "tanh": "gelu_tanh"}[form], z, inner)
    assert s.uses[0].activation is inner


def test_a_leaky_relu_written_out_and_a_frequency(b):
    x = b.input(4, 3)
    z = b.dense("a", x, 5)
    slope = b.mul(z, b.constant(0.2))
    y = b.op("choose", b.op("compare", z, b.constant(0.0), shape=z.shape, function="gt"), z, slope, shape=z.shape)
    assert sole(Structure(b.program(y)))[:2] == ("leaky_relu_0.2", z)
    wave = b.act(b.mul(z, b.constant([12.0])), "sin")
    phi = Structure(b.program(wave)).activations[wave]
    assert (phi.family, phi.alpha) == ("sin", 12.0)


def test_a_clamp_is_an_activation_where_its_name_says_so(b):
    z = b.dense("a", b.input(4, 3), 5)
    bound = function(b, z, "clamp", low=0.0, high=6.0)
    assert not Structure(b.program(bound)).activations
    y = function(b, z, "clamp", low=0.0, high=6.0, named=True)
    name, reads, _ = sole(Structure(b.program(y)))
    assert (name, reads) == ("relu6", z)


def test_a_branch_beside_an_embedding_is_a_residual(b):
    x = b.op("look_up", b.weight("table", (7, 5)), b.op("arange", shape=(4,)), shape=(4, 5))
    branch = b.dense("up", b.norm(x, dims=(1,)), 5, bias=False)
    s = Structure(b.program(b.add(x, branch)))
    assert [(one.skip, one.branch) for one in s.sums] == [(x, branch)] and not s.is_gate_sum(s.sums[0])


def test_the_sum_inside_a_cell_is_no_residual(b):
    x, w, state = b.input(2, 4, 3), b.weight("w", (5, 3)), b.weight("state", (5, 5))
    first, second = (b.linear(b.reshape(b.slice(x, 0, k, k + 1), 4, 3), w) for k in range(2))
    out = b.act(b.add(second, b.linear(b.act(first), state)))
    s = Structure(b.program(out))
    assert len(s.sums) == 1 and s.is_gate_sum(s.sums[0])
    assert all("activation" in u.after for u in s.uses)


def test_recurrent_operations_have_a_sum_before_every_gate(b):
    x = b.input(6, 4, 3)
    parts = [b.weight(f"{k}{way}", shape) for way in ("", "_reverse")
             for k, shape in {"ih": (15, 3), "hh": (15, 5), "bi": (15,), "bh": (15,)}.items()]
    y = [Value((6, 4, 10), "float64"), Value((2, 4, 5), "float64")]
    state = b.constant(np.zeros((2, 4, 5)))
    b.op("recur", x, state, None, *parts, shape=y[0].shape, cell="gru", bidirectional=True)
    op = b.ops[-1]
    b.ops[-1] = type(op)(op.kind, op.inputs, tuple(y), op.attributes, op.place, op.source)
    s = Structure(b.program(b.dense("head", y[0], 2)))
    assert [g.part for g in s.gates] == [f"layer 0{way} {gate}" for way in ("", " backwards")
                                         for gate in ("reset gate", "update gate", "candidate")]
    assert {u.w.name for u in s.gates[4].uses} == {"ih_reverse", "hh_reverse"}
    assert [u.after for u in s.uses[:4]] == [{"contraction"}] * 4
    assert s.before(y[1]) == s.before(y[0])


def test_a_program_that_nobody_ran_tells_its_weights(b):
    z = b.dense("a", b.input(4, 3), 5)
    p = b.program(b.dense("b", b.mul(z, b.act(z, "sigmoid")), 2))
    context = unmeasured(p, {}, None, "sgd", Words())
    told = {w.name: (w.fan_in, w.fan_out, w.activation and w.activation.name, sorted(w.after), w.data, w.main)
            for w in context.weights}
    assert told == {"a.weight": (3, 5, "silu", ["activation"], True, True),
                    "b.weight": (5, 2, None, ["output"], False, True)}
    assert np.isclose(context.weights[0].std, p.parameters[0].read().std())


def test_powers_of_powers_are_walked_once():
    z, half = Value((2, 3)), Value(())
    ops, v = [], z
    for _ in range(80):
        ops.append(Op("multiply", (v, v), (Value((2, 3)),)))
        v = ops[-1].outputs[0]
    total, inner, y = (Value((2, 3)) for _ in range(3))
    ops += [Op("add", (z, v), (total,)), Op("multiply", (total, half), (inner,)),
            Op("activation", (inner,), (y,), {"activation": "tanh"})]
    s = Structure(Program([z], [], {half: np.array(0.5)}, ops, [y]))
    assert s.activations[y].name == "gelu_tanh" and s.reads[y] is z
