"""Fresh interpreters for what could end or hang one."""

import os
import subprocess
import sys

import pytest

QUIET = ("-W", "ignore:This process:DeprecationWarning")       # Python 3.12 warns of forks with threads: they are meant


@pytest.fixture
def fresh():
    """Run Python code in an interpreter of its own, which must end well and silently; returns what it printed."""
    def run(code, timeout=300, **environment):
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "PYTHONFAULTHANDLER": "1",
               **environment}
        done = subprocess.run([sys.executable, *QUIET, "-c", code], env=env, capture_output=True, text=True,
                              timeout=timeout, start_new_session=True)
        assert done.returncode == 0 and not done.stderr, (done.returncode, done.stderr[-3000:])
        return done.stdout
    return run
