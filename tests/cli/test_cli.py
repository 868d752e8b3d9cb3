"""The command line: exit codes, messages without tracebacks, formats, files left whole."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from typer.testing import CliRunner

import initcore as ic
from initcore import gains, rules
from initcore.cli._commands import app


def call(*arguments, env=None):
    """The command in this process: (exit code, stdout, stderr)."""
    result = CliRunner().invoke(app, [str(a) for a in arguments], env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def process(*arguments, **env):
    """The command in a process of its own, piped, with warnings as errors."""
    # The test run's own build settings stay out; paths of the machine come in through os.environ only.
    done = subprocess.run([sys.executable, "-W", "error", "-m", "initcore", *map(str, arguments)], text=True,
                          capture_output=True, timeout=120, check=False, env={**os.environ, "COLUMNS": "80", **env})
    return done.returncode, done.stdout, done.stderr


WIDTHS = (64, 50, 40, 10)


def weights(kind, activation="tanh"):
    """Named arrays of a network, W1, b1, ..."""
    key, arrays = ic.Key(0), {}
    for i, (a, b) in enumerate(itertools.pairwise(WIDTHS), 1):
        arrays[f"W{i}"] = {
            "good": lambda a=a, b=b, i=i: ic.random.normal((a, b), std=(1 / a) ** 0.5, rng=key.child(i)),
            "zeros": lambda a=a, b=b: np.zeros((a, b), np.float32),
            "constant": lambda a=a, b=b: np.full((a, b), 0.1, np.float32),
            "large": lambda a=a, b=b, i=i: ic.random.normal((a, b), std=30.0, rng=key.child(i)),
        }[kind]()
        arrays[f"b{i}"] = np.zeros(b, np.float32)
    return arrays


@pytest.fixture
def saved(tmp_path):
    """A function that saves named arrays and gives the path."""
    def save(arrays, name="net.npz"):
        path = tmp_path / name
        np.savez(path, **arrays)
        return path
    return save


# ---- check

def test_clean_network_exits_0(saved):
    code, out, err = call("check", saved(weights("good")), "--activation", "tanh")
    assert code == 0 and "64 -> 50 -> 40 -> 10" in out and err == ""
    assert all(len(line) <= 80 or "net.npz" in line for line in out.splitlines())      # a path is never broken


@pytest.mark.parametrize("kind, rule", [("zeros", "SYM104"), ("constant", "SYM101"), ("large", "SAT201")])
def test_findings_exit_1(saved, kind, rule):
    code, out, _ = call("check", saved(weights(kind)), "--activation", "tanh")
    assert code == 1 and rule in out


def test_activation_decides_the_verdict(saved):
    path = saved(weights("zeros"))
    _, tanh, _ = call("check", path, "--activation", "tanh")
    _, sigmoid, _ = call("check", path, "--activation", "sigmoid")
    assert "SYM104" in tanh and "SYM101" in sigmoid and "SYM104" not in sigmoid
    code, out, _ = call("check", path)
    assert code == 1 and "note:" in out and "tanh is assumed" in out.replace("\n", " ")


def test_select_ignore_and_fail_level(saved):
    path = saved(weights("large"))
    assert call("check", path, "--select", "SYM")[0] == 0
    assert call("check", path, "--select", "SAT201,SYM")[0] == 1
    assert call("check", path, "--ignore", "SYM,SAT,SIG,OUT,NUM,RNG")[0] == 0
    narrow = {"W1": weights("good")["W1"], "W2": np.zeros((50, 10), np.float32)}      # SYM106: information only
    quiet = saved(narrow, "narrow.npz")
    assert call("check", quiet)[0] == 0
    assert call("check", quiet, "--fail-level", "info")[0] == 1


def test_formats(saved, tmp_path):
    path = saved(weights("constant"))
    code, out, err = call("check", path, "--format", "json")
    document = json.loads(out)
    assert code == 1 and document["ok"] is False and any(f["rule"] == "SYM101" for f in document["findings"])
    assert "tanh is assumed" in err
    _, out, _ = call("check", path, "--format", "sarif")
    run = json.loads(out)["runs"][0]
    assert {r["ruleId"] for r in run["results"]} >= {"SYM101"}
    assert run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].endswith("net.npz")
    target = tmp_path / "report.json"
    code, out, err = call("check", path, "--format", "json", "--output", target)
    assert code == 1 and out == "" and "wrote" in err and json.loads(target.read_text())["ok"] is False


def test_data_are_used(saved, tmp_path):
    path = saved(weights("good"))
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "data.npz", x=rng.normal(size=(200, 64)), y=rng.integers(0, 10, 200))
    assert call("check", path, "--data", tmp_path / "data.npz")[0] == 0
    np.savez(tmp_path / "raw.npz", x=rng.integers(0, 256, (200, 64), dtype=np.uint8))
    code, out, _ = call("check", path, "--data", tmp_path / "raw.npz")
    assert code == 0 and "learn badly" in out and "input_scale" in out
    assert call("check", path, "--data", tmp_path / "raw.npz", "--fail-level", "warn")[0] == 1


def test_nan_is_a_finding(saved):
    arrays = weights("good")
    arrays["W2"][3, 4] = np.nan
    code, out, _ = call("check", saved(arrays))
    assert code == 1 and "NUM401" in out and "layers[1]" in out


def test_safetensors_and_layouts(tmp_path):
    from safetensors.numpy import save_file
    torch_like = {f"fc{n}.{'weight' if k[0] == 'W' else 'bias'}": np.ascontiguousarray(v.T)
                  for k, v in weights("constant").items() for n in (k[1:],)}
    save_file(torch_like, tmp_path / "net.safetensors")
    code, out, _ = call("check", tmp_path / "net.safetensors", "--activation", "relu,tanh")
    assert code == 1 and "SYM101" in out and "64 -> 50 -> 40 -> 10" in out and "relu, tanh, identity" in out


def test_baseline_sets_known_findings_aside(saved, tmp_path):
    path = saved(weights("constant"))
    call("check", path, "--format", "json", "--output", tmp_path / "known.json")
    code, out, _ = call("check", path, "--baseline", tmp_path / "known.json")
    assert code == 0 and "in the baseline" in out
    assert call("check", saved(weights("large"), "other.npz"), "--baseline", tmp_path / "known.json")[0] == 1
    refused("check", path, "--baseline", tmp_path / "none.json", about="none.json")


def test_what_is_no_chain_is_judged_tensor_by_tensor(saved):
    """A convolution is no dense layer, and matrices that do not follow one another are no network."""
    rng = np.random.default_rng(3)
    code, out, _ = call("check", saved({"conv.weight": rng.normal(size=(4, 3, 3, 3)) / 5}, "conv.npz"))
    assert code == 0 and "as a network: 0%" in out and "a convolution" in out
    assert "no verdict on learning" in out.replace("\n", " ")
    arrays = {"W1": rng.normal(size=(3, 4)), "W2": np.full((5, 2), 0.25)}
    code, out, _ = call("check", saved(arrays, "broken.npz"))
    assert code == 0 and "do not chain" in out.replace("\n", " ") and "--order" in out and "TEN802" in out
    assert call("check", saved(arrays, "broken.npz"), "--fail-level", "warn")[0] == 1
    arrays = {"W1": rng.normal(size=(3, 4)), "conv.weight": np.ones((2, 2, 2, 2))}
    code, _, err = call("check", saved(arrays, "both.npz"), "--data", "x.npz")
    assert code == 2 and "--data needs a network" in err


def test_too_little_judged_is_no_ok(tmp_path, saved):
    """A file most of whose numbers cannot be read gets no verdict, unless --partial asks for what there is."""
    from safetensors.numpy import save_file
    path = tmp_path / "quantised.safetensors"
    save_file({"conv.weight": np.random.default_rng(0).normal(size=(8, 3, 3, 3)),
               "big.qweight": np.zeros((64, 64), np.uint8)}, path)
    code, out, err = call("check", path)
    assert code == 2 and "NO VERDICT" in out and "--partial" in err and "big.qweight" in out
    assert call("check", path, "--partial")[0] == 0
    assert call("check", path, "--quiet", "--partial") == (0, "", "")


# ---- cannot run: exit 2, one or two lines on stderr, nothing on stdout

def refused(*arguments, about):
    code, out, err = call(*arguments)
    assert code == 2 and out == "", (code, out, err)
    assert err.startswith("initcore: ") and err.count("\n") <= 2 and "Traceback" not in err
    assert all(word in err for word in ([about] if isinstance(about, str) else about)), err


def test_bad_input(saved, tmp_path):
    good = saved(weights("good"))
    refused("check", tmp_path / "none.npz", about="no such file")
    refused("check", tmp_path, about="is a directory without")
    refused("check", saved({"mean": np.ones(3)}, "other.npz"), about="no weight matrices")
    refused("check", saved({"W1": np.ones((3, 4)), "W2": np.ones((5, 2))}, "broken.npz"), "--order", "1,2",
            about="do not chain")
    refused("check", saved({"W1": np.ones((3, 4), int)}, "int.npz"), about="int64")
    refused("check", saved({"W1": np.eye(4)[[1, 2, 3, 0]], "W2": np.ones((4, 4))}, "square.npz"), about="--layout")
    refused("check", good, "--activation", "tahn", about="did you mean 'tanh'")
    refused("check", good, "--activation", "tanh,relu,tanh", about="2 hidden")
    refused("check", good, "--activation", "tanh,,", about="empty entry")
    refused("check", good, "--layout", "xy", about="'io'")
    refused("check", good, "--order", "1,2,9", about="'9'")
    refused("check", good, "--optimizer", "adm", about="adam")
    refused("check", good, "--select", "SAT999", about="SAT")
    refused("check", good, "--format", "yaml", about="sarif")
    refused("check", good, "--fail-level", "never", about="info")
    refused("check", good, "--data", tmp_path / "none.npz", about="no such file")
    refused("check", good, "--data", saved({"z": np.ones(3)}, "nox.npz"), about="no array 'x'")
    refused("check", good, "--data", saved({"x": np.ones((3, 5))}, "narrow.npz"), about="64 features")
    refused("check", good, "--output", tmp_path, about="is a directory")
    refused("check", good, "--output", tmp_path / "no" / "file", about="cannot be written")
    refused("gain", "tahn", about="did you mean 'tanh'")
    refused("gain", "tanh", "--criterion", "size", about="second_moment")
    refused("gain", "tanh", "--q", "-1", about="q must lie")
    refused("rule", "SAT999", about="SAT201")
    refused("demo", "--epochs", "0", about="epochs")
    refused("demo", "--seed", "-1", about="seed")
    refused("demo", "--json", tmp_path, about="is a directory")
    refused("demo", "--json", tmp_path / "no" / "file.json", about="does not exist")


def test_nothing_is_left_behind_when_writing_fails(saved, tmp_path):
    good = saved(weights("good"))
    before = sorted(os.listdir(tmp_path))
    refused("check", good, "--output", tmp_path / "no" / "file", about="cannot be written")
    assert sorted(os.listdir(tmp_path)) == before


def test_output_keeps_the_old_file_until_the_new_one_is_whole(saved, tmp_path, monkeypatch):
    target = tmp_path / "report.txt"
    target.write_text("old")

    def fail(*_):
        raise OSError(28, "No space left on device")
    monkeypatch.setattr(os, "replace", fail)
    refused("check", saved(weights("good")), "--output", target, about="No space left")
    assert target.read_text() == "old" and sorted(os.listdir(tmp_path)) == ["net.npz", "report.txt"]


# ---- the small commands

def test_gain():
    code, out, _ = call("gain", "tanh", "--criterion", "gradient")
    assert code == 0 and float(out) == pytest.approx(ic.gain("tanh", criterion="gradient"), rel=1e-14)
    _, out, _ = call("gain", "leaky_relu_0.2")
    assert [line.split()[0] for line in out.splitlines()] == list(gains.CRITERIA)


def test_config_and_version():
    code, out, _ = call("config")
    assert code == 0 and "isa" in out and "numpy" in out
    assert call("--version") == (0, f"initcore {ic.__version__}\n", "")


@pytest.mark.parametrize("name", sorted(rules.CATALOGUE))
def test_every_rule_has_a_page(name):
    code, out, _ = call("rule", name.lower())
    assert code == 0 and out.startswith(f"# {name}: ") and max(map(len, out.splitlines())) <= 80


def test_help_names_every_command():
    code, out, _ = call("--help")
    assert code == 0 and all(name in out for name in ("check", "demo", "gain", "rule", "config"))
    assert "Usage" in "".join(call()[1:])


def test_rules_are_listed():
    code, out, _ = call("rule")
    assert code == 0 and [line.split()[0] for line in out.splitlines()] == list(rules.CATALOGUE)


# ---- as a process

def test_process_exit_codes_and_no_colour(saved):
    code, out, err = process("check", saved(weights("constant")))
    assert code == 1 and "SYM101" in out and "\x1b" not in out + err
    code, out, err = process("check", "none.npz")
    assert (code, out) == (2, "") and "Traceback" not in err


def test_reader_that_stops_listening_is_no_error():
    """`initcore demo | head -1`."""
    process = subprocess.Popen([sys.executable, "-m", "initcore", "demo", "--epochs", "1"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.stdout.close()
    complaint = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == 1 and complaint == ""


def test_missing_extra(tmp_path):
    (tmp_path / "typer.py").write_text("raise ImportError('no typer', name='typer')")
    path = os.pathsep.join([str(tmp_path), os.environ["PYTHONPATH"]])
    code, out, err = process("demo", PYTHONPATH=path)
    assert (code, out) == (2, "") and "pip install 'initcore[cli]'" in err and "Traceback" not in err
    # The library itself does not need it.
    done = subprocess.run([sys.executable, "-c", "import initcore"],
                          env={**os.environ, "PYTHONPATH": path}, check=False)
    assert done.returncode == 0


def test_library_does_not_import_the_command_line():
    code = "import sys, initcore; print([m for m in ('typer', 'rich', 'click') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
