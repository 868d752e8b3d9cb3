"""Mutate small valid files of every format and judge them: ``python tools/fuzz_files.py SECONDS [SEED]``.

Anything but a report or one printable sentence, and anything that takes over 3 seconds, is kept in a scratch folder and
counted; exit code 1 where there was any. Mutations are blind: bytes set, words of extremes, parts cut out and doubled.
"""

import pathlib
import random
import sys
import tempfile
import time
import traceback

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "oracles"))
import file_corpus

from initcore import errors
from initcore.files import check_file

EXTREMES = (b"\xff" * 8, bytes(8), b"\x7f" * 8, b"\x01" + bytes(7))


def mutated(data: bytes, rng: random.Random) -> bytes:
    """The file with one to nine changes, half of them near its start."""
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 4, 9))):
        at = rng.randrange(len(out) if rng.random() < 0.5 else min(len(out), 700))
        kind = rng.random()
        if kind < 0.6:
            out[at] = rng.randrange(256)
        elif kind < 0.8:
            out[at:at + 8] = rng.choice(EXTREMES)
        elif kind < 0.9:
            del out[at:at + rng.randrange(1, 20)]
        else:
            out[at:at] = out[rng.randrange(len(out)):][:rng.randrange(1, 40)]
        out = out or bytearray(b"x")
    return bytes(out)


def fault(path: pathlib.Path) -> str | None:
    """What is wrong with how a file was answered."""
    start = time.process_time()
    try:
        str(check_file(path, partial=True))
    except errors.InitcoreError as error:
        if not str(error).isprintable():
            return f"no printable sentence: {str(error)!r}"
    except Exception:
        return traceback.format_exc(limit=-3)
    return "slow" if time.process_time() - start > 3 else None


def main(seconds: float, seed: int = 0) -> int:
    """Fuzz for so long; print what was found."""
    rng, valid, tried, bad = random.Random(seed), file_corpus.valid(), 0, 0
    folder, end = pathlib.Path(tempfile.mkdtemp(prefix="initcore-fuzz-")), time.time() + seconds
    while time.time() < end:
        suffix = rng.choice(sorted(valid))
        path = folder / f"last.{suffix}"
        path.write_bytes(mutated(valid[suffix], rng))
        tried += 1
        wrong = fault(path)
        if wrong is not None:
            bad += 1
            path.rename(folder / f"{tried}.{suffix}")
            print(folder / f"{tried}.{suffix}", wrong, sep="\n")
    print(f"{tried} files, {bad} faults (seed {seed}; kept in {folder})")
    return int(bad > 0)


if __name__ == "__main__":
    raise SystemExit(main(float(sys.argv[1]), *map(int, sys.argv[2:3])))
