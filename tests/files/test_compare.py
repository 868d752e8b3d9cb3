"""Comparing two files: names, contents, spreads, ties, types, limits, formats."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from initcore import errors
from initcore.cli._commands import app
from initcore.files import compare
from initcore.files._renames import paired

RNG = np.random.default_rng(6)
W = {"a.weight": RNG.normal(size=(12, 9)).astype(np.float32), "a.bias": np.zeros(12, np.float32),
     "b.weight": RNG.normal(size=(5, 12)).astype(np.float32), "old.scale": np.ones(7, np.float32)}


@pytest.fixture
def pair(tmp_path):
    """Two files: one tensor scaled, one with a row copied, one renamed, one gone, one new."""
    other = {"a.weight": 2 * W["a.weight"], "a.bias": W["a.bias"], "b.weight": W["b.weight"].copy(),
             "new.scale": W["old.scale"], "c.weight": np.ones((2, 2), np.float32)}
    other["b.weight"][3] = other["b.weight"][1]
    np.savez(tmp_path / "one.npz", **W, d=np.arange(4, dtype=np.float32))
    np.savez(tmp_path / "two.npz", **other)
    return tmp_path / "one.npz", tmp_path / "two.npz"


def test_what_differs(pair):
    found = compare(*pair)
    assert (found.added, found.gone, found.same) == (["c.weight"], ["d"], 1)
    assert found.renamed == [("old.scale", "new.scale")]
    by = {c.name: c for c in found.changed}
    assert by["a.weight"].change == pytest.approx(1) and by["a.weight"].spread == pytest.approx(2)
    assert (by["a.weight"].ties, by["b.weight"].ties) == (0, 1) and found.ok
    told = []
    compare(*pair, progress=told.append)
    assert any(t.startswith("reading ") for t in told) and any(t.startswith("comparing ") for t in told)
    same = compare(pair[0], pair[0])
    assert same.same == 5 and not same.changed and not same.added


@pytest.mark.parametrize("p, q", [("model.", "net."), ("module.", ""), ("", "_orig_mod."), ("a/b/", "c:")])
def test_another_prefix_is_no_other_tensor(tmp_path, p, q):
    """Names behind a wrapper's prefix are paired, by a prefix that holds for the whole file."""
    np.savez(tmp_path / "one.npz", **{p + n: w for n, w in W.items()}, step=np.ones(1))
    np.savez(tmp_path / "two.npz", **{q + n: 2 * w for n, w in W.items()}, step=np.ones(1))
    found = compare(tmp_path / "one.npz", tmp_path / "two.npz", {"gone": 0, "added": 0})
    assert (found.prefix, found.gone, found.added, found.renamed, found.ok) == ((p, q), [], [], [], True)
    assert {c.name: c.change for c in found.changed} == {q + n: pytest.approx(1) for n, w in W.items() if w.any()}
    assert f"names: {p}* in a is {q}* in b" in str(found) and found.to_dict()["prefix"] == [p, q]


def test_a_prefix_of_many_names_that_end_alike():
    """Of more names than ends are looked for; all end in the same words, which say nothing of the prefix."""
    one, two = ({f"{p}blocks.{i}.weight": (i % 7, 3) for i in range(1000)} for p in ("module.", ""))
    prefix, found = paired(one, two)
    assert prefix == ("module.", "") and found == dict(zip(one, two, strict=True))


def test_a_layer_that_comes_for_another_is_no_prefix(tmp_path):
    """Two tensors of many: one layer is gone and another is there, whatever their shapes."""
    many = {f"layers.{i}.{k}": RNG.normal(size=(3, 3)) for i in range(5) for k in "wb"}
    new = {n: w for n, w in many.items() if not n.startswith("layers.1.")}
    np.savez(tmp_path / "one.npz", **many)
    np.savez(tmp_path / "two.npz", **new, **{f"head.{k}": RNG.normal(size=(3, 3)) for k in "wb"})
    found = compare(tmp_path / "one.npz", tmp_path / "two.npz")
    assert found.prefix is None and found.gone == ["layers.1.w", "layers.1.b"] and found.added == ["head.w", "head.b"]


def test_the_page_says_what_limits_say(pair):
    head = [compare(*pair, limits).to_html().partition("<h1")[2].partition("</h1>")[0].partition(">")[2]
            for limits in (None, {"change": 9}, {"change": 0.1})]
    assert head == ["They differ", "Within its limits", "Limits passed"]
    assert ">No difference<" in compare(pair[0], pair[0]).to_html()


@pytest.mark.parametrize("limit, ok", [("change=1.5", True), ("change=0.5", False), ("ties=0", False), ("ties=1", True),
                                       ("spread=3", True), ("spread=1.5", False), ("gone=0", False), ("added=1", True),
                                       ("dtype=0", True)])
def test_limits_make_the_exit_code(pair, limit, ok):
    done = CliRunner().invoke(app, ["compare", *map(str, pair), "--limit", limit])
    assert done.exit_code == (0 if ok else 1) and ("PASSED" in done.stdout) is not ok


def test_types_and_shapes(tmp_path):
    np.savez(tmp_path / "one.npz", w=W["a.weight"], v=np.ones((2, 3)))
    np.savez(tmp_path / "two.npz", w=W["a.weight"].astype(np.float16), v=np.ones((3, 2)))
    found = compare(tmp_path / "one.npz", tmp_path / "two.npz", {"dtype": 0})
    by = {c.name: c for c in found.changed}
    assert by["w"].change < 1e-3 and by["v"].change is None and not found.ok
    assert "float32 -> float16" in str(found) and "(2, 3) -> (3, 2)" in str(found)


def test_formats_and_hostile_names(tmp_path):
    name = "<script>alert(1)</script>\x1b[31m&\"'"
    np.savez(tmp_path / "one.npz", **{name: np.ones((2, 2)), "w": np.eye(3)})
    np.savez(tmp_path / "two.npz", **{name: np.zeros((2, 2)), "w": np.eye(3)})
    pair = [str(tmp_path / "one.npz"), str(tmp_path / "two.npz")]
    page = CliRunner().invoke(app, ["compare", *pair, "--format", "html"]).stdout
    assert "<script>" not in page and page.count("<script") == 1 and "&lt;script&gt;" in page and "\x1b" not in page
    assert "http" not in page.replace("http-equiv", "")
    document = json.loads(CliRunner().invoke(app, ["compare", *pair, "--format", "json"]).stdout)
    assert document["same"] == 1 and document["changed"][0]["change"] == 1.0
    assert "\x1b" not in CliRunner().invoke(app, ["compare", *pair]).stdout
    assert CliRunner().invoke(app, ["compare", *pair, "-q"]).stdout == ""


def test_wrong_limits(pair):
    with pytest.raises(errors.UnknownNameError, match="did you mean 'change'"):
        compare(*pair, {"chnge": 1})
    with pytest.raises(errors.ArgumentError, match="at least 0"):
        compare(*pair, {"ties": float("nan")})
    for wrong in ("change", "change=much", "=1"):
        assert CliRunner().invoke(app, ["compare", *map(str, pair), "--limit", wrong]).exit_code == 2
