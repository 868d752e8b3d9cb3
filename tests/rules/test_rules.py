"""The catalogue is complete, its pages are its words, and every rule has a function and a page."""

import importlib.metadata
import pathlib
import subprocess
import sys

import pytest

from initcore import rules
from initcore.rules import _catalogue

DESIGN = {"SYM101": "fail", "SYM102": "warn", "SYM103": "fail", "SYM104": "fail", "SYM105": "info", "SYM106": "info",
          "SAT201": "fail", "SAT202": "warn", "SAT203": "warn", "SIG301": "warn", "SIG302": "warn", "SIG303": "warn",
          "SIG304": "fail", "SIG305": "warn", "SIG306": "info", "SIG307": "fail", "NUM401": "fail", "NUM402": "fail",
          "NUM403": "warn", "RNG501": "warn", "RNG502": "warn", "OUT601": "warn", "OUT602": "warn", "INP701": "warn",
          "INP702": "fail", "TEN801": "fail", "TEN802": "warn", "TEN803": "warn", "TEN804": "warn"}
DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs" / "rules"


def test_catalogue_is_the_design():
    assert {k: r.severity for k, r in rules.CATALOGUE.items()} == DESIGN


def test_a_rule_is_its_function_with_words_over_it():
    """Each entry stands in its family's file under the function's name, with a docstring; none is entered twice."""
    for entry in rules.CATALOGUE.values():
        module = sys.modules[entry.function.__module__]
        assert module.__name__.count(".") == 2 and getattr(module, entry.function.__name__) is entry
        assert entry.function.__doc__ and entry.why and entry.measured and entry.cure
    with pytest.raises(ValueError, match="SYM101 is entered twice"):
        _catalogue.rule("SYM101", title="t", severity="warn", why="w", measured="m", cure="c")(lambda c: ())


def test_thresholds_of_the_design():
    t = rules.thresholds()
    assert (t["SAT201"]["fail_share"], t["SAT201"]["warn_share"], t["SAT201"]["warn_slope"]) == (0.5, 0.2, 0.3)
    assert t["SAT202"]["share"] == 0.01 and t["OUT601"]["ratio"] == 2
    assert t["SIG303"]["product"] == 1e-4 and t["SIG304"]["product"] == 1e4
    t["SAT201"]["fail_share"] = 9
    assert rules.thresholds()["SAT201"]["fail_share"] == 0.5


@pytest.mark.parametrize("rule", DESIGN)
def test_pages(rule):
    """docs/rules/<ID>.md is the catalogue's page, word for word (written by `python tools/write_rule_pages.py`)."""
    page = rules.get(rule).page()
    assert (DOCS / f"{rule}.md").read_text(encoding="utf-8") == page
    assert page.startswith(f"# {rule}: ") and all(f"`{k}`" in page for k in rules.get(rule).thresholds)


def test_get_and_chosen():
    assert rules.get("sig303").id == "SIG303"
    with pytest.raises(ValueError, match="SAT201"):
        rules.get("SAT210")
    assert rules.chosen("sym,SAT201", "SYM105") == {"SYM101", "SYM102", "SYM103", "SYM104", "SYM106", "SAT201"}
    assert rules.chosen() == set(DESIGN) == rules.chosen("all")


PLUGIN_TEST = """
import numpy as np
import initcore as ic

def net(std):
    rng = np.random.default_rng(0)
    return ic.Network([ic.Dense(std * rng.standard_normal((64, 32)), None, "tanh"),
                       ic.Dense(0.1 * rng.standard_normal((32, 3)))])

def test_good(assert_trainable):
    assert assert_trainable(net(0.1), optimizer="adam").ok

def test_bad(assert_trainable):
    assert_trainable(net(900.0))
"""


def test_the_pytest_fixture(tmp_path):
    """assert_trainable passes a sound network and shows the verdict on the other."""
    (tmp_path / "test_it.py").write_text(PLUGIN_TEST)
    installed = any(e.value == "pytest_initcore" for e in importlib.metadata.entry_points(group="pytest11"))
    extra = [] if installed else ["-p", "pytest_initcore"]
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *extra,
                           str(tmp_path / "test_it.py")],
                          cwd=DOCS.parents[1], capture_output=True, text=True, timeout=120, check=False)
    assert "1 failed, 1 passed" in done.stdout, done.stdout + done.stderr
    assert "UntrainableError" in done.stdout and "SAT201" in done.stdout and "weight_scale" in done.stdout
