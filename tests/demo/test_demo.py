"""The demo's claims on the real digits, and what it prints."""

import io
import itertools
import json
import os
import pty
import re
import select
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

from initcore import kernels, saturation
from initcore.cli._commands import app
from initcore.demo import _story as demo
from initcore.demo import _text as _demo_view

HIDDEN = len(demo.WIDTHS) - 2


@pytest.fixture(scope="module")
def told():
    """One run of the whole demo with fewer epochs, its document and its text."""
    stream = io.StringIO()
    view = _demo_view.TextView(Console(file=stream, width=80, highlight=False))
    document = demo.run(epochs=6, view=view)
    return document, stream.getvalue()


def start(document, name):
    return next(e for e in document["starts"] if e["name"] == name)


def test_tied_starts_keep_one_unit_a_layer_to_the_last_epoch(told):
    for name in ("zeros, sigmoid", "zeros, tanh", "constant, tanh"):
        entry = start(told[0], name)
        assert entry["predicted"]["distinct_units"] == [1] * HIDDEN
        for run in entry["runs"].values():
            assert all(record["distinct_units"] == [1] * HIDDEN for record in run["epochs"])
            assert run["test_accuracy"] < 0.6


def test_tied_units_do_move(told):
    """One unit for ever is not a network at rest: the loss falls and the gradient is there."""
    for run in start(told[0], "constant, tanh")["runs"].values():
        assert run["loss"] < 0.9 * np.log(10) and run["first_gradient_norm"] > 1e-3


def test_dead_start_never_moves(told):
    entry = start(told[0], "zeros, tanh")
    assert entry["predicted"]["effective_width"] == [0] * HIDDEN
    for run in entry["runs"].values():
        assert run["first_gradient_norm"] == 0 and run["loss"] > 0.99 * np.log(10)


def test_random_starts_keep_every_unit(told):
    for entry in told[0]["starts"]:
        if "0.001" in entry["name"] or "std" in entry["name"] or "good" in entry["name"]:
            assert entry["predicted"]["distinct_units"] == [128] * HIDDEN
            assert all(run["distinct_units"] == [128] * HIDDEN for run in entry["runs"].values())


def test_saturated_share_is_foretold_within_three_hundredths(told):
    for entry in told[0]["starts"]:
        for name in ("saturated", "slope_zero"):
            np.testing.assert_allclose(entry["predicted"][name], entry["measured"][name], atol=0.03)
        assert entry["saturation_error"] <= 0.03
        assert entry["saturation_error"] == max(np.abs(np.subtract(entry["predicted"]["saturated"],
                                                                   entry["measured"]["saturated"])))


def test_gradient_factor_is_foretold(told):
    for entry in told[0]["starts"]:
        np.testing.assert_allclose(entry["predicted"]["gradient_factor"], entry["measured"]["gradient_factor"],
                                   rtol=0.06)


@pytest.mark.parametrize("name, least", [("std 1, tanh", 0.6), ("std 10, tanh", 0.95), ("std 1, sigmoid", 0.4)])
def test_large_starts_are_flat_and_learn_worse(told, name, least):
    entry, good = start(told[0], name), start(told[0], "good, tanh")
    assert min(entry["measured"]["saturated"]) > least
    for optimizer, run in entry["runs"].items():
        assert run["test_accuracy"] < good["runs"][optimizer]["test_accuracy"] - 0.05


def test_tiny_start_starves_under_momentum(told):
    entry = start(told[0], "std 0.001, tanh")
    assert max(entry["predicted"]["gradient_factor"]) < 0.02
    assert entry["runs"]["momentum"]["test_accuracy"] < 0.2
    assert entry["runs"]["momentum"]["first_gradient_norm_at_start"] < 1e-4


def test_good_start_learns(told):
    entry = start(told[0], "good, tanh")
    assert entry["verdict"] == []
    assert all(run["test_accuracy"] >= 0.95 for run in entry["runs"].values())


