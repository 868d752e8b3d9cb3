"""The CUDA kernel: its bits in Triton's interpreter, its table, and how a tensor is cut into launches."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

ROOT = Path(__file__).resolve().parents[2]


def test_the_bits_are_the_cpus():
    pytest.importorskip("triton")
    done = subprocess.run([sys.executable, str(ROOT / "tests" / "oracles" / "triton_bits.py")], text=True,
                          env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_coefficients_are_the_headers():
    from initcore.torch._coefficients import DOUBLES, OCTAVES
    text = (ROOT / "src" / "variant" / "random" / "inverse_normal.h").read_text()

    def table(name):
        body = re.search(name + r"\[\d+\] = \{(.*?)\};", text, re.S).group(1)
        return [float.fromhex(word.strip().rstrip("f")) for word in body.split(",") if word.strip()]

    rows = OCTAVES.reshape(39, 8)
    np.testing.assert_array_equal(rows[:31].ravel(), np.array(table("INVERSE_TAIL_F32"), np.float32))
    centre = np.array(table("INVERSE_CENTRE_F32"), np.float32).reshape(8, 8)
    for exponent in range(150, 158):
        np.testing.assert_array_equal(rows[exponent - 119], centre[:, exponent & 7])
    doubles = [w for name in ("LOG_F64", "INVERSE_CENTRE_F64", "INVERSE_TAIL_F64") for w in table(name)]
    np.testing.assert_array_equal(DOUBLES, doubles)
    for name in ("SCALE", "SHIFT"):
        value = float.fromhex(re.search(rf"INVERSE_TAIL_{name} (\S+)", text).group(1))
        assert repr(value) in (ROOT / "initcore" / "torch" / "_triton" / "_kernel.py").read_text()


def test_axes_are_merged():
    pytest.importorskip("triton")
    from initcore.torch._triton import merged
    assert merged((4, 5, 6), (30, 6, 1), (30, 6, 1)) == [(120, 1, 1)]
    assert merged((4, 5, 6), (30, 6, 1), (60, 12, 2)) == [(120, 1, 2)]
    assert merged((4, 1, 6), (60, 7, 1), (6, 9, 1)) == [(4, 60, 6), (6, 1, 1)]
    assert merged((), (), ()) == [(1, 1, 1)]
