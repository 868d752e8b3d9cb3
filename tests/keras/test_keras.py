"""initcore.keras on the torch and JAX backends, each in a process of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("keras")

ORACLES = Path(__file__).parents[1] / "oracles"


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_everything_on_a_backend(backend):
    pytest.importorskip(backend)
    done = subprocess.run([sys.executable, str(ORACLES / "keras_checks.py")], capture_output=True, text=True,
                          env={**os.environ, "KERAS_BACKEND": backend}, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"10 checks on {backend}"
