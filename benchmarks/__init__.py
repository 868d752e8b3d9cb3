"""The benchmark suite: `pytest benchmarks --benchmark-only`, `python -m benchmarks.compare`.

The rivals' thread pools are told to be single before anything is imported; a case that wants two
threads says so and the harness widens them for its time (see ``harness.py``).
"""

import os
import sys
from pathlib import Path

# Run from the source tree, `initcore` must be the installed package where there is one: look here last.
_root = str(Path(__file__).resolve().parent.parent)
sys.path[:] = [p for p in sys.path if Path(p or ".").resolve() != Path(_root)] + [_root]

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "2")        # the ceiling; threadpoolctl lowers it to the case's number
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
