"""``init_params``: rules by path, layouts, names, and what is refused."""

import functools

import numpy as np
import pytest

pytest.importorskip("jax")

import jax
from jax.sharding import NamedSharding, PartitionSpec

import initcore as ic
import initcore.jax as ij
from initcore import errors

KEY = ic.Key(6)
P = PartitionSpec


def shape(*sizes, dtype="float32", **more):
    return jax.ShapeDtypeStruct(sizes, dtype, **more)


def tree():
    return {"embed": shape(20, 8), "blocks": [{"kernel": shape(8, 8), "bias": shape(8)} for _ in range(2)],
            "conv": {"kernel": shape(3, 3, 4, 6)}, "half": shape(6, 6, dtype="bfloat16"), "steps": shape(dtype="int32")}


RULES = {"embed": functools.partial(ic.init.normal, std=0.5), "*.bias": "zeros", "conv.*": ij.he_uniform(),
         lambda name, leaf: leaf.dtype == "bfloat16": ij.glorot_normal(), "steps": None, "blocks.*": ic.init.orthogonal}


def test_each_leaf_by_its_rule_from_its_path():
    made = ij.init_params(tree(), RULES, rng=KEY)
    want = {"embed": ic.init.normal((20, 8), std=0.5, rng=KEY.child("embed")),
            "conv": ic.init.he_uniform((3, 3, 4, 6), layout="hwio", rng=KEY.child("conv.kernel")),
            "half": ic.init.glorot_normal((6, 6), truncate=2, rng=KEY.child("half"), dtype="bfloat16"),
            "block": ic.init.orthogonal((8, 8), rng=KEY.child("blocks.1.kernel"))}
    for got, name in ((made["embed"], "embed"), (made["conv"]["kernel"], "conv"), (made["half"], "half"),
                      (made["blocks"][1]["kernel"], "block")):
        assert np.asarray(got).tobytes() == want[name].tobytes(), name
    assert not made["blocks"][0]["bias"].any() and made["steps"] == shape(dtype="int32")
    text = str(ij.table(tree(), RULES))
    assert "blocks.{0-1}.kernel" in text and "left as it is" in text and "he_uniform(gain=1.414, mode='fan_in')" in text


def test_keys_of_jax_and_fresh_ones():
    one, two = (ij.init_params({"w": shape(4, 4)}, {"*": "normal"}, rng=r)["w"] for r in
                (jax.random.key(3), ic.Key.from_words(0, 3)))
    assert (one == two).all()
    a, b = (ij.init_params({"w": shape(4, 4)}, {"*": "normal"})["w"] for _ in range(2))
    assert (a != b).any()


def test_names_and_canonical_order():
    rules = {"dense.weight": "he_normal", "*": "zeros"}
    made = ij.init_params({"Dense_0": {"kernel": shape(8, 5), "bias": shape(5)}}, rules, rng=KEY, canonical=True,
                          names={"Dense_0.kernel": "dense.weight"})
    assert (np.asarray(made["Dense_0"]["kernel"]) == ic.init.he_normal((8, 5), rng=KEY.child("dense.weight"))).all()
    turned = ij.init_params({"w": shape(5, 8)}, {"w": "he_normal"}, layouts={"w": "oi"}, rng=KEY, canonical=True,
                            names={"w": "dense.weight"})["w"]
    assert (np.asarray(turned).T == np.asarray(made["Dense_0"]["kernel"])).all()


def mesh(*sizes):
    return jax.sharding.AbstractMesh(sizes, ("a", "b")[:len(sizes)])


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: ij.init_params(tree(), {"embed": "zeros"}, rng=0), errors.ArgumentError, r"no rule matches .*steps \(\)"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {"*": "zeros", "v": "ones"}), errors.ArgumentError,
     "rules without a parameter: v.*'w'"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {"*": "zero"}), errors.UnknownNameError, "did you mean 'zeros'"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {3: "zeros"}), errors.ArgumentTypeError, "key is a pattern"),
    (lambda: ij.init_params({"w": shape(2, 2)}, "zeros"), errors.ArgumentTypeError, "rules must map"),
    (lambda: ij.init_params({"w": 3.0}, {"*": "zeros"}), errors.ArgumentTypeError, "leaf w must have a shape"),
    (lambda: ij.init_params({"w": shape(2, 2, 2)}, {"*": "he_normal"}), errors.ShapeError, "no layout"),
    (lambda: ij.init_params({"w": shape(2, dtype="int32")}, {"*": "normal"}), errors.DTypeError, "int32"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {"*": jax.nn.initializers.he_normal()}), errors.ArgumentError,
     "JAX itself"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {"*": "zeros"}, rng=True), errors.ArgumentTypeError, "rng"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {"*": "zeros"}, names={"v": "x"}), errors.ArgumentError, "'v'"),
    (lambda: ij.init_params({"w": shape(2, 2), "v": shape(2, 2)}, {"*": "zeros"}, names={"v": "w"}),
     errors.ArgumentError, "start equal"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {"*": "zeros"}, shardings=NamedSharding(mesh(2), P("a"))),
     errors.DeviceError, "abstract mesh"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {"*": "zeros"}, shardings=P("a")), errors.UsageError, "no mesh is set"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {"*": "zeros"}, shardings={"v": None}), errors.ArgumentError,
     "shardings must be"),
    (lambda: ij.init_params({"w": shape(2, 2)}, {"*": "zeros"}, shardings="cpu"), errors.ArgumentTypeError,
     "must be a jax.sharding"),
    (lambda: ij.init_params({"w": shape(2)}, {"*": "zeros"}, shardings=NamedSharding(
        jax.make_mesh((1,), ("a",)), P(None, "a"))), errors.ShapeError, "cannot be cut"),
])
def test_what_is_refused(call, error, text):
    with pytest.raises(error, match=text):
        call()


def test_a_tracer_in_the_tree_and_a_bad_scale():
    with pytest.raises(errors.UsageError, match="outside of jit"):
        jax.jit(lambda w: ij.init_params({"w": w}, {"*": "zeros"}, rng=0))(np.zeros(3, "float32"))
    with pytest.raises(errors.ArgumentError, match="std") as caught:
        ij.init_params({"w": shape(2, 2)}, {"*": functools.partial(ic.init.normal, std=-1.0)})
    assert "'w'" in caught.value.__notes__[0]
