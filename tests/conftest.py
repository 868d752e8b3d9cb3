"""Shared by all tests: the instruction-set variants, and running code on each."""

import os
import subprocess
import sys
from pathlib import Path

import hypothesis
import pytest

import initcore as ic

EXAMPLES = int(os.environ.get("INITCORE_EXAMPLES", "0"))        # so many for every test, whatever it asks for itself
# A loaded machine is not a failure, and every run tries the same examples: new ones are for tools/examples.py.
hypothesis.settings.register_profile("initcore", deadline=None, derandomize=not EXAMPLES, database=None,
                                     suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("initcore")

# pytest has put this directory on the path; some of its folders bear the names of frameworks, which may not be
# installed, and `import torch` must not find tests/torch.
sys.path[:] = [entry for entry in sys.path if entry != str(Path(__file__).resolve().parent)]
sys.path.append(str(Path(__file__).resolve().parent.parent))    # for benchmarks; last: initcore is the installed one

os.environ.setdefault("KERAS_BACKEND", "torch")                # its own default is TensorFlow

# Fresh interpreters that tests start import this initcore too: never the directory they happen to start in, which
# may be a source tree with nothing built.
os.environ["PYTHONSAFEPATH"] = "1"
os.environ["PYTHONPATH"] = os.pathsep.join([os.path.dirname(os.path.dirname(ic.__file__)),
                                            *filter(None, [os.environ.get("PYTHONPATH")])])

USABLE = [name for name, state in ic.kernels.variants().items() if state in ("in use", "available")]


def pytest_collection_modifyitems(items):
    """INITCORE_EXAMPLES=100000 runs every hypothesis test with that many examples (tools/examples.py does)."""
    for test in {getattr(item, "obj", None) for item in items if EXAMPLES}:
        if hypothesis.is_hypothesis_test(test):
            test = getattr(test, "__func__", test)
            test._hypothesis_internal_use_settings = hypothesis.settings(
                test._hypothesis_internal_use_settings, max_examples=EXAMPLES)


@pytest.fixture
def run_on():
    """Run Python code in a fresh interpreter on a named variant; returns what it printed."""
    def run(isa, code, timeout=300):
        env = {**os.environ, "INITCORE_ISA": isa, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=timeout)
        assert done.returncode == 0, done.stderr
        return done.stdout
    return run


@pytest.fixture(params=USABLE)
def isa(request):
    """Each variant this machine can run."""
    return request.param


def pytest_sessionfinish(session):
    """With INITCORE_NO_SKIPS=1 a skipped test is a failure: the environment holds every framework."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("INITCORE_NO_SKIPS") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


@pytest.fixture
def matplotlib():
    """Figures need matplotlib; their data do not."""
    return pytest.importorskip("matplotlib")
