"""Anything for every argument of every public function, singly and in any combination: an answer or our own error."""

import inspect
import os

import numpy as np
import public_calls
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from initcore import errors, files

JUNK = [None, True, -1, 0, 1.5, 10 ** 400, -(10 ** 400), 1j, float("nan"), float("inf"), 1e-320, "", "text", "\0",
        "a\ud800", "x" * 3000, b"x", (), (1,), (1, 2), [], [None], ["a\ud800"], [1, [2]], {}, {"a": 1}, {1}, object(),
        len, lambda *a: None, lambda z: "a", int, np.zeros(3), np.zeros(0), np.zeros((2, 2, 2)), np.ones((6, 4), int),
        np.array(["a", "b"]), np.array([None]), np.array("2020", "M8[D]"), np.float32(2), np.full((6, 4), np.nan),
        iter(())]
BIG = {"epochs", "n", "depth", "max_sweeps", "n_layers", "batch_size"}       # a large one would only take long
WARNINGS = pytest.mark.filterwarnings("ignore::initcore.errors.InitcoreWarning")


def answers(name, function, arguments):
    """Whether a call gives a result or one of the package's errors, which has words."""
    try:
        with np.errstate(all="raise"):
            str(function(**arguments))
    except errors.InitcoreError as error:
        assert str(error).strip() and len(str(error)) < 3000, name
    except MemoryError:
        pass
    except OSError as error:                    # what the system says of a file
        assert "baseline" in arguments and error.filename == arguments["baseline"], name


def parameters(function, arguments):
    """The names a call may give."""
    kinds = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    named = {p.name for p in inspect.signature(function).parameters.values() if p.kind in kinds}
    return sorted(named | arguments.keys())


def junk_for(parameter):
    """A function that is called back or told of progress may raise what it likes; int is an activation, but one of many
    steps."""
    return [j for j in JUNK if not (parameter in BIG and isinstance(j, int) and j >= 5)
            and not (parameter in ("callback", "progress") and callable(j))
            and not (parameter == "activation" and j is int)]


def test_every_public_function_has_a_row():
    assert public_calls.uncovered() == set()


@WARNINGS
@pytest.mark.parametrize("name", public_calls.CALLS)
def test_one_argument(name):
    function, arguments = public_calls.CALLS[name]
    answers(name, function, arguments)
    for parameter in parameters(function, arguments):
        for junk in junk_for(parameter):
            answers((name, parameter, junk), function, {**arguments, parameter: junk})


@WARNINGS
@settings(max_examples=150)
@given(st.data())
def test_any_arguments(data):
    name = data.draw(st.sampled_from(sorted(public_calls.CALLS)))
    function, arguments = public_calls.CALLS[name]
    names = parameters(function, arguments)
    some = data.draw(st.lists(st.sampled_from(names), unique=True, max_size=4)) if names else []
    answers(name, function, {**arguments, **{p: data.draw(st.sampled_from(junk_for(p))) for p in some}})


@WARNINGS
def test_functions_of_files(tmp_path):
    path = os.path.join(tmp_path, "net.npz")
    np.savez(path, W1=public_calls.W, b1=np.zeros(5), W2=public_calls.W.T)
    whole = {"path": path, "a": path, "b": path, "network": public_calls.NET}
    for name in sorted(public_calls.OF_FILES):
        function = getattr(files, name)
        arguments = {k: v for k, v in whole.items() if k in inspect.signature(function).parameters}
        more = {"l2", "l1", "clip_value", "hidden_dropout", "stage"} if name == "check_file" else set()
        for parameter in [*parameters(function, arguments), *sorted(more)]:
            for junk in junk_for(parameter):
                if not (parameter in ("path", "a", "b") and isinstance(junk, str) and junk in ("", "text")):
                    answers((name, parameter, junk), function, {**arguments, parameter: junk})
