"""Eight virtual CPU devices, and what is checked on them; started by tests/jax/test_jax_mesh.py.

``python jax_mesh.py``: every mesh and PartitionSpec of the table gives the bits of an unsharded array, and no host
array larger than a shard is made. Ends with 0 where all was right.
"""

import functools
import os
import tracemalloc

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

import initcore as ic
import initcore.jax as ij
from initcore.random import _fill

P = PartitionSpec
KEY = ic.Key(12)
MESHES = {(8,): "a", (2, 4): "ab", (4, 2): "ab", (2, 2, 2): "abc", (1, 8): "ab"}
SPECS = {
    "a": [P(), P("a"), P(None, "a")],
    "ab": [P("a"), P("a", "b"), P("b", "a"), P(("a", "b")), P(None, ("a", "b")), P(None, "b"), P(("b", "a"), None)],
    "abc": [P("a", "b"), P(("a", "c"), "b"), P("b", ("c", "a")), P(("a", "b", "c")), P(None, "c")],
}
KINDS = {"normal": ic.init.normal, "uniform": "uniform", "cut": ij.he_normal(), "double": "glorot_uniform",
         "sparse": functools.partial(ic.init.sparse, sparsity=0.5), "half": "he_uniform", "ortho": "orthogonal",
         "own": lambda shape, *, rng, dtype: np.full(shape, 0.5, dtype)}
DTYPES = {"double": "float64", "half": "bfloat16"}


def tree(shape):
    return {name: jax.ShapeDtypeStruct(shape, DTYPES.get(name, "float32")) for name in KINDS}


def every_mesh():
    abstract = tree((32, 48))
    whole = ij.init_params(abstract, KINDS, rng=KEY)
    cases = 0
    for sizes, letters in MESHES.items():
        mesh = jax.make_mesh(sizes, tuple(letters))
        for spec in SPECS[letters]:
            sharding = NamedSharding(mesh, spec)
            made = ij.init_params(abstract, KINDS, rng=KEY, shardings=sharding)
            for name, want in whole.items():
                assert made[name].sharding == sharding and made[name].dtype == want.dtype
                assert np.asarray(made[name]).tobytes() == np.asarray(want).tobytes(), (sizes, spec, name)
                for shard in made[name].addressable_shards:
                    assert np.array_equal(shard.data, np.asarray(want)[shard.index]), (sizes, spec, name)
            cases += 1
    return cases


def convolutions_and_bias():
    """Axes of every rank, canonical or not, and a tree of shardings with a prefix."""
    mesh = jax.make_mesh((2, 4), ("a", "b"))
    abstract = {"conv": {"kernel": jax.ShapeDtypeStruct((3, 3, 8, 16), "float32"),
                         "bias": jax.ShapeDtypeStruct((16,), "float32")},
                "heads": jax.ShapeDtypeStruct((16, 4, 8), "float32")}
    rules = {"*bias": "zeros", "*": ic.init.he_normal}
    layouts = {"conv*": "hwio", "heads": {"in_axis": 0, "out_axis": (1, 2)}}
    shardings = {"conv": NamedSharding(mesh, P()), "heads": NamedSharding(mesh, P("a", "b"))}
    for canonical in (False, True):
        one = ij.init_params(abstract, rules, rng=KEY, layouts=layouts, canonical=canonical)
        two = ij.init_params(abstract, rules, rng=KEY, layouts=layouts, canonical=canonical, shardings=shardings)
        assert jax.tree.all(jax.tree.map(lambda x, y: bool((np.asarray(x) == np.asarray(y)).all()), one, two))
    want = ic.init.he_normal((16, 4, 8), in_axis=0, out_axis=(1, 2), rng=KEY.child("heads"))
    assert (np.asarray(two["heads"]) == want).all()


def out_sharding():
    """JAX's own argument, with a NamedSharding and with the mesh that is set."""
    mesh, key = jax.make_mesh((4, 2), ("a", "b")), jax.random.key(5)
    plain = np.asarray(ij.lecun_normal()(key, (16, 8)))
    assert (np.asarray(ij.lecun_normal()(key, (16, 8), None, NamedSharding(mesh, P("a", "b")))) == plain).all()
    with jax.set_mesh(mesh):
        made = ij.lecun_normal()(key, (16, 8), None, P("b"))
    assert (np.asarray(made) == plain).all() and made.sharding.spec == P("b")


def what_does_not_divide_is_refused_before_anything_is_made():
    sharding = NamedSharding(jax.make_mesh((8,), ("a",)), P("a"))
    made = []

    def own(shape, *, rng, dtype):
        made.append(shape)
        return np.zeros(shape, dtype)

    try:
        ij.init_params({"a": jax.ShapeDtypeStruct((16,), "float32"), "b": jax.ShapeDtypeStruct((12, 3), "float32")},
                       {"*": own}, shardings=sharding)
    except ic.errors.ShapeError as error:
        assert "b of shape (12, 3) cannot be cut as P" in str(error), error
    assert not made


def no_host_array_is_larger_than_a_shard():
    shape = (4096, 1024)
    whole, largest = 4 * shape[0] * shape[1], 0
    fill = _fill.kernels.random_fill

    class Watched:
        @staticmethod
        def random_fill(*args):
            nonlocal largest
            largest = max(largest, args[4].nbytes)
            return fill(*args)

    _fill.kernels = Watched
    sharding = NamedSharding(jax.make_mesh((8,), ("a",)), P("a"))
    abstract = {"w": jax.ShapeDtypeStruct(shape, "float32", sharding=sharding)}
    ij.init_params(abstract, {"w": "normal"}, rng=0)
    tracemalloc.start()
    ij.init_params(abstract, {"w": "normal"}, rng=0)
    peak = tracemalloc.get_traced_memory()[1]
    assert largest == whole // 8
    assert peak < 1.2 * whole               # the eight shards themselves, and no whole array beside them
    return largest, peak


def a_model_over_a_mesh_is_checked_and_mended_where_it_lies():
    sharding = NamedSharding(jax.make_mesh((4, 2), ("a", "b")), P("a", "b"))
    w = jax.device_put(np.asarray(30 * ic.init.glorot_normal((8, 8), rng=1)), sharding)
    model = ij.Model(lambda p, x: jax.numpy.tanh(x @ p["w"]) @ p["v"],
                     {"w": w, "v": jax.numpy.asarray(ic.init.glorot_normal((8, 3), rng=2))})
    report = ij.check(model, (40, 8))
    assert {f.tensor for f in report.findings if f.severity != "info"} == {"w"}
    mended = report.repair(rng=0)
    assert mended.params["w"].sharding == sharding and ij.check(mended, (40, 8)).ok


if __name__ == "__main__":
    a_model_over_a_mesh_is_checked_and_mended_where_it_lies()
    jax.config.update("jax_enable_x64", True)
    convolutions_and_bias()
    out_sharding()
    what_does_not_divide_is_refused_before_anything_is_made()
    print(every_mesh(), "cases;", "largest host array, peak:", *no_host_array_is_larger_than_a_shard())
