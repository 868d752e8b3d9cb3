"""The documents: every Python block runs, what a block prints stands below it, citations and links resolve."""

import contextlib
import importlib
import importlib.util
import inspect
import io
import pkgutil
import re
from pathlib import Path

import pytest

import initcore as ic

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(p for p in DOCS.rglob("*.md") if "_build" not in p.parts)
BLOCK = re.compile(r"^```python\n(.*?)^```\n(?:```text\n(.*?)^```\n)?", re.S | re.M)
FRAMEWORKS = re.compile(r"^\s*(?:import|from) (torch|jax|keras|dask|flax|transformers|lightning|matplotlib)\b", re.M)
WITH_CODE = [p for p in PAGES if BLOCK.search(p.read_text())]


@pytest.mark.parametrize("page", WITH_CODE, ids=lambda p: str(p.relative_to(DOCS)))
def test_every_block_runs_and_prints_what_stands_below_it(page, tmp_path, monkeypatch):
    """The blocks of a page are one session, in an empty directory."""
    text = page.read_text()
    for framework in {m.split(".")[0] for m in FRAMEWORKS.findall(text)}:
        pytest.importorskip(framework)
    monkeypatch.chdir(tmp_path)
    names = {"__name__": "__main__"}
    for code, expected in BLOCK.findall(text):
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile(code, str(page), "exec"), names)
        if expected:
            assert printed.getvalue() == expected, code


DRAWN = [p for p in PAGES if "```{drawn}" in p.read_text()]


@pytest.mark.parametrize("page", DRAWN, ids=lambda p: str(p.relative_to(DOCS)))
def test_every_figure_is_drawn_by_the_code_on_its_page(page):
    """The blocks before a figure, and its own, as the documents' own directive runs them."""
    pytest.importorskip("matplotlib")
    from matplotlib.figure import Figure
    path = DOCS / "_ext" / "drawn.py"
    spec = importlib.util.spec_from_file_location("drawn", path)
    ext = importlib.util.module_from_spec(spec)
    pytest.importorskip("docutils")
    spec.loader.exec_module(ext)
    session = ext.Session(page.read_text())
    for _ in range(page.read_text().count("```{drawn}")):
        figure = session.next_figure()
        assert isinstance(figure, Figure) and any(ax.has_data() for ax in figure.axes)


def test_citations_of_the_theory_resolve():
    """`theory 4.5` in code and tests names a heading of the theory page."""
    headings = set(re.findall(r"^#+ (\d+(?:\.\d+)*)", (DOCS / "explanation" / "theory.md").read_text(), re.M))
    sources = [p for folder in ("initcore", "src", "tests", "benchmarks", "docs")
               for p in (ROOT / folder).rglob("*") if p.suffix in (".py", ".pyx", ".pxi", ".h", ".md")]
    cited = {(p.relative_to(ROOT).as_posix(), n.rstrip(".")) for p in sources
             for n in re.findall(r"\btheory[ ,]+(\d(?:\.\d+)*)", p.read_text())}
    assert len(cited) > 5
    assert not {c for c in cited if c[1] not in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(DOCS)))
def test_links_between_pages_lead_somewhere(page):
    for target in re.findall(r"\]\(([\w./-]+\.(?:md|svg|png|py))(?:#[\w.-]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target


ADAPTERS = ("torch", "jax", "keras", "dask")       # each needs its framework
DOORS = ["initcore", *(m.name for m in pkgutil.iter_modules(ic.__path__, "initcore.") if not
                       m.name.split(".")[-1].startswith("_") and m.name not in ("initcore.cli", "initcore.kernels"))]


@pytest.mark.parametrize("name", DOORS)
def test_every_public_name_has_a_page(name):
    """Functions and classes of every door stand in the autosummary of the reference."""
    text = "\n".join(p.read_text() for p in (DOCS / "reference").glob("*.md"))
    if (framework := name.removeprefix("initcore.")) in ADAPTERS:
        pytest.importorskip(framework)
    module = importlib.import_module(name)
    listed = {(where, entry) for where, entries in
              re.findall(r"```\{eval-rst\}\n.. currentmodule:: (\S+)\n(.*?)```", text, re.S)
              for entry in re.findall(r"^ +([A-Za-z_]\w*)$", entries, re.M)}
    public = [getattr(module, n) for n in getattr(module, "__all__", ())]
    described = [getattr(importlib.import_module(where), entry) for where, entry in listed
                 if where == name or where.removeprefix("initcore.").split(".")[0] not in ADAPTERS]
    wanted = [p for p in public if inspect.isroutine(p) or inspect.isclass(p)]
    assert not [p for p in wanted if not any(p is d for d in described)]
