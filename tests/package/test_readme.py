"""README and CONTRIBUTING: the Python runs as printed, the files named exist, nothing is wider than the page."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
NAMED = re.compile(r"`((?:docs|examples|src|initcore|tests|benchmarks|\.ci)/[\w./-]*\w)`")


def test_readme_python_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = {}
    for block in re.findall(r"```python\n(.*?)```", TEXTS[0].read_text(), re.S):
        if "initcore.torch" not in block or importlib.util.find_spec("torch") is not None:
            exec(compile(block, "README.md", "exec"), names)
    assert "no findings" in capsys.readouterr().out and "SYM101" in str(names["report"])
    assert names["part"].shape == (1024, 512) and (tmp_path / "model.npz").exists()


@pytest.mark.parametrize("text", TEXTS, ids=lambda p: p.name)
def test_named_files_exist(text):
    named = set(NAMED.findall(text.read_text()))
    assert len(named) > 5
    assert not {n for n in named if not (ROOT / n).exists()}


def test_named_kernels_exist():
    """The rows of the table that say where a kernel or rule stands."""
    for name, path in re.findall(r"`(\w+)` in `([\w./]+)`", TEXTS[1].read_text()):
        assert name in (ROOT / path).read_text()


def test_readme_is_no_wider_than_the_page():
    assert all(len(line) <= 120 for line in TEXTS[0].read_text().splitlines() if not line.startswith("|"))
