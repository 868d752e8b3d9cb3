"""The command in processes of its own: closed and full outputs, odd widths, Ctrl-C, names that steer terminals.

Whatever happens: exit code 0, 1, 2 or 130 (Ctrl-C), at most one sentence on stderr, never a traceback.
"""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

COMMAND = [sys.executable, "-m", "initcore"]
SCRIPT = [sys.executable, "-c", "from initcore_command import main; main()"]         # as the installed script


def command(*arguments, shell="", **env):
    """(exit code, stdout, stderr) of the command, with a shell's redirections after it."""
    done = subprocess.run(["sh", "-c", f'"$@" {shell}', "sh", *COMMAND, *map(os.fsencode, arguments)],
                          capture_output=True, timeout=120, env={**os.environ, **env}, check=False)
    return done.returncode, done.stdout.decode("utf-8", "surrogateescape"), done.stderr.decode(
        "utf-8", "surrogateescape")


def one_sentence(err):
    return err.startswith("initcore: ") and err.count("\n") == 1 and "Traceback" not in err and "\x1b" not in err


def test_output_that_cannot_arrive_is_said():
    for arguments in (("gain", "tanh"), ("--help",), ("--version",), ("rule",)):
        code, _, err = command(*arguments, shell="> /dev/full")
        assert code == 2 and one_sentence(err) and "standard output" in err, arguments
    assert command("gain", "tanh", shell="> /dev/full 2> /dev/full")[0] == 2
    assert command("gain", "tanh", shell=">&- 2>&-")[0] in (0, 2)
    assert command("gain", "nonsuch", shell="2>&-")[0] == 2


def test_a_reader_that_leaves_is_no_traceback():
    for arguments in (("rule",), ("rule", "SAT201"), ("--help",), ("gain", "tanh")):
        code, _, err = command(*arguments, shell="| true")
        assert (code, err) == (0, ""), arguments


@pytest.mark.parametrize("columns", ["0", "1", "-3", "wide", "9" * 30])
def test_every_width(columns):
    code, out, err = command("--help", COLUMNS=columns)
    assert code == 0 and "check" in out and err == ""


def test_wrong_options_are_a_sentence():
    for arguments in (("chek",), ("check",), ("gain", "tanh", "--q", "wide"), ("rule", "SAT201", "--lod")):
        code, out, err = command(*arguments)
        assert (code, out) == (2, "") and one_sentence(err), arguments


