"""The package as a whole: what import costs and brings in, the variants, the doctests, the public names."""

import doctest
import importlib
import json
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from written import Written

import initcore as ic

PROBE = """
import json, sys, numpy
before = set(sys.modules)
import initcore
print(json.dumps(sorted({m.split('.')[0] for m in set(sys.modules) - before})))
"""


def run(code, **env):
    import os
    full = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), **env}
    return subprocess.run([sys.executable, "-c", code], env=full, capture_output=True, text=True)


def test_import_brings_in_only_numpy_and_the_standard_library():
    done = run(PROBE)
    assert done.returncode == 0, done.stderr
    foreign = {m for m in json.loads(done.stdout) if m not in sys.stdlib_module_names}
    # Cython registers its shared types as the module _cython_<version>; it is in no file.
    assert {m for m in foreign if not m.startswith(("_cython", "cython_runtime"))} == {"initcore"}


def test_the_pytest_plugin_brings_in_neither_initcore_nor_numpy():
    done = run("import sys, pytest_initcore; print(sorted({'initcore', 'numpy'} & set(sys.modules)))")
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_a_tree_without_kernels_says_what_to_do(tmp_path):
    package = Path(ic.__file__).parent
    for source in package.rglob("*.py"):
        target = tmp_path / "initcore" / source.relative_to(package)
        target.parent.mkdir(exist_ok=True, parents=True)
        target.write_text(source.read_text())
    # -S: without site-packages, where an editable install would lend its kernels
    done = subprocess.run([sys.executable, "-S", "-c", "import initcore"],
                          env={"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"}, capture_output=True, text=True)
    assert done.returncode and "python setup.py build_ext --inplace" in done.stderr.splitlines()[-1]


def test_every_variant_can_be_forced(isa, run_on):
    assert run_on(isa, "import initcore; print(initcore.kernels.isa)").strip() == isa


@pytest.mark.parametrize("name", ["sse9", "x86_v4"])
def test_an_impossible_variant_is_an_import_error(name):
    if ic.kernels.variants().get(name) in ("in use", "available"):
        name = "pentium"
    done = run("import initcore", INITCORE_ISA=name)
    assert done.returncode and f"ImportError: INITCORE_ISA='{name}'" in done.stderr


def test_show_config(capsys):
    assert ic.show_config() is None
    text = capsys.readouterr().out
    facts = ic.show_config(mode="dicts")
    assert facts["isa"] == ic.kernels.isa and facts["variants"]["base"] in ("in use", "available")
    assert facts["compiler"] in text and "-O3" in facts["flags"]


def test_public_names():
    assert ic.__all__ == sorted(ic.__all__)
    for name in ic.__all__:
        assert getattr(ic, name) is not None
    assert callable(ic.check) and callable(ic.gain)


ADAPTERS = ("initcore.torch", "initcore.jax", "initcore.keras", "initcore.dask")
EXTRAS = ("initcore.cli._commands", "initcore.demo._text")       # these import an extra
MODULES = [m.name for m in pkgutil.walk_packages(ic.__path__, "initcore.", onerror=lambda name: None)
           if "._variant" not in m.name and m.name not in EXTRAS and not m.name.endswith("__main__")
           and not m.name.startswith(ADAPTERS)]                      # their doctests stand with their tests


@pytest.mark.parametrize("name", MODULES)
def test_doctests(name):
    module = importlib.import_module(name)
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS)
    for case in Written().find(module, name):
        runner.run(case)
    assert runner.summarize().failed == 0
    if module.__file__.endswith(".py"):             # none is lost
        written = len(re.findall(r"^ *>>> ", Path(module.__file__).read_text(), re.M))
        assert runner.summarize().attempted == written

