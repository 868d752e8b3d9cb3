"""Doctests where a file's own examples stand, whatever the things call themselves."""

import ast
import doctest
import inspect
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
