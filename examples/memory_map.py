"""A weight file larger than memory, filled by processes: python examples/memory_map.py FILE.npy [ROWS COLUMNS]

The plan of blocks is plain data. Any engine that runs functions needs the same five lines: Ray, Spark, MPI, a queue.
"""

import functools
import sys
from concurrent.futures import ProcessPoolExecutor

import numpy as np

import initcore as ic


def write(path, key, block):
    """One block, in whatever process this runs."""
    array = np.load(path, mmap_mode="r+")
    array[block.slices] = block.make(ic.init.he_normal, rng=key)
    array.flush()


def main(path, shape, elements=1 << 22, workers=2):
    np.lib.format.open_memmap(path, mode="w+", dtype="float32", shape=shape).flush()
    plan = ic.random.blocks(shape, elements=elements)
    with ProcessPoolExecutor(workers) as pool:
        done = sum(1 for _ in pool.map(functools.partial(write, path, ic.Key(0).child("embedding.weight")), plan))
    return done


if __name__ == "__main__":
    print(main(sys.argv[1], tuple(map(int, sys.argv[2:])) or (4096, 1024)), "blocks")
