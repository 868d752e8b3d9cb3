"""Plans of blocks, and the example that fills a memory map with processes."""

import math
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import initcore as ic
from initcore import errors

EXAMPLE = Path(__file__).parents[2] / "examples" / "memory_map.py"


@pytest.mark.parametrize("shape", [(), (1,), (17,), (5, 7), (4, 1, 6), (3, 4, 5, 2), (1000, 3), 9])
@pytest.mark.parametrize("elements", [1, 2, 5, 6, 40, 10**9])
def test_blocks_cover_the_array_once_in_order(shape, elements):
    plan = list(ic.random.blocks(shape, elements=elements))
    sizes = (shape,) if isinstance(shape, int) else shape
    seen = np.arange(math.prod(sizes)).reshape(sizes)
    parts = [seen[b.slices] for b in plan]
    assert np.concatenate([p.ravel() for p in parts]).tolist() == list(range(seen.size))
    assert all(p.shape == b.shape and p.size <= elements for p, b in zip(parts, plan))
    assert pickle.loads(pickle.dumps(plan)) == plan


def test_what_is_made_is_the_whole():
    want = ic.init.he_uniform((3, 3, 6, 8), layout="hwio", rng=5)
    made = np.empty_like(want)
    for block in ic.random.blocks(want.shape, elements=40):
        made[block.slices] = block.make(ic.init.he_uniform, layout="hwio", rng=5)
    assert (made == want).all() and not list(ic.random.blocks((3, 0)))
    with pytest.raises(errors.ArgumentError, match="elements"):
        next(ic.random.blocks((3, 3), elements=0))


def test_the_example_writes_a_memory_map(tmp_path):
    path = tmp_path / "w.npy"
    done = subprocess.run([sys.executable, str(EXAMPLE), str(path), "9000", "512"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout == "2 blocks\n", done.stderr
    assert (np.load(path) == ic.init.he_normal((9000, 512), rng=ic.Key(0).child("embedding.weight"))).all()
