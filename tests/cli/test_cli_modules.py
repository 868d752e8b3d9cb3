"""initcore check package.module:factory."""

import json
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
typer_testing = pytest.importorskip("typer.testing")

from initcore.cli._commands import app  # noqa: E402
from initcore.cli._modules import check_target  # noqa: E402
from initcore.cli._view import rendered  # noqa: E402

SOURCE = """
from torch import nn
import torch

def sound():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(12, 30), nn.Tanh(), nn.Linear(30, 30), nn.Tanh(), nn.Linear(30, 30), nn.Tanh(),
                         nn.Linear(30, 4))

def loud():
    net = sound()
    for k in (0, 2, 4):
        nn.init.normal_(net[k].weight, std=40.0)
    return net

two = {"net": 1}
"""


@pytest.fixture
def run(tmp_path, monkeypatch):
    (tmp_path / "mine_models.py").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "mine_models", raising=False)

    def go(*args):
        return typer_testing.CliRunner().invoke(app, list(args))
    return go


def test_a_factory_is_judged_on_a_shape_or_on_data(run, tmp_path):
    assert run("check", "mine_models:sound", "--input", "16x12").exit_code == 0
    found = run("check", "mine_models:loud", "--input", "16x12", "--format", "json")
    assert found.exit_code == 1
    finding = json.loads(found.stdout)["findings"][0]
    assert (finding["rule"], finding["tensor"], finding["module"]) == ("SAT201", "0.weight", "0")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(32, 12)), y=rng.integers(0, 4, 32))
    said = run("check", "mine_models:sound", "--data", "data.npz")
    words = " ".join(said.stdout.split())
    assert said.exit_code == 0 and "loss softmax_cross_entropy" in words and "a batch of 32" in words
    assert run("check", "mine_models:loud", "--format", "sarif", "--output", "out.sarif").exit_code == 1
    assert json.loads((tmp_path / "out.sarif").read_text())["version"] == "2.1.0"


@pytest.mark.parametrize(("args", "about"), [
    (("mine_models:none",), "has no 'none'"), (("not_there:make",), "no module 'not_there'"),
    (("mine_models:two",), "not a torch.nn.Module"), (("mine_models:sound", "--input", "3y4"), "is no shape"),
    (("mine_models:sound", "--input", "4x12", "--data", "d.npz"), "exclude each other"),
    (("mine_models:sound", "--order", "a,b"), "--order goes with a file"),
    (("mine_models:sound", "--hidden-dropout"), "--hidden-dropout goes with a file"),
    (("net.npz", "--input", "4x12"), "goes with package.module:factory")])
def test_what_cannot_be_is_a_sentence(run, args, about):
    found = run("check", *args)
    assert found.exit_code == 2 and about in " ".join((found.stdout + found.stderr).split())
    assert "Traceback" not in found.stdout + found.stderr


DEEP = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(16), nn.Linear(16, 32), nn.Linear(32, 16)

    def forward(self, x):
        return x + self.down(torch.tanh(self.up(self.norm(x))))

def deep():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(12, 16), *[Block() for _ in range(30)], nn.Linear(16, 3))
    with torch.no_grad():
        net[11].up.weight.mul_(100)
    return net
"""


@pytest.fixture(scope="module")
def deep_report(tmp_path_factory):
    """Of thirty blocks, one of them saturated."""
    folder = tmp_path_factory.mktemp("deep")
    (folder / "deep_models.py").write_text(DEEP)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        return check_target("deep_models:deep", inputs="16x12", data=None, tell=lambda _: None)


@pytest.mark.parametrize("width", [100, 80, 60, 40])
def test_a_module_fits_the_terminal_and_is_folded(deep_report, width):
    text = rendered(deep_report, width)
    table = text[text.index("module "):text.index("Rests on")].splitlines()
    lines = [line for line in text.splitlines() if str(deep_report.findings[0].place) not in line]
    assert max(map(len, lines)) <= width and "\x1b" not in text and "at" in text
    assert 12 < len(table) < 25 and "..." in table and "chi" not in table[0] and ("typical" in table[0]) is (width > 60)
    assert any(row.startswith("11 (tanh)") for row in table) and table[1].startswith("1 (tanh)")
    assert " ".join(text.split()).startswith(" ".join(deep_report.line.split()))
    assert "\x1b[" in rendered(deep_report, width, colour=True)


def test_a_call_in_a_cure_runs_as_it_stands(deep_report):
    model = deep_report.repair(rng=0)
    calls = [call for f in deep_report for call in re.findall(r"torch\.nn\.init\.\w+_\(.*\)", f.cure)]
    assert any("11.up.weight" in call for call in calls)
    for call in calls:
        exec(call, {"torch": torch, "model": model})
