"""Judge a model larger than memory should be: ``python tools/big_files.py --gigabytes 14 FOLDER``.

Makes shards of random bfloat16 in a new folder (real bytes, of four shapes of a transformer's matrices), reads them
once so that the page cache has what it can hold, runs ``initcore check`` on the folder in a process of its own, prints
seconds by the clock and of the processor and the peak of memory, and deletes the shards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import struct
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

SHAPES = {"self_attn.q_proj": (4096, 4096), "mlp.up_proj": (8192, 2048), "mlp.down_proj": (2048, 8192),
          "self_attn.o_proj": (4096, 4096)}
# ru_maxrss would be the peak of whoever started the process, where that was larger.
CHECK = """
import atexit, sys
atexit.register(lambda: print(open("/proc/self/status").read().split("VmHWM:")[1].split()[0], file=sys.stderr))
from initcore.cli import main
main(sys.argv[1:])
"""
SIZE = 4096 * 4096                      # values of each


def make(folder: Path, gigabytes: float, a_shard: int = 8) -> int:
    """Write the shards and their index; returns the bytes."""
    folder.mkdir()
    rng, names, total = np.random.Generator(np.random.SFC64(7)), list(SHAPES), 0
    count = max(1, round(gigabytes * 1e9 / (2 * SIZE)))
    where = {f"model.layers.{i}.{names[i % 4]}.weight": f"model-{i // a_shard:05}.safetensors" for i in range(count)}
    for shard in sorted(set(where.values())):
        inside = [name for name in where if where[name] == shard]
        head = {name: {"dtype": "BF16", "shape": SHAPES[name.removesuffix(".weight").split(".", 3)[3]],
                       "data_offsets": [2 * SIZE * i, 2 * SIZE * (i + 1)]} for i, name in enumerate(inside)}
        text = json.dumps(head).encode()
        with (folder / shard).open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            for _ in inside:
                values = rng.standard_normal(SIZE, dtype=np.float32) * np.float32(0.015625)
                file.write((values.view(np.uint32) >> 16).astype(np.uint16).tobytes())
            total += file.tell()
    (folder / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": where}))
    return total


def judge(folder: Path) -> tuple[float, float, float]:
    """Seconds by the clock, seconds of the processor, megabytes at the peak of ``initcore check``."""
    before, begin = os.times(), time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CHECK, "check", str(folder)], stdout=subprocess.DEVNULL, check=True,
                          stderr=subprocess.PIPE, text=True)
    wall, after = time.perf_counter() - begin, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return wall, used, int(done.stderr.split()[-1]) / 1024


def main() -> None:
    """Make, read once, judge twice, delete."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gigabytes", type=float, default=14.0)
    parser.add_argument("folder", type=Path, help="a new one")
    given = parser.parse_args()
    try:
        total = make(given.folder, given.gigabytes)
        for _ in range(2):
            for shard in given.folder.glob("*.safetensors"):
                with shard.open("rb") as file:
                    while file.read(1 << 24):
                        pass
            wall, processor, peak = judge(given.folder)
            print(f"{total / 1e9:.2f} GB: {wall:.1f} s by the clock, {processor:.1f} s of the processor, {peak:.0f} MB")
    finally:
        shutil.rmtree(given.folder, ignore_errors=True)


if __name__ == "__main__":
    main()
