"""The report on terminals: widths, folding, colours, and nothing but text elsewhere."""

import io
import os
import pty
import subprocess
import sys
import time

import numpy as np
import pytest
from rich.console import Console

from initcore.cli._view import Working, compared, rendered
from initcore.files import check_file, compare


@pytest.fixture(scope="module")
def deep(tmp_path_factory):
    """A network of sixty layers, some of them saturated."""
    rng = np.random.default_rng(2)
    path = tmp_path_factory.mktemp("view") / "deep.npz"
    np.savez(path, **{f"layers.{i}.weight": rng.normal(size=(20, 20)) * (3 if i in (20, 31) else 0.22)
                      for i in range(60)})
    return path


@pytest.mark.parametrize("width", [100, 80, 60, 40, 24])
def test_every_line_fits(deep, width, monkeypatch):
    monkeypatch.chdir(deep.parent)
    text = rendered(check_file("deep.npz", activation="tanh"), width)
    assert max(map(len, text.splitlines())) <= width and "\x1b" not in text
    assert ("typical" in text) is (width >= 62) and "chi" in text
    flat = " ".join(text.split())
    assert "judged as a network: 100%" in flat and "(60 layers)" in flat


def test_long_networks_are_folded_to_the_first_the_last_and_the_worst(deep):
    report = check_file(deep, activation="tanh")
    text = rendered(report)
    table = text[text.index("layer activation"):text.index("Rests on")].splitlines()[1:]
    rows = [line.split()[0] for line in table if line.strip()]
    assert rows[:3] == ["0", "1", "2"] and rows[-3:] == ["57", "58", "59"] and "..." in rows and len(rows) < 25
    assert {"20", "31"} <= set(rows)
    many = [line for line in text.splitlines() if " also: " in line]
    assert all(line.startswith(("FAIL", "WARN", "INFO")) for line in many)
    assert len(rendered(report).splitlines()) < 200


def test_long_work_tells_what_is_read():
    for terminal, quiet in ((True, False), (False, False), (True, True)):
        heard = io.StringIO()
        console = Console(file=heard, force_terminal=terminal, width=80)
        with Working("checking", quiet, console=console, delay=0) as working:
            working.tell("reading a\x1b[2J.weight (1 of 2)")
            deadline = time.monotonic() + 20
            while terminal and not quiet and "of 2" not in heard.getvalue() and time.monotonic() < deadline:
                time.sleep(0.01)
        said = heard.getvalue()
        assert ("reading a\\x1b[2J.weight" in said) is (terminal and not quiet) and (terminal or said == "")
    with Working("quick", console=Console(file=heard, force_terminal=True), delay=60):
        before = heard.getvalue()
    assert "quick" not in heard.getvalue()[len(before):]


def test_findings_keep_their_words(tmp_path):
    np.savez(tmp_path / "net.npz", W1=np.full((6, 5), 0.1), b1=np.zeros(5), W2=np.full((5, 2), 0.1))
    text = " ".join(rendered(check_file(tmp_path / "net.npz", activation="tanh"), 40).split())
    assert "FAIL SYM101" in text and "cure:" in text and "NOT OK, cannot learn: 6 -> 5 -> 2" in text


def on_a_terminal(*arguments, **env):
    """What the command writes to a terminal of its own."""
    here, there = pty.openpty()
    process = subprocess.Popen([sys.executable, "-m", "initcore", *map(str, arguments)], stdout=there, stderr=there,
                               env={**os.environ, "TERM": "xterm", "COLUMNS": "80", **env})
    os.close(there)
    parts = []
    try:
        while part := os.read(here, 65536):
            parts.append(part)
    except OSError:                      # Linux says so when the other end is closed
        pass
    os.close(here)
    return process.wait(60), b"".join(parts).decode()


def test_colours_on_a_terminal_only_and_not_against_the_users_wish(tmp_path):
    np.savez(tmp_path / "net.npz", W1=np.zeros((6, 5)), b1=np.zeros(5), W2=np.zeros((5, 2)))
    code, text = on_a_terminal("check", tmp_path / "net.npz")
    assert code == 1 and "\x1b[1;31m" in text
    code, text = on_a_terminal("check", tmp_path / "net.npz", NO_COLOR="1")
    assert code == 1 and "\x1b[1;31m" not in text and "SYM104" in text
    code, text = on_a_terminal("check", tmp_path / "net.npz", "--quiet")
    assert (code, text) == (1, "")


@pytest.mark.parametrize("width", [40, 60, 79])
def test_a_comparison_fits_a_narrow_terminal(tmp_path, monkeypatch, width):
    """With every tensor's name whole, whatever its length."""
    name = "a_module_with_a_very_long_path.and_a_block.0.attention.projection.weight"
    for file, factor in (("one.npz", 1), ("two.npz", 2)):
        np.savez(tmp_path / file, **{name: factor * np.eye(4), "b": factor * np.ones(3)})
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", str(width))
    text = compared(compare("one.npz", "two.npz"))
    assert max(map(len, text.splitlines())) <= width and "\x1b" not in text
    assert name in "".join(text.split()) and ("ties" in text) is (width >= 60)
