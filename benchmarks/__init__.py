"""The benchmark suite: `pytest benchmarks --benchmark-only`, `python -m benchmarks.compare`."""
