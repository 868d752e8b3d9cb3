"""Run others' initialiser tests against initcore's: python tools/others_tests.py torch|jax|keras FILE [FILE]

FILE: test/nn/test_init.py of PyTorch (it wants the package expecttest); tests/nn_test.py of the JAX repository;
random_initializers_test.py, constant_initializers_test.py and initializer_test.py of keras/src/initializers (the last
wants four devices: KERAS_BACKEND=jax XLA_FLAGS=--xla_force_host_platform_device_count=4). None of them is kept here.
Prints how many passed; the last result stands in docs/reference/torch.md, jax.md and keras.md.
"""

import importlib.util
import sys
import types
import unittest
from pathlib import Path


def load(path: str) -> types.ModuleType:
    """The module in a file."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def from_modules(paths: list[str]) -> unittest.TestSuite:
    """Every test of these files."""
    suite = unittest.TestSuite()
    for path in paths:
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(load(path)))
    return suite


def torch(paths: list[str]) -> unittest.TestSuite:
    """PyTorch's tests, with the functions of ``torch.nn.init`` replaced."""
    import torch.nn.init

    import initcore.torch as it
    for name in it.init.__all__:
        if hasattr(torch.nn.init, name):
            setattr(torch.nn.init, name, getattr(it.init, name))
    return from_modules(paths)


def jax(paths: list[str]) -> unittest.TestSuite:
    """JAX's tests, with ``jax.nn.initializers`` replaced."""
    import jax.nn

    import initcore.jax as ij
    for name in jax.nn.initializers.__all__ if hasattr(jax.nn.initializers, "__all__") else dir(jax.nn.initializers):
        if hasattr(ij, name) and name != "Initializer":
            setattr(jax.nn.initializers, name, getattr(ij, name))
    from absl import app, flags
    del app
    module = load(paths[0])
    flags.FLAGS(["test"])
    return unittest.defaultTestLoader.loadTestsFromTestCase(module.NNInitializersTest)


def keras(paths: list[str]) -> unittest.TestSuite:
    """Keras' tests, with ``keras.src.initializers`` replaced."""
    from keras.src import initializers

    import initcore.keras as ik
    conftest = types.ModuleType("conftest")
    conftest.skip_if_backend = lambda *names: lambda test: test         # type: ignore[attr-defined]
    sys.modules["conftest"] = conftest
    for name in ik.__all__:
        if hasattr(initializers, name) and name != "Initializer":
            setattr(initializers, name, getattr(ik, name))
            initializers.ALL_OBJECTS_DICT[name] = getattr(ik, name)
    for long, name in (("OrthogonalInitializer", "Orthogonal"), ("IdentityInitializer", "Identity")):
        initializers.ALL_OBJECTS_DICT[long] = getattr(ik, name)
    return from_modules(paths)


if __name__ == "__main__":
    suites = {"torch": torch, "jax": jax, "keras": keras}
    result = unittest.TextTestRunner(verbosity=1).run(suites[sys.argv[1]](sys.argv[2:]))
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed - len(result.skipped)} of {result.testsRun} pass, {len(result.skipped)} skipped")