def test_verdicts_name_the_fault(told):
    def failures(name):
        return {v["rule"] for v in start(told[0], name)["verdict"] if v["severity"] == "fail"}
    assert "SYM101" in failures("zeros, sigmoid") and "SYM104" in failures("zeros, tanh")
    assert "SYM101" in failures("constant, tanh")
    assert "SAT201" in {v["rule"] for v in start(told[0], "std 1, tanh")["verdict"]}
    assert {"SAT201", "SAT202"} <= {v["rule"] for v in start(told[0], "std 10, tanh")["verdict"]}
    assert {v["rule"] for v in start(told[0], "std 0.001, tanh")["verdict"]} & {"SIG301", "SIG303", "SIG305"}


def test_verdicts_with_data_come_true(told):
    """What check says of each optimizer before training, given the images, beside what became of it."""
    for entry in told[0]["starts"]:
        for optimizer, run in entry["runs"].items():
            right, verdict = run["test_accuracy"], entry["judged"][optimizer]
            assert {"cannot learn": right < 0.7, "fit to train": right >= 0.95}.get(verdict, right < 0.95)
    assert set(start(told[0], "std 10, tanh")["judged"].values()) == {"cannot learn"}
    assert start(told[0], "std 0.001, tanh")["judged"]["momentum"] == "cannot learn"
    assert set(start(told[0], "good, tanh")["judged"].values()) == {"fit to train"}
    assert told[1].count("NOT OK, cannot learn") == 9
    assert "with data momentum: fit to train; adam: fit to train" in told[1]


def test_forecast_uses_moments_only(told):
    """The forecast of a network does not change when the images are replaced by others of the same moments."""
    net = demo.STARTS[3].network(0)
    data = demo.split_digits()
    x = data.x_train.astype(np.float64)
    mirrored = data._replace(x_train=2 * x.mean(axis=0) - x)      # the same mean and covariance
    a, b = demo.forecast(net, data), demo.forecast(net, mirrored)
    assert a["verdict"] == b["verdict"]
    np.testing.assert_allclose(a["predicted"]["saturated"], b["predicted"]["saturated"], rtol=1e-6)


def test_growth_with_the_number_of_inputs(told):
    rows = told[0]["fan_in"]
    assert [r["fan_in"] for r in rows] == list(demo.FAN_INS)
    for r in rows:
        assert r["measured_z_std"] == pytest.approx(r["z_std"], rel=0.05)
        assert r["measured_tanh"] == pytest.approx(r["tanh"], abs=0.03)
        assert r["tanh"] == saturation.lesson(r["fan_in"], 1.0, activation="tanh", t=0.99 ** 0.5)
    assert all(a["tanh"] < b["tanh"] and a["sigmoid"] < b["sigmoid"] for a, b in itertools.pairwise(rows))


def test_text_fits_80_columns_and_says_what_the_document_says(told):
    document, text = told
    lines = text.splitlines()
    assert max(map(len, lines)) <= 80 and "\x1b" not in text and "…" not in text
    for entry in document["starts"]:
        assert any(line.startswith(entry["name"]) for line in lines)
        for run in entry["runs"].values():
            assert _demo_view.percent(run["test_accuracy"]) in text
    assert "SYM101" in text and "tied units" in text


def test_same_seed_same_document(monkeypatch):
    monkeypatch.setattr(demo, "FAN_INS", (10, 64))
    one = demo.run(epochs=1, seed=3, starts=demo.STARTS[-1:])
    assert one == demo.run(epochs=1, seed=3, starts=demo.STARTS[-1:])
    assert one != demo.run(epochs=1, seed=4, starts=demo.STARTS[-1:])


def test_json(tmp_path, monkeypatch):
    from typer.testing import CliRunner
    monkeypatch.setattr(demo, "FAN_INS", (10, 64))
    monkeypatch.setattr(demo.run, "__kwdefaults__", {**demo.run.__kwdefaults__, "starts": demo.STARTS[2:3]})
    path = tmp_path / "demo.json"
    result = CliRunner().invoke(app, ["demo", "--epochs", "1", "--json", str(path)])
    assert result.exit_code == 0
    document = json.loads(path.read_text())
    [entry] = document["starts"]
    assert document["epochs"] == 1 and entry["runs"]["adam"]["distinct_units"] == [1] * HIDDEN
    assert set(entry) >= {"name", "verdict", "predicted", "measured", "runs", "saturation_error"}


