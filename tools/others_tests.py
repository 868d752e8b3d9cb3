"""Run the initialiser tests of JAX and of Keras against initcore's: python tools/others_tests.py jax|keras FILE [FILE]

FILE: tests/nn_test.py of the JAX repository; keras/src/initializers/random_initializers_test.py and
constant_initializers_test.py of Keras'. None of them is kept here. Prints how many passed; the last result stands in
docs/reference/jax.md and keras.md.
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
    suite = unittest.TestSuite()
    for path in paths:
        suite.addTests(unittest.defaultTestLoader.loadTestsFromModule(load(path)))
    return suite


if __name__ == "__main__":
    result = unittest.TextTestRunner(verbosity=1).run({"jax": jax, "keras": keras}[sys.argv[1]](sys.argv[2:]))
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed - len(result.skipped)} of {result.testsRun} pass, {len(result.skipped)} skipped")
