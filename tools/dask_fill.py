"""A large array into a Zarr store by a LocalCluster: python tools/dask_fill.py FOLDER [ELEMENTS] [--kill]

Four workers, each with a limit of 1 GiB; prints how long it took, the largest memory of a worker, and whether chunks
read back are the bits that initcore.random makes of their place. ``--kill``: a worker is killed on the way. The last
record stands in docs/howto/dask.md.
"""

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import dask.array as da
import distributed
import numpy as np
import zarr

import initcore as ic
import initcore.dask as lazy

CHUNK = (4096, 4096)                    # 64 MiB


def memory(pid: int) -> int:
    """The largest resident memory a process has had, in bytes."""
    text = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return 1024 * int(text.split("VmHWM:")[1].split()[0])


def main(folder: Path, elements: int, kill: bool) -> None:
    shape = (-(-elements // CHUNK[1]), CHUNK[1])
    w = lazy.normal(shape, std=0.02, rng=ic.Key(0), chunks=CHUNK)
    store = zarr.create_array(str(folder), shape=shape, chunks=CHUNK, dtype="float32", compressors=None,
                              overwrite=True)
    with distributed.LocalCluster(n_workers=4, threads_per_worker=1, memory_limit="1GiB") as c, \
            distributed.Client(c) as client:
        pids = [p["pid"] for p in client.run(lambda: {"pid": os.getpid()}).values()]
        began = time.perf_counter()
        future = client.compute(da.store(w, store, lock=False, compute=False))
        if kill:
            time.sleep(2)
            os.kill(pids[0], signal.SIGKILL)
        distributed.wait(future)
        future.result()
        seconds = time.perf_counter() - began
        peak = max(memory(p) for p in pids[kill:])
    for row in (0, shape[0] // CHUNK[0] // 2, (shape[0] - 1) // CHUNK[0]):
        got = store[row * CHUNK[0]:(row + 1) * CHUNK[0]]
        want = ic.random.normal(got.shape, std=0.02, rng=ic.Key(0), global_shape=shape, start=(row * CHUNK[0], 0))
        assert np.array_equal(got, want), row
    print(f"{w.size:.3g} elements, {w.npartitions} chunks, {w.nbytes / 2**30:.1f} GiB: {seconds:.0f} s, largest worker "
          f"{peak / 2**20:.0f} MiB{', one killed' if kill else ''}; chunks read back are the same bits")


if __name__ == "__main__":
    place = Path(sys.argv[1])
    try:
        main(place, int(float(sys.argv[2])) if len(sys.argv) > 2 and sys.argv[2][0] != "-" else 4 * 10**9,
             "--kill" in sys.argv)
    finally:
        shutil.rmtree(place, ignore_errors=True)
