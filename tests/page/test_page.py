"""The page: what stands in it, how large it is, and names that try to break out of it."""

import dataclasses
import html.parser
import json
import re

import numpy as np
import pytest

import initcore as ic
from initcore import demo, files
from initcore._page.axes import Axis, decades, linear, round_values
from initcore._page.charts import Line, lines, shares, sparkline
from initcore._page.html import Html, escaped, tag
from initcore.plots import SignalDisplay
from initcore.program import Place
from initcore.rules.nodes._facts import Step
from initcore.verdict._module import ModuleReport

HOSTILE = ("</script><script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"'><svg/onload=x>", "a&amp;b",
           "x\u202ey\x1b[2J", "]]>--><!--", "javascript:alert(1)", "{{7*7}}", "\ud800 lone")


class Checker(html.parser.HTMLParser):
    """Collects tags and texts; complains of what no page of ours holds."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.data, self.ids, self._in = [], [], [], ""
        self.json = ""
        self.feed(text)

    def handle_starttag(self, name, attributes):
        self.tags.append(name)
        self._in = name
        given = dict(attributes)
        assert not [k for k in given if k.startswith("on") or k in ("href", "src", "srcset", "action", "data")], given
        assert name not in ("img", "iframe", "object", "embed", "link", "base", "form", "a")
        assert name != "script" or given["type"] == "application/json"

    def handle_endtag(self, name):
        self._in = ""

    def handle_data(self, text):
        self.data.append(text)
        if self._in == "script":
            self.json += text


def network(depth, width=16, std=1.0, phi="tanh"):
    key = ic.Key(3)
    return ic.Network([ic.Dense(ic.init.normal((width, width), std=std, rng=key.child(i)),
                                np.zeros(width, np.float32), phi if i < depth - 1 else "identity")
                       for i in range(depth)])


@pytest.fixture(scope="module")
def report():
    x = np.random.default_rng(0).standard_normal((64, 16)).astype(np.float32)
    return ic.check(network(5), x)


def test_the_page_holds_verdict_findings_figures_layers_proof_and_data(report, tmp_path):
    text = report.to_html(tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == text
    page = Checker(text)
    said = " ".join(page.data)
    assert report.verdict.capitalize() in said and "Judged: " in said and "100% of 1,360 parameters" in said
    for f in report.findings[:3]:
        assert f.cure in said and f.title in said
    assert page.tags.count("h1") == 1 and page.tags.count("figure") >= 4 and page.tags.count("details") >= 3
    assert {"Findings, worst first", "In pictures", "Layers", "Proof: which units stay different"} <= set(page.data)
    assert "chaotic" in page.data and "ordered" in page.data and 'class="m1 shade"' in text
    data = json.loads(page.json)
    assert data["schema"] == report.to_dict()["schema"] and len(data["findings"]) == len(report.findings)
    assert data["layers"][2]["q"] == pytest.approx(report.layers[2].q, rel=1e-5)


def test_no_address_and_a_policy(report):
    text = report.to_html()
    assert not re.search(r"https?:|//", text) and "default-src &#x27;none&#x27;" in text


@pytest.mark.parametrize(("depth", "most"), [(2, 60_000), (100, 300_000), (1000, 1_000_000)])
def test_the_page_stays_small(depth, most):
    """Of the noisiest network: every layer has findings."""
    x = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    text = ic.check(network(depth, width=8, std=2.0), x).to_html()
    assert len(text.encode()) <= most
    assert len(json.loads(Checker(text).json)["layers"]) == depth


def test_the_same_report_gives_the_same_page(report):
    assert report.to_html() == report.to_html()


@pytest.mark.parametrize("weights", ["nan", "one layer", "no units", "zeros"])
def test_odd_networks_have_pages(weights):
    w = np.ones((3, 2))
    net = {"nan": lambda: ic.Network([ic.Dense(w * np.nan)], check_finite=False),
           "one layer": lambda: ic.Network([ic.Dense(w)]), "no units": lambda: ic.Network([ic.Dense(np.ones((3, 0)))]),
           "zeros": lambda: ic.Network([ic.Dense(0 * w, None, "tanh"), ic.Dense(np.zeros((2, 2)))])}[weights]()
    report = ic.check(net)
    assert report.verdict.capitalize() in Checker(report.to_html()).data
    assert Checker(report._repr_html_()).tags


@pytest.mark.parametrize("name", HOSTILE)
def test_names_cannot_break_out(name, tmp_path):
    """Of tensors, in the page of a file and of a comparison."""
    w = np.random.default_rng(0).standard_normal((6, 6)).astype(np.float32)
    a, b = tmp_path / "a.npz", tmp_path / "b.npz"
    key = name.encode("utf-8", "replace").decode()
    np.savez(a, **{f"{key}.weight": np.zeros((6, 6), np.float32), f"{key}2.weight": w[:5].T[:4]})
    np.savez(b, **{f"{key}.weight": w, f"{key}3.weight": w})
    for text in (files.check_file(a).to_html(), files.compare(a, b).to_html()):
        page = Checker(text)
        assert page.tags.count("script") == 1 and page.tags.count("svg") == len(re.findall("<svg", text))
        assert "<script>alert" not in text and "\x1b" not in text and "\u202e" not in text
        assert json.loads(page.json) and escaped(key) in text


def test_hostile_text_is_escaped_everywhere():
    for name in HOSTILE:
        assert set("<>\"") & set(escaped(name)) == set() and escaped(name).isprintable()
        drawn = lines(name, [Line(name, [0, 1], [1, 2])], x_label=name, y_label=name, caption=name)
        drawn += shares(name, [name], [[1.0]], looks=[0], x_label=name, y_label=name)
        assert Checker(drawn).tags.count("script") == 0 and "<svg/onload" not in drawn
    assert tag("p", Html("<b>x</b>")) == "<p><b>x</b></p>"


def test_axes():
    assert round_values(0.0, 1.0, 5) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert [v for v, _ in linear([0, 2]).ticks()] == [0.0, 1.0, 2.0]
    assert linear([5.0]).at(5.0) == 0.5 and linear([]).at(0.5) == 0.5
    axis = decades([0.0, 1e-3, 40.0, np.inf, np.nan])
    assert axis.high == 100.0 and axis.low < 1e-3 and axis.ticks()[0] == (axis.low, "0") and axis.at(0.0) == 0.0
    assert decades([]).high > decades([]).low and len(decades([1e-300, 1e300]).ticks()) <= 6
    assert np.isnan(Axis(0.0, 1.0).at(float("nan")))


def test_lines_leave_gaps_and_thin_long_ones():
    d = re.search(r'<path d="([^"]*)" class="s0"', lines("t", [Line("a", range(5), [1, 2, np.nan, 3, 4])], x_label="x",
                                                      y_label="y")).group(1)
    assert d.count("M") == 2
    long = lines("t", [Line("a", range(9000), np.sin(np.arange(9000.0)))], x_label="x", y_label="y")
    assert len(long) < 30_000 and "most 1" in long
    zeros = lines("t", [Line("a", range(3), [0.0, 1.0, 0.0])], x_label="x", y_label="y", log=True)
    assert zeros.count("hollow") == 2


def test_groups_of_units_are_parted_and_told():
    w = np.random.default_rng(0).standard_normal((6, 8))
    v = np.random.default_rng(1).standard_normal((8, 3))
    for group in ([1, 2], [3, 4]):
        w[:, group], v[group] = w[:, group[:1]], v[group[:1]]
    text = ic.check(ic.Network([ic.Dense(w, None, "tanh"), ic.Dense(v)])).to_html()
    assert "2 x 2 tied, 4 units alone" in Checker(text).data and text.count('class="seam"') == 1
    assert 'class="seam"' not in ic.check(network(3)).to_html()


def test_sparkline_of_nothing():
    assert "path" in sparkline([]) and "nan" not in sparkline([0.0, 0.0])


def test_page_of_the_demo():
    document = demo.run(epochs=1, starts=demo.STARTS[:2])
    page = Checker(demo.page(document))
    assert page.tags.count("figure") == 2 + 2 * 2 and json.loads(page.json)["schema"] == document["schema"]
    assert "Before training: foretold" in page.data and "After training: found" in page.data


def test_comparison_shows_what_changed(tmp_path):
    w = np.random.default_rng(0).standard_normal((8, 8))
    np.savez(tmp_path / "a.npz", w=w, gone=w)
    np.savez(tmp_path / "b.npz", w=2 * w)
    said = " ".join(Checker(files.compare(tmp_path / "a.npz", tmp_path / "b.npz", {"gone": 0}).to_html()).data)
    assert "Limits passed" in said and "How much each tensor changed" in said


def test_a_page_is_written_whole_or_not_at_all(report, tmp_path):
    with pytest.raises(OSError):
        report.to_html(tmp_path / "nowhere" / "page.html")
    kept = tmp_path / "page.html"
    kept.write_text("old")
    report.to_html(kept)
    assert kept.read_text().startswith("<!DOCTYPE html>") and [p.name for p in tmp_path.iterdir()] == ["page.html"]


def test_page_of_a_module(report):
    """By its title and what was seen; findings by module path and line; columns and lines without values left out."""
    layers = tuple(dataclasses.replace(la, name=f"{i} (tanh)", chi=np.nan, gradient=np.nan)
                   for i, la in enumerate(report.layers))
    found = [dataclasses.replace(report.findings[0], layer=None, tensor=None, place=Place("up.0", "model.py", 41))]
    module = ModuleReport("Up", found, signal=dataclasses.replace(report.signal, layers=layers), coverage="96% seen",
                          notes=("traced once",))
    page = Checker(module.to_html())
    said = " ".join(page.data)
    assert "Up: 96% seen; the signal at 5 activations, measured; no proof of symmetry." in said
    assert "model.py:41" in said and "Note: traced once" in said and "1 (tanh)" in said
    assert not {"chi", "gradient", "stay different", "gradient, typical path"} & set(page.data)
    assert "gradient, root mean square" not in page.data and "The main way, 2 steps" not in page.data
    way = [Step(n, Place(n), 1.0, size, 1.0, size / 4, False) for n, size in (("up.0", 2.0), ("up.1", 8.0))]
    module = ModuleReport("Up", found, signal=dataclasses.replace(report.signal, layers=layers), way=tuple(way))
    page = Checker(module.to_html())
    assert {"gradient, root mean square", "size of the signal", "The main way, 2 steps", "up.1"} <= set(page.data)
    assert json.loads(page.json)["way"][1]["gradient_after"] == 2.0
    drawn = SignalDisplay.from_report(module.setting_aside(module))
    assert drawn.gradient.tolist() == [0.25, 1.0] and drawn.spread.tolist() == [2.0, 8.0]
