"""Sharded parameters, on eight virtual devices in a process of their own."""

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("jax")

ORACLES = Path(__file__).parents[1] / "oracles"


def test_every_mesh_and_spec_gives_the_unsharded_bits_from_shards_made_alone():
    done = subprocess.run([sys.executable, "-W", "error", str(ORACLES / "jax_mesh.py")], capture_output=True,
                          text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("29 cases")
