"""The stub of the compiled module (``initcore/kernels.pyi``) says what the module has: names and signatures."""

import ast
import inspect
from pathlib import Path

import initcore as ic

STUB = ast.parse((Path(ic.__file__).parent / "kernels.pyi").read_text())
FUNCTIONS = {node.name: node.args for node in STUB.body if isinstance(node, ast.FunctionDef)}
VARIABLES = {node.target.id for node in STUB.body if isinstance(node, ast.AnnAssign)}


def stub_parameters(args):
    """(name, kind, has a default) of every parameter in the stub."""
    assert not args.vararg and not args.kwarg and not args.posonlyargs
    without = len(args.args) - len(args.defaults)
    return ([(a.arg, "POSITIONAL_OR_KEYWORD", i >= without) for i, a in enumerate(args.args)]
            + [(a.arg, "KEYWORD_ONLY", d is not None) for a, d in zip(args.kwonlyargs, args.kw_defaults)])


def compiled_parameters(function):
    """The same of the compiled function, and its defaults."""
    parameters = inspect.signature(function).parameters.values()
    return [(p.name, p.kind.name, p.default is not p.empty) for p in parameters]


def test_names():
    here = {n for n in dir(ic.kernels) if not n.startswith("_") and not inspect.ismodule(getattr(ic.kernels, n))}
    assert here == {n for n in FUNCTIONS.keys() | VARIABLES if not n.startswith("_")}


def test_signatures():
    assert len(FUNCTIONS) > 10
    for name, args in FUNCTIONS.items():
        assert compiled_parameters(getattr(ic.kernels, name)) == stub_parameters(args), name


def test_literal_defaults():
    for name, args in FUNCTIONS.items():
        told = dict(zip([a.arg for a in args.args][len(args.args) - len(args.defaults):], args.defaults))
        told |= {a.arg: d for a, d in zip(args.kwonlyargs, args.kw_defaults) if d is not None}
        has = inspect.signature(getattr(ic.kernels, name)).parameters
        for parameter, default in told.items():
            if not (isinstance(default, ast.Constant) and default.value is Ellipsis):
                assert has[parameter].default == ast.literal_eval(default), (name, parameter)


def test_variables():
    for name in VARIABLES:
        assert hasattr(ic.kernels, name)
