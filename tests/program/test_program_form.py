"""Programs: what is refused, how they print, what counts as understood, and every operation of the vocabulary."""

import numpy as np
import pytest
from program_builder import Builder

import initcore as ic
from initcore.errors import ArgumentError, ShapeError, UnknownNameError
from initcore.program import FUNCTIONS, VOCABULARY, Op, Parameter, Place, Program, Value


def builder():
    return Builder(np.random.default_rng(0))


def net(b=None, act="tanh"):
    b = b or builder()
    x = b.input(5, 3)
    return b.program(b.dense("out", b.act(b.dense("in", x, 4), act), 2))


def test_it_prints_in_eighty_columns_with_place_and_coverage():
    b = builder()
    h = b.op("opaque", b.dense("layers.3.very.long.module.path.of.a.block", b.input(5, 3), 4), shape=(5, 4))
    p = b.program(b.dense("out", h, 2))
    lines = str(p).splitlines()
    assert max(map(len, lines)) <= 80
    assert "contract" in lines[1] and "5x4" in lines[1]
    assert "not understood: opaque" in lines[-1]


def test_a_parameter_in_an_opaque_operation_is_not_covered():
    b = builder()
    x, w = b.input(5, 4), b.weight("w", (4, 4))
    h = b.op("opaque", x, w, shape=(5, 4))
    p = b.program(b.dense("out", h, 1, bias=False))
    assert p.coverage.share == pytest.approx(4 / 20)


def test_a_parameter_used_in_an_opaque_operation_proves_nothing_elsewhere():
    """Equal rows and columns of a weight that something unknown takes, too: no tie is claimed."""
    b = builder()
    w = b.weight("w", np.ones((4, 3)))
    x = b.input(5, 3)
    h = b.act(b.linear(x, w))
    odd = b.op("opaque", w, shape=(5, 4))
    y = b.linear(b.add(h, odd), b.weight("v", np.ones((2, 4))))
    report = ic.symmetry.analyze(b.program(y))
    assert all(s == "free" for la in report.layers for s in la.status)


@pytest.mark.parametrize(("change", "error", "words"), [
    ({"kind": "tanh"}, UnknownNameError, "operation"),
    ({"attributes": {}}, ArgumentError, "lacks the attribute 'activation'"),
    ({"attributes": {"activation": "tanh", "slope": 1}}, ArgumentError, "'slope'"),
    ({"inputs": ()}, ArgumentError, "0 inputs"),
])
def test_an_operation_that_is_none_of_the_vocabulary_is_refused(change, error, words):
    x, y = Value((2, 3), name="x"), Value((2, 3), name="y")
    op = {"kind": "activation", "inputs": (x,), "outputs": (y,), "attributes": {"activation": "tanh"}, **change}
    with pytest.raises(error, match=words):
        Program([x], [], {}, [Op(**op, place=Place("m", "a.py", 3))], [y])


def test_values_are_made_once_and_before_they_are_used():
    x, y = Value((2,), name="x"), Value((2,), name="y")
    op = Op("activation", (x,), (y,), {"activation": "tanh"})
    with pytest.raises(ArgumentError, match="second time"):
        Program([x], [], {}, [op, op], [y])
    with pytest.raises(ArgumentError, match="before it is made"):
        Program([], [], {}, [op], [y])
    with pytest.raises(ArgumentError, match="nothing makes"):
        Program([x], [], {}, [], [y])


@pytest.mark.parametrize(("kind", "attributes", "shape"), [
    ("permute", {"dims": (0, 0)}, (2, 2)), ("reshape", {"shape": (4,)}, (4,)),
    ("slice", {"starts": (0, 0), "stops": (2, 2)}, (2, 3)), ("broadcast", {"shape": (2, 4), "dims": (0, 1)}, (2, 4)),
    ("softmax", {"dims": (2,)}, (2, 3)), ("cumulate", {"dim": -1}, (2, 3)),
])
def test_shapes_that_do_not_fit_are_refused(kind, attributes, shape):
    x = Value((2, 3), name="x")
    y = Value(shape)
    with pytest.raises(ShapeError):
        Program([x], [], {}, [Op(kind, (x,), (y,), attributes)], [y])


def test_the_vocabulary_and_its_functions_are_well_formed():
    assert all(name == e.name and e.inputs[0] <= e.inputs[1] for name, e in VOCABULARY.items())
    assert all(len(facts) == 3 for facts in FUNCTIONS.values())


def test_parameters_are_read_when_somebody_asks_and_once_an_analysis():
    reads = []
    x = Value((5, 3), name="x")
    w = Parameter(Value((4, 3), "float64"), ("w",), lambda: reads.append(1) or np.ones((4, 3)))
    y = Value((5, 4))
    p = Program([x], [w], {}, [Op("contract", (x, w.value), (y,), {"contracting": ((1,), (1,))})], [y])
    assert str(p) and not reads
    ic.symmetry.analyze(p)
    assert len(reads) == 1


def test_an_approximate_program_settles_nothing():
    b = builder()
    x = b.input(5, 3)
    h = b.act(b.linear(x, b.weight("w", np.ones((4, 3)))))
    report = ic.symmetry.analyze(b.program(b.linear(h, b.weight("v", np.ones((2, 4)))), approximate=True))
    assert not report.ok and report.layers[0].status == ("undetermined",) * 4
    assert "approximate" in report.verdict


def test_a_weight_that_is_not_finite_is_named():
    b = builder()
    p = b.program(b.linear(b.input(5, 3), b.weight("bad.weight", np.array([[1.0, np.nan, 0.0]]))))
    with pytest.raises(ic.errors.NonFiniteError, match=r"bad\.weight"):
        ic.symmetry.analyze(p)


def test_what_takes_chains_refuses_a_program_in_a_sentence():
    with pytest.raises(ic.errors.ArgumentTypeError, match="chains of layers"):
        ic.symmetry.quotient(net())
