"""Real processes: every sharding of every model has the bits of one process."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")

RANKS = Path(__file__).parent.parent / "oracles" / "torch_ranks.py"
WORLD = 8


def test_eight_ranks(tmp_path):
    """What they check is in tests/oracles/torch_ranks.py."""
    store = tmp_path / "store"
    outputs = [tmp_path / f"rank{rank}" for rank in range(WORLD)]
    ranks = []
    try:
        for rank, output in enumerate(outputs):
            with output.open("w") as file:
                ranks.append(subprocess.Popen([sys.executable, str(RANKS), str(rank), str(WORLD), str(store)],
                                              stdout=file, stderr=file))
        while any(r.poll() is None for r in ranks) and not any(r.poll() for r in ranks):
            time.sleep(0.1)
        for rank, output in zip(ranks, outputs):
            assert not rank.poll(), output.read_text()[-4000:]
    finally:
        for rank in ranks:
            rank.kill()
            rank.wait()
    assert outputs[0].read_text().count("ok check_") == 8
