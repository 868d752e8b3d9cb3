"""init_params: one stream a name, whatever stands beside it."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import initcore as ic
from initcore import errors
from initcore import initializers as init

SPEC = ("normal", (3, 2))


def flat(tree, path=()):
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from flat(value, (*path, name))
        else:
            yield "/".join((*path, name)), value


def test_every_parameter_is_its_child_stream():
    key = ic.Key(4)
    tree = {"a": ("he_normal", (5, 3)), "block": {"w": (init.orthogonal, (4, 4), {"gain": 2.0}),
                                                 "b": init.Spec("zeros", (4,)), "inner": {"w": SPEC}},
            "c": {"init": "glorot_uniform", "shape": (2, 3), "gain": 0.5},
            "d": functools.partial(init.normal, (3,), std=2.0), "e": ["ones", 3]}
    made = init.init_params(tree, rng=key, dtype="float64")
    want = {"a": init.he_normal((5, 3), rng=key.child("a"), dtype="float64"),
            "block/w": init.orthogonal((4, 4), gain=2.0, rng=key.child("block/w"), dtype="float64"),
            "block/b": np.zeros(4), "block/inner/w": init.normal((3, 2), rng=key.child("block/inner/w"),
                                                                 dtype="float64"),
            "c": init.glorot_uniform((2, 3), gain=0.5, rng=key.child("c"), dtype="float64"),
            "d": init.normal((3,), std=2.0, rng=key.child("d"), dtype="float64"), "e": np.ones(3)}
    got = dict(flat(made))
    assert got.keys() == want.keys() and list(made) == list(tree) and list(made["block"]) == list(tree["block"])
    for name in want:
        assert np.array_equal(got[name], want[name]) and got[name].dtype == np.float64, name


names = st.text(st.characters(codec="utf-8", exclude_characters="/"), min_size=1, max_size=5)


@given(st.lists(names, min_size=1, max_size=8, unique=True), st.randoms(use_true_random=False))
@settings(max_examples=30, deadline=None)
def test_adding_removing_reordering_changes_no_other(parameters, random):
    before = init.init_params({n: SPEC for n in parameters}, rng=1)
    shuffled = random.sample(parameters, random.randint(1, len(parameters)))
    after = init.init_params({"new": {"one": SPEC}, **{n: SPEC for n in shuffled}}, rng=1)
    for n in shuffled:
        if n != "new":
            assert np.array_equal(before[n], after[n])
    values = [a.tobytes() for a in before.values()]
    assert len(set(values)) == len(values)


def test_dtype_threads_and_kwargs():
    made = init.init_params({"a": ("ones", 2, {"dtype": "float16"}), "b": ("ones", 2),
                             "c": functools.partial(init.ones, 2, dtype="float64"),
                             "d": (lambda shape, *, rng, dtype: np.zeros(shape, dtype), 3)}, rng=0)
    assert [a.dtype.name for a in made.values()] == ["float16", "float32", "float64", "float32"]
    one = init.init_params({"w": ("he_normal", (300, 300))}, rng=0, threads=2)["w"]
    assert np.array_equal(one, init.init_params({"w": ("he_normal", (300, 300))}, rng=0)["w"])
    assert init.init_params({}, rng=0) == {} and init.init_params({"a": {}}, rng=0) == {"a": {}}


def test_parameters_may_be_called_init_and_shape():
    made = init.init_params({"layer": {"init": SPEC, "shape": SPEC}}, rng=0)
    assert sorted(made["layer"]) == ["init", "shape"]
    assert made["layer"]["init"].shape == made["layer"]["shape"].shape == (3, 2)


def test_one_generator_or_entropy_is_read_once():
    a = init.init_params({"a": SPEC, "b": SPEC}, rng=np.random.default_rng(3))
    b = init.init_params({"b": SPEC, "a": SPEC}, rng=np.random.default_rng(3))
    assert np.array_equal(a["a"], b["a"]) and np.array_equal(a["b"], b["b"])
    c = init.init_params({"a": SPEC}, rng=None)
    assert not np.array_equal(c["a"], init.init_params({"a": SPEC}, rng=None)["a"])


def test_paths_cannot_collide():
    with pytest.raises(errors.ArgumentError, match=r"two parameters have the path 'a/b'"):
        init.init_params({"a/b": SPEC, "a": {"b": SPEC}}, rng=0)
    one, other = init.init_params({"a/b": SPEC}, rng=0), init.init_params({"a": {"b": SPEC}}, rng=0)
    assert np.array_equal(one["a/b"], other["a"]["b"])


@pytest.mark.parametrize("tree, kind, words", [
    ([SPEC], errors.ArgumentTypeError, "tree must map"),
    ({1: SPEC}, errors.ArgumentTypeError, "must be strings"),
    ({"a": {2: SPEC}}, errors.ArgumentTypeError, "under 'a'"),
    ({"a": "normal"}, errors.ArgumentTypeError, "parameter 'a'"),
    ({"a": None}, errors.ArgumentTypeError, "parameter 'a'"),
    ({"a": ("normal",)}, errors.ArgumentTypeError, "parameter 'a'"),
    ({"a": {"b": ("normal", (3,), 5)}}, errors.ArgumentTypeError, "parameter 'a/b'"),
    ({"a": ("normal", (3,), {"rng": 1})}, errors.ArgumentTypeError, "gives rng="),
    ({"a": ("nromal", (3,))}, errors.UnknownNameError, "did you mean 'normal'"),
    ({"a": ("normal", (3,), {"std": -1.0})}, errors.ArgumentError, "std"),
])
def test_errors(tree, kind, words):
    with pytest.raises(kind, match=words):
        init.init_params(tree, rng=0)


def test_an_initialisers_error_names_the_parameter():
    with pytest.raises(errors.ShapeError) as e:
        init.init_params({"block": {"conv": ("he_normal", (3, 3, 3, 3))}}, rng=0)
    assert "block/conv" in "".join(e.value.__notes__)
    with pytest.raises(TypeError, match="rng"):
        init.init_params({"a": SPEC})