@pytest.mark.parametrize("isa", [n for n, state in kernels.variants().items() if state in ("in use", "available")])
def test_every_instruction_set_keeps_the_tie(isa):
    code = ("from initcore import kernels\nfrom initcore.demo import _story as demo\n"
            "demo.FAN_INS = (10,)\n"
            "runs = demo.run(epochs=1, starts=demo.STARTS[2:3])['starts'][0]['runs']\n"
            "print(kernels.isa, [r['distinct_units'] for run in runs.values() for r in run['epochs']])")
    done = subprocess.run([sys.executable, "-c", code], env={**os.environ, "INITCORE_ISA": isa}, capture_output=True,
                          text=True, check=True)
    assert done.stdout.split(maxsplit=1) == [isa, str([[1] * HIDDEN] * 2) + "\n"]


@pytest.mark.parametrize("no_color", [False, True])
def test_bar_on_a_terminal_only(no_color):
    """On a pseudo-terminal there are colours, where they are wanted, and a bar that moves."""
    code = ("from initcore.demo import _story as demo, _text as _demo_view\n"
            "demo.FAN_INS = (10,)\n"
            "demo.run(epochs=2, starts=demo.STARTS[-1:], view=_demo_view.TextView())")
    master, slave = pty.openpty()
    env = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "80", "LINES": "40"}
    env.pop("NO_COLOR", None)
    env |= {"NO_COLOR": "1"} if no_color else {}
    with subprocess.Popen([sys.executable, "-W", "error", "-c", code], stdout=slave, stderr=slave, stdin=slave,
                          env=env) as process:
        os.close(slave)
        seen = b""
        while True:
            if not select.select([master], [], [], 60)[0]:
                process.kill()
                break
            try:
                chunk = os.read(master, 65536)
            except OSError:
                break
            if not chunk:
                break
            seen += chunk
    os.close(master)
    text = seen.decode()
    assert process.returncode == 0, text
    assert bool(re.search(r"\x1b\[[0-9;]+m", text)) is not no_color
    assert "━" in text and "What training made of it" in text


@pytest.mark.parametrize("value, text", [(0, "0"), (0.5, "0.5"), (12.34, "12"), (345.6, "346"), (2e-7, "2e-7"),
                                         (0.0999, "0.1"), (12345, "1e4")])
def test_short(value, text):
    assert _demo_view.short(value) == text


@pytest.mark.parametrize("share, text", [(0, "0%"), (1, "100.0%"), (1e-9, "<0.1%"), (0.9712, "97.1%")])
def test_percent(share, text):
    assert _demo_view.percent(share) == text


def test_text_fits_40_columns_with_nothing_cut():
    stream = io.StringIO()
    view = _demo_view.TextView(Console(file=stream, width=40, highlight=False))
    demo.run(epochs=1, starts=demo.STARTS[2:4], view=view)
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= 40
    assert "…" not in "".join(line for line in text.splitlines(True) if "─" not in line)
    assert all(f"{name}" in text for name in ("momentum", "adam", "sigmoid flat", "typical f"))


def test_the_command_says_where_the_page_lies(tmp_path, monkeypatch):
    from typer.testing import CliRunner
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "STARTS", demo.STARTS[:1])
    monkeypatch.setattr(demo.run, "__kwdefaults__", {**demo.run.__kwdefaults__, "starts": demo.STARTS})
    told = CliRunner().invoke(app, ["demo", "--epochs", "1", "--html", "page.html"])
    assert told.exit_code == 0 and told.stdout.endswith("wrote page.html\n")
    assert (tmp_path / "page.html").read_text().startswith("<!DOCTYPE html>")
    quiet = CliRunner().invoke(app, ["demo", "--epochs", "1", "--quiet", "--html", "other.html"])
    assert quiet.exit_code == 0 and quiet.output == "" and (tmp_path / "other.html").exists()
    refused = CliRunner().invoke(app, ["demo", "shards", "--html", "page.html"])
    assert refused.exit_code == 2
