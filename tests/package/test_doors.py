"""Everything public calls itself by its public place, and a pickle of it names that place."""

import importlib
import pickle
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import initcore as ic

PACKAGE = Path(ic.__file__).parent
EXTRAS = {"initcore.torch": "torch", "initcore.torch.init": "torch", "initcore.jax": "jax",
          "initcore.keras": "keras", "initcore.dask": "dask", "initcore.cli": "typer", "initcore.demo": None}
DOORS = sorted(m.name for m in pkgutil.walk_packages(ic.__path__, "initcore.", onerror=lambda name: None)
               if m.ispkg and not any(part.startswith("_") for part in m.name.split(".")))


@pytest.mark.parametrize("door", DOORS)
def test_public_things_name_their_door(door):
    if EXTRAS.get(door):
        pytest.importorskip(EXTRAS[door])
    module = importlib.import_module(door)
    for name in getattr(module, "__all__", ()):
        thing = getattr(module, name)
        if callable(thing) and hasattr(thing, "__qualname__"):
            place = thing.__module__
            assert not any(part.startswith("_") for part in place.split(".")[1:]), (name, place)
            assert any(other is thing for other in vars(importlib.import_module(place)).values())


def test_pickles_name_the_door_and_come_back():
    key = ic.Key(0)
    layers = [ic.Dense(ic.init.he_normal((6, 5), rng=key), None, "relu"), ic.Dense(ic.init.zeros((5, 2)))]
    net = ic.Network(layers)
    things = [key, ic.activations.get("tanh"), ic.activations.get("relu").start(3, 4), ic.fans.fans((3, 4)),
              ic.init.Spec("zeros", (3,)), ic.meanfield.finite_width("relu", 5), ic.symmetry.analyze(net),
              ic.saturation.predict(net), ic.check(net)]
    for thing in things:
        text = pickle.dumps(thing)
        assert type(pickle.loads(text)) is type(thing)
        assert "_" not in type(thing).__module__ and type(thing).__module__.encode() in text, type(thing)
    assert repr(ic.symmetry.analyze).startswith("<function analyze")
    assert repr(type(ic.symmetry.analyze(net))) == "<class 'initcore.symmetry.SymmetryReport'>"
    for f in (ic.init.he_normal, ic.symmetry.analyze, ic.random.normal, ic.check):
        assert pickle.loads(pickle.dumps(f)) is f
        assert f.__module__ in ("initcore.initializers", "initcore.symmetry", "initcore.random", "initcore.verdict")
    assert np.array_equal(pickle.loads(pickle.dumps(net)).layers[0].w, net.layers[0].w)


@pytest.mark.parametrize("room, more", [("torch", ""), ("jax", ""), ("dask", ""), ("keras", "KERAS_BACKEND=torch")])
def test_a_door_says_which_extra_it_needs(room, more):
    """Where the framework is not installed, and where it is but lacks something itself (Keras its backend)."""
    absent = f"import sys; sys.modules[{room!r}] = None; import initcore.{room}"
    broken = ("import sys, importlib.abc\n"
              "class Broken(importlib.abc.MetaPathFinder):\n"
              "    def find_spec(self, name, path, target=None):\n"
              f"        if name == {room!r}: raise ModuleNotFoundError('No module named backend', name='backend')\n"
              f"sys.meta_path.insert(0, Broken()); import initcore.{room}")
    for code, why in ((absent, f"needs the {room} package: "), (broken, f"{room} package (No module named backend): ")):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        said = done.stderr.splitlines()[-1]
        assert said.startswith("initcore.errors.MissingExtraError") and why in said and more in said
        assert f"pip install 'initcore[{room}]'" in said
