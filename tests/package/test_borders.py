"""Borders that import-linter cannot see: imports inside functions, and how large folders and doors may grow."""

import ast
import re
from pathlib import Path

import pytest

import initcore as ic

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = Path(ic.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
EXTRAS = {"ml_dtypes", "safetensors", "typer", "rich", "click", "torch", "jax", "keras", "dask", "distributed", "h5py",
          "onnx", "google", "matplotlib", "triton", "transformers", "tensorboard", "lightning"}
# What is loaded when it is first needed, and what that saves.
LAZY = {
    "difflib": "only an error needs it: 3 ms",
    "hashlib": "loading OpenSSL doubles the cost of importing initcore",
    "decimal": "only truncated distributions need it: 2 ms",
    "concurrent.futures": "only a scan with threads needs it: 4 ms",
    "initializers/_request.py ..gains": "quadrature, where a gain is given by name: 10 ms",
    "cli/_check.py ..files": "`initcore --version` and `gain` need no verdict: 50 ms",
    "cli/_check.py ._modules": "as above",
    "cli/_check.py ._view": "as above: what it draws is made by them",
    "cli/_compare.py ..files": "as above",
    "cli/_compare.py ._view": "as above",
    "cli/_modules.py ..torch": "PyTorch",
    "cli/_modules.py ..files": "only --data needs it",
    "cli/_demo.py ..demo": "only the demo needs it: 8 ms",
    "cli/_demo.py ..demo._text": "as above",
    "cli/_demo.py ._view": "as above",
    "keras/_programs.py ._jax": "Keras runs on one of them: the other may not be installed",
    "keras/_programs.py ._torch": "as above",
    "cli/_commands.py ..gains": "only `gain` needs it: 10 ms",
    "cli/_commands.py ..rules": "only `rule` needs it: 20 ms",
    "cli/_commands.py ..config": "only `config` needs it",
    "cli/_main.py ._commands": "so that a missing extra is a sentence",
    "cli/_main.py ._guard": "as above",
    "demo/_shards.py ..torch": "PyTorch",
    "torch/_draw.py ._triton": "Triton, only where a CUDA tensor is filled: 300 ms",
    "keras/_streams.py ..jax": "JAX, only where Keras lays a variable out over its devices",
    "files/_formats/_hdf5_library.py subprocess": "only an HDF5 file needs it: 5 ms",
    "files/_formats/_hdf5_process.py numpy": "a script that is told where its modules are",
    "files/_formats/_hdf5_process.py resource": "not on every system",
    "files/_formats/_hdf5_process.py signal": "only as a script",
    "verdict/_report.py ._page.page": "only a page needs charts, tables and the phase diagram: 10 ms",
    "verdict/_report.py ._page.notebook": "as above",
    "verdict/_report.py ..plots": "only a figure needs it: 8 ms",
    "files/_report.py ._page": "only a page needs it: 10 ms",
    "files/_compare.py ._page": "as above",
    "network/_chain.py .._page.card": "only a notebook shows it: escaping loads html, 2 ms",
}


def inside_functions(tree):
    """Every import below a function, with the module it names."""
    for function in ast.walk(tree):
        if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from (a.name for a in node.names)
                elif isinstance(node, ast.ImportFrom):
                    dots, names = "." * node.level, [node.module] if node.module else [a.name for a in node.names]
                    yield from (dots + name for name in names)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_stand_at_the_top_of_the_file(path):
    """But for an extra, or a cost that LAZY gives a reason for."""
    here = path.relative_to(PACKAGE).as_posix()
    found = {m for m in inside_functions(ast.parse(path.read_text()))
             if m.split(".")[0] not in EXTRAS and m not in LAZY and f"{here} {m}" not in LAZY}
    assert not found


def test_rooms_are_opened_by_name_at_the_packages_own_door_alone():
    """An import that is a string stands in no picture and no linter sees it."""
    by_name = {path.relative_to(PACKAGE).as_posix() for path in FILES
               for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Attribute | ast.Name)
               and getattr(node, "attr", getattr(node, "id", "")) in ("import_module", "__import__")}
    others = {"errors.py": "an extra, to say that it is missing", "cli/_modules.py": "the user's own module"}
    assert by_name == {"__init__.py", *others}


def test_folders_stay_small():
    for folder in {p.parent for p in FILES}:
        assert len([p for p in folder.glob("*.py") if p.name != "__init__.py"]) <= 16, folder


@pytest.mark.parametrize("door", sorted(p for p in FILES if p.name == "__init__.py" and p.parent not in
                                        (PACKAGE, PACKAGE / "data")), ids=lambda p: p.parent.name)
def test_a_door_holds_no_code(door):
    """A docstring, imports, ``__all__``, and two lines: the extra it needs, and by which what is exported calls itself
    by the door."""
    for node in ast.parse(door.read_text()).body:
        docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        names = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        line = ast.unparse(node)
        imports = isinstance(node, ast.Import | ast.ImportFrom)
        assert docstring or names or imports or line == "called_by(globals())" or line.startswith("needs("), line


def test_no_two_test_files_share_a_name():
    """Without packages pytest imports them by their base names."""
    names = [p.name for p in Path(__file__).parents[1].rglob("test_*.py")]
    assert len(names) == len(set(names))


def test_the_picture_of_the_floors_is_the_one_that_is_held():
    """CONTRIBUTING draws every room that the linter knows, in its order; a room is there."""
    held = (ROOT / ".importlinter").read_text().split("layers =\n")[1].split("ignore_imports")[0]
    drawn = (ROOT / "CONTRIBUTING.md").read_text().split("```text\n")[1].split("```")[0]
    floors = [sorted(re.findall(r"\w+", line)) for line in held.splitlines()]
    rooms = [re.findall(r"\b[_a-z]+\b", line[4:51].split("(")[0]) for line in drawn.splitlines()]
    assert [room for floor in floors for room in floor] == sorted(
        (room for row in rooms for room in row), key=[room for floor in floors for room in floor].index)
    assert all((PACKAGE / room).is_dir() or (PACKAGE / f"{room}.py").exists() for row in rooms for room in row)
    first = [next(i for i, floor in enumerate(floors) if row[0] in floor) for row in rooms]
    assert first == sorted(first)