def test_interrupted_at_any_moment():
    """Ctrl-C from the first hundredth of a second on; what happens before Python runs a line of ours is Python's."""
    seen = set()
    for hundredths in (3, 5, 7, 9, 12, 16, 20, 30, 50, 90):
        process = subprocess.Popen([*SCRIPT, "demo", "--epochs", "1"], stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        time.sleep(hundredths / 100)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
        assert f"{os.sep}initcore{os.sep}" not in err, err
        seen.add(process.returncode)
    assert seen <= {-signal.SIGINT, 1, 130} and seen & {-signal.SIGINT, 130}


ESCAPE = "\x1b]0;owned\x07\x1b[2J\u202efc"


def strings(document):
    """Every key and text of a JSON document."""
    if isinstance(document, dict):
        return [*document, *strings(list(document.values()))]
    return [s for part in document for s in strings(part)] if isinstance(document, list) else [
        document] if isinstance(document, str) else []


def test_names_do_not_steer_the_terminal(tmp_path):
    rng = np.random.default_rng(5)
    path = tmp_path / "net\x1b[31m.npz"
    np.savez(path, **{f"{ESCAPE}{i}.weight": rng.normal(size=(m, n)) / n**0.5
                      for i, (m, n) in enumerate(((30, 20), (5, 30)))}, **{f"{ESCAPE}.mean": np.zeros(3)})
    for form in ("text", "json", "sarif"):
        code, out, err = command("check", path, "--format", form)
        assert code in (0, 1) and not {"\x1b", "\x07", "\u202e"} & set(out + err), form
        if form != "text":
            assert all(map(str.isprintable, strings(json.loads(out))))
    code, out, err = command("check", path, "--activation", f"tanh{ESCAPE}")
    assert code == 2 and one_sentence(err)


def test_names_that_are_not_utf8(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"net\xff.npz")
    with open(path, "wb") as stream:
        np.savez(stream, W1=np.random.default_rng(0).normal(size=(8, 5)), b1=np.zeros(5))
    for form in ("text", "json", "sarif"):
        code, out, err = command("check", path, "--format", form)
        assert code in (0, 1) and "Traceback" not in err
        assert form != "text" or "net\\udcff" in out
    code, out, err = command("check", path, "--output", os.path.join(os.fsencode(tmp_path), b"out\xfe.txt"))
    assert code in (0, 1) and b"out\xfe.txt" in os.listdir(os.fsencode(tmp_path)) and "Traceback" not in err


def baseline(text, tmp_path):
    (tmp_path / "base.json").write_text(text)
    return tmp_path / "base.json"


@pytest.mark.parametrize("text", [
    "[" * 100_000, '{"findings": ' + "[" * 5000 + "]" * 5000 + "}", '{"findings": [1]}', '{"findings": [[]]}',
    '{"findings": [{"rule": [], "layer": {}, "tensor": null}]}', '{"findings": [], "suppressed": 3}', "3", "null",
    '{"findings": [{"rule": "SYM101", "layer": ' + "9" * 6000 + '}]}', "\x00", "{",
], ids=str.__len__)
def test_baselines_that_are_none(text, tmp_path):
    np.savez(tmp_path / "net.npz", W1=np.random.default_rng(0).normal(size=(8, 5)), b1=np.zeros(5))
    code, out, err = command("check", tmp_path / "net.npz", "--baseline", baseline(text, tmp_path))
    assert (code, out) == (2, "") and one_sentence(err)


def test_a_baseline_without_end_is_not_read(tmp_path):
    np.savez(tmp_path / "net.npz", W1=np.random.default_rng(0).normal(size=(8, 5)), b1=np.zeros(5))
    os.mkfifo(tmp_path / "pipe")
    for endless in (tmp_path / "pipe", "/dev/zero", tmp_path):
        code, out, err = command("check", tmp_path / "net.npz", "--baseline", endless)
        assert (code, out) == (2, "") and one_sentence(err), endless


@pytest.mark.parametrize("name", ["sin_0", "sin_nan", "sin_1e999", "leaky_relu_inf", "elu_-0", "leaky_relu_1e308",
                                  "sin_" + "9" * 5000, "\ud800", ""])
def test_odd_activations(name, tmp_path):
    rng = np.random.default_rng(1)
    np.savez(tmp_path / "net.npz", W1=rng.normal(size=(8, 5)), b1=np.zeros(5), W2=rng.normal(size=(5, 2)))
    given = name.encode("utf-8", "surrogatepass") if name == "\ud800" else name
    for arguments in (("gain", given), ("check", tmp_path / "net.npz", "--activation", given)):
        code, _, err = command(*arguments)
        assert code in (0, 1, 2) and "Traceback" not in err and "initcore's own" not in err, err


def test_our_own_fault_is_reported_and_not_shown(tmp_path):
    broken = "import initcore.gains as g\ng.gain = lambda *a, **k: 1 / 0\nfrom initcore.cli import main\nmain()\n"
    done = subprocess.run([sys.executable, "-c", broken, "gain", "tanh"], capture_output=True, text=True, check=False,
                          env={**os.environ, "TMPDIR": str(tmp_path)}, timeout=60)
    assert done.returncode == 2 and one_sentence(done.stderr) and "please report" in done.stderr
    [report] = tmp_path.glob("initcore-report-*")
    assert str(report) in done.stderr and "ZeroDivisionError" in report.read_text()
