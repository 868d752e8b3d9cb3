"""What `tools/arm64.sh` runs on the emulated machine: nothing but NumPy, the package and tests/oracles is there.

Prints one line a check and exits 1 at the first that fails.
"""

import ast
import hashlib
import time
from pathlib import Path

import dense_guarantees as guarantees
import numpy as np

import initcore as ic
from initcore import random as icr
from initcore import reference

K = ic.kernels
GOLDEN = Path(__file__).parents[1] / "tests" / "random" / "test_stream_golden.py"
SHAPES = [(1, 1, 1), (5, 7, 3), (8, 384, 8), (9, 385, 33), (70, 70, 70), (3, 800, 17), (130, 20, 150)]
NAMES = ("tanh", "sigmoid", "gelu", "mish", "softplus", "erf", "sin", "elu")


def golden():
    """Every hash of stream v1's table, by the table's own calls."""
    tree = ast.parse(GOLDEN.read_text())
    wanted = {"N", "KEY", "CALLS", "DTYPES", "GOLDEN", "digest", "table"}
    body = [node for node in tree.body
            if (node.name if isinstance(node, ast.FunctionDef) else isinstance(node, ast.Assign) and node.targets[0].id)
            in wanted]
    space = {"np": np, "icr": icr, "hashlib": hashlib}
    exec(compile(ast.Module(body, []), str(GOLDEN), "exec"), space)
    found = space["table"]()
    assert found == space["GOLDEN"], [k for k in found if found[k] != space["GOLDEN"][k]]
    return f"{len(found)} of {len(found)} hashes of stream v1"


def tied():
    """G1, G2 and G3 at sampled shapes and packing edges."""
    shapes = SHAPES + guarantees.sample(25, 70, 5)
    for dtype in (np.float32, np.float64):
        for shape in shapes:
            guarantees.ties(*shape, dtype)
        for shape in SHAPES[3:]:
            guarantees.batch_rows(*shape, dtype)
        for shape in [(300, 400, 130), (200, 5, 700)]:
            guarantees.threads(*shape, dtype)
    return f"G1 at {2 * len(shapes)} shapes, G2 at {2 * len(SHAPES[3:])}, G3 at 4"


def twins():
    """Products, layers and activations against NumPy."""
    rng = np.random.default_rng(0)
    for dtype in (np.float32, np.float64):
        eps = np.finfo(dtype).eps
        for m, k, n in SHAPES:
            a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
            bound = 2 * k * eps * (abs(a) @ abs(b)).max()
            for p, q in ((a, b), (a.T.copy().T, b), (a, b.T.copy().T)):
                assert abs(K.matmul(p, q) - a.astype(float) @ b.astype(float)).max() <= bound, (m, k, n, dtype)
            for got, want in zip(K.dense_backward(a, b, None, "tanh", a @ b),
                                 reference.dense_backward(a, b, None, "tanh", a @ b)):
                assert np.allclose(got, want, rtol=1e4 * eps, atol=1e4 * eps * abs(want).max()), (m, k, n, dtype)
        z = np.linspace(-9, 9, 4001).astype(dtype)
        for name in NAMES:
            want = reference.activation_forward(name, z.astype(np.float64))
            assert np.allclose(K.activation_forward(name, z), want, rtol=16 * eps, atol=4 * eps), (name, dtype)
    return f"products at {2 * len(SHAPES)} shapes, {2 * len(NAMES)} activations"


if __name__ == "__main__":
    assert K.isa == "neon", K.isa
    for check in (golden, tied, twins):
        start = time.monotonic()
        print(f"{K.isa}: {check()} ({time.monotonic() - start:.0f} s)", flush=True)
