"""Doctests where a file's own examples stand, whatever the things call themselves."""

import ast
import doctest
import importlib
import inspect
import pkgutil
from pathlib import Path


class Written(doctest.DocTestFinder):
    """Examples of what a file itself defines: things call themselves by their door, not by their file."""

    def _from_module(self, module, thing):
        if inspect.isfunction(inspect.unwrap(thing)):
            return inspect.unwrap(thing).__globals__ is vars(module)
        if isinstance(thing, type):
            tree = ast.parse(Path(module.__file__).read_text()) if module.__file__.endswith(".py") else None
            return tree is not None and thing.__name__ in {n.name for n in tree.body if isinstance(n, ast.ClassDef)}
        return super()._from_module(module, thing)


def modules(package):
    """The names of a package and of all modules in it."""
    return [package.__name__, *(m.name for m in pkgutil.walk_packages(package.__path__, f"{package.__name__}."))]


def check(name):
    """Run the examples of a module."""
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for case in Written().find(importlib.import_module(name), name):
        runner.run(case)
    assert runner.summarize().failed == 0
