"""The same weights in NumPy, PyTorch, JAX, Keras and Dask: one key, one table of rules, one hash.

``python examples/same_weights.py [numpy torch jax keras dask]``. Under torchrun PyTorch's part is sharded
over the ranks, on a machine with several devices JAX's is cut over them; the hash stays. Keras runs on the backend that
KERAS_BACKEND names.
"""

import collections
import functools
import hashlib
import os
import sys

import numpy as np

import initcore as ic

KEY = ic.Key(2026)
# (taps, in, out) of every weight: the canonical order
SHAPES = {"conv.kernel": (3, 3, 4, 8), "conv.bias": (8,), "hidden.kernel": (8, 16), "hidden.bias": (16,),
          "out.kernel": (16, 8), "out.bias": (8,)}
RULES = {"conv.kernel": ic.init.he_normal, "hidden.kernel": functools.partial(ic.init.glorot_normal, truncate=2.0),
         "out.kernel": "orthogonal", "*.bias": functools.partial(ic.init.normal, std=0.01)}


def digest(arrays):
    """One hash of all arrays, each in canonical order."""
    mark = hashlib.blake2b(digest_size=8)
    for name in SHAPES:
        mark.update(np.ascontiguousarray(arrays[name], dtype="<f4").tobytes())
    return mark.hexdigest()


def by_numpy():
    layout = {"conv.kernel": "hwio"}
    rules = {name: RULES.get(name, RULES["*.bias"]) for name in SHAPES}
    return {name: ic.init.get(rules[name])(shape, rng=KEY.child(name), **(
        {"layout": layout[name]} if name in layout else {})) for name, shape in SHAPES.items()}


def by_torch():
    import torch

    import initcore.torch as it
    parts = {"conv": torch.nn.Conv2d(4, 8, 3), "hidden": torch.nn.Linear(8, 16), "out": torch.nn.Linear(16, 8)}
    net = torch.nn.Sequential(collections.OrderedDict(parts))
    ranks = int(os.environ.get("WORLD_SIZE", 1))
    if ranks > 1:
        from torch.distributed.fsdp import fully_shard
        torch.distributed.init_process_group("gloo")
        fully_shard(net, mesh=torch.distributed.device_mesh.init_device_mesh("cpu", (ranks,)))
    names = {f"{part}.weight": f"{part}.kernel" for part in parts}         # what the others call it
    it.initialize(net, RULES, rng=KEY, canonical=True, names=names)
    made = {}
    for name, p in net.named_parameters():
        w = (p.full_tensor() if ranks > 1 else p).detach().numpy()
        made[names.get(name, name)] = w if w.ndim == 1 else w.T if w.ndim == 2 else w.transpose(2, 3, 1, 0)
    return made


def by_jax():
    import jax
    from jax.sharding import NamedSharding, PartitionSpec

    import initcore.jax as ij
    mesh = jax.make_mesh((len(jax.devices()),), ("devices",))
    shapes, cuts = {}, {}
    for name, shape in SHAPES.items():                              # {"conv": {"kernel": ..., "bias": ...}, ...}
        part, kind = name.split(".")
        shapes.setdefault(part, {})[kind] = jax.ShapeDtypeStruct(shape, "float32")
        spec = PartitionSpec(*[None] * (len(shape) - 1), "devices")
        cuts.setdefault(part, {})[kind] = NamedSharding(mesh, spec)
    params = ij.init_params(shapes, RULES, rng=KEY, shardings=cuts, layouts={"conv.kernel": "hwio"}, canonical=True)
    return {name: np.asarray(params[name.split(".")[0]][name.split(".")[1]]) for name in SHAPES}


def by_keras():
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    import initcore.keras as ik
    net = keras.Sequential([keras.Input((8, 8, 4)), keras.layers.Conv2D(8, 3, name="conv"),
                            keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(16, "tanh", name="hidden"),
                            keras.layers.Dense(8, name="out")])
    ik.initialize(net, RULES, rng=KEY, canonical=True, names={n.replace(".", "/"): n for n in SHAPES})
    return {name: keras.ops.convert_to_numpy(net.get_layer(name.split(".")[0]).__getattribute__(name.split(".")[1]))
            for name in SHAPES}


def by_dask():
    import initcore.dask as lazy
    made = {}
    for name, shape in SHAPES.items():
        whole = name == "out.kernel"                                        # orthogonal: one chunk
        more = {"layout": "hwio"} if len(shape) == 4 else {}
        made[name] = lazy.array(RULES.get(name, RULES["*.bias"]), shape, rng=KEY.child(name),
                                chunks=-1 if whole else tuple(max(1, n // 2) for n in shape), **more).compute()
    return made


if __name__ == "__main__":
    for framework in sys.argv[1:] or ("numpy", "torch", "jax", "keras", "dask"):
        print(f"{framework:6} {digest(globals()[f'by_{framework}']())}")
