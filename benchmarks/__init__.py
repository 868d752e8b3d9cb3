"""The benchmark suite: `pytest benchmarks --benchmark-only`, `python -m benchmarks.compare`.

The rivals' thread pools are told to be single before anything is imported; a case that wants two
threads says so and the harness widens them for its time (see ``harness.py``).
"""

import os

for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "2")        # the ceiling; threadpoolctl lowers it to the case's number
os.environ.setdefault("XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false")
os.environ.setdefault("JAX_PLATFORMS", "cpu")
