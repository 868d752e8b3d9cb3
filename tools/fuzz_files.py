"""Fuzz the readers of files: ``python tools/fuzz_files.py --minutes 10 --format safetensors`` (or ``all``, in turn).

With atheris (libFuzzer for Python) mutations are led by the coverage of initcore's own lines; members of archives are
changed inside, so that a checksum hides nothing. Without it bytes are changed blindly. A format has a process of its
own. A fault is anything but a report or one printable sentence, over 5 seconds, over 1 GB, a process that dies; the
files stay in a scratch folder, and exit code 1 says that there are any. ``--record FILE`` notes what was tried.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import pathlib
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import zipfile
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "oracles"))
import file_corpus

try:
    import atheris
except ImportError:
    atheris = None

EXTREMES = (b"\xff" * 8, bytes(8), b"\x7f" * 8, b"\x01" + bytes(7))
LONGEST = 1 << 14                       # bytes of a mutated file
SECONDS, MEGABYTES = 5, 1024            # of processor time and memory, what a file may take
QUICK = 0.1                             # seconds of a file that others are made of
HUNG = 120                              # seconds by the clock, on a machine that may do other things
Change = Callable[[bytes], bytes]


def blind(data: bytes, rng: random.Random) -> bytes:
    """The file with one to nine changes, half of them near its start."""
    out = bytearray(data or b"x")
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


def inside(data: bytes, change: Change, rng: random.Random) -> bytes:
    """The file changed below its own checks: one member of an archive, the header of a .safetensors with its length
    put right; any other, and one time in three, the bytes as they are."""
    if rng.random() < 0.35:
        return change(data)
    if data[:2] == b"PK":
        try:
            return _packed_again(data, change, rng)
        except Exception:                       # not as an archive
            return change(data)
    if data[8:9] == b"{":
        length = int.from_bytes(data[:8], "little")
        head = change(data[8:8 + length])
        return len(head).to_bytes(8, "little") + head + data[8 + length:]
    return change(data)


def _packed_again(data: bytes, change: Change, rng: random.Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(entry, archive.read(entry)) for entry in archive.infolist()]
    held, chosen = io.BytesIO(), rng.randrange(max(len(members), 1))
    with zipfile.ZipFile(held, "w") as archive:
        for i, (entry, value) in enumerate(members):
            new = zipfile.ZipInfo(entry.filename)               # of 1980, so that a seed makes the same files again
            new.compress_type = entry.compress_type if entry.compress_type in (0, 8) else 0
            archive.writestr(new, change(value) if i == chosen else value)
    return held.getvalue()


def fault(path: pathlib.Path, check_file: Callable[..., object]) -> str | None:
    """What is wrong with how a file was answered."""
    from initcore import errors
    start = time.process_time()
    try:
        report = check_file(path, partial=True)
        shown = "".join(map(str, (report, report.to_json(), report.to_sarif()))).replace("\n", "")
        if not shown.isprintable():
            return "a report that is not printable"
    except errors.InitcoreError as error:
        if not str(error).isprintable():
            return f"no printable sentence: {str(error)!r}"
    except Exception:
        return traceback.format_exc(limit=-4)
    return "slow" if time.process_time() - start > SECONDS else None


class Trial:
    """Files of one format tried one after the other; each kind of fault is kept once."""

    def __init__(self, kind: str, folder: pathlib.Path) -> None:
        if atheris is not None:
            with atheris.instrument_imports(include=["initcore", "zipfile", "json"]):
                from initcore.files import check_file
        else:
            from initcore.files import check_file
        self.check_file, self.tried, self.seen = check_file, 0, set()
        self.path, self.kept = folder / f"last.{kind}", folder / "kept"
        self.kept.mkdir()

    def __call__(self, data: bytes) -> None:
        self.path.write_bytes(data)
        self.tried += 1
        wrong = fault(self.path, self.check_file)
        mark = re.sub(r"[\d'\"].*", "", wrong.strip().splitlines()[-1]) if wrong else ""
        if wrong and mark not in self.seen and len(self.seen) < 50:
            self.seen.add(mark)
            keep = self.kept / f"{len(self.seen)}.{self.path.name.removeprefix('last.')}"
            keep.write_bytes(data)
            print(f"FAULT {keep}\n{wrong}", flush=True)
        if self.tried % 50 == 0:
            (self.path.parent / "tried").write_text(str(self.tried))

    def cost(self, data: bytes) -> float:
        """Seconds of processor time that a file takes."""
        start = time.process_time()
        self(data)
        return time.process_time() - start


def seeds(kind: str) -> list[bytes]:
    """Files to start from: the valid one and the broken ones of a format."""
    found = [data for name, data in file_corpus.corpus() if name.endswith(f".{kind}") and len(data) <= LONGEST]
    return [data for suffix, data in file_corpus.valid().items() if suffix.endswith(kind)] + found


def child(kind: str, folder: pathlib.Path, seconds: float, most: int, seed: int) -> None:
    """Try files of a format for so long, or so many. libFuzzer ends the process itself."""
    trial = Trial(kind, folder)
    starts = [data for data in seeds(kind) if trial.cost(data) < QUICK]
    if atheris is None:
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
        rng, end = random.Random(seed), time.time() + seconds
        while time.time() < end and trial.tried < most:
            signal.alarm(HUNG)
            trial(inside(rng.choice(starts), lambda data: blind(data, rng), rng))
        (folder / "tried").write_text(str(trial.tried))
        return
    corpus = folder / "corpus"
    corpus.mkdir()
    for i, data in enumerate(starts):
        (corpus / str(i)).write_bytes(data)

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        out = inside(data, lambda part: atheris.Mutate(part, max(len(part) + 64, 256)), rng)
        return out if len(out) <= most else data[:most]

    atheris.Setup([sys.argv[0], f"-max_total_time={round(seconds)}", f"-runs={most}", f"-seed={seed + 1}",
                   f"-timeout={HUNG}", f"-rss_limit_mb={MEGABYTES}", f"-max_len={LONGEST}",
                   f"-report_slow_units={HUNG}", f"-artifact_prefix={folder}/kept/", str(corpus)], trial,
                  custom_mutator=mutate)
    atheris.Fuzz()


def formats() -> list[str]:
    """Endings of which there is a valid file here."""
    return sorted({suffix.rpartition(".")[2] for suffix in file_corpus.valid()})


def processor() -> float:
    """Seconds of processor time of all children so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def run(kind: str, seconds: float, most: int, seed: int) -> dict[str, object]:
    """Fuzz one format in a process of its own; what came of it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"initcore-fuzz-{kind}-"))
    before = processor()
    with (folder / "log").open("w") as log:
        done = subprocess.run([sys.executable, __file__, "--child", str(folder), "--format", kind, "--minutes",
                               str(seconds / 60), "--files", str(most), "--seed", str(seed)],
                              stdout=log, stderr=log, check=False,
                              env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"})
    said = (folder / "log").read_text(errors="replace")
    kept = sorted(map(str, (folder / "kept").glob("*"))) if (folder / "kept").exists() else []
    tried = int((folder / "tried").read_text()) if (folder / "tried").exists() else 0
    covered = re.findall(r"\bcov: (\d+)", said)
    for file in kept or [str(folder / "log")] * (done.returncode != 0):
        print(file)
    print(said[-3000:] if kept or done.returncode else f"{kind}: {tried} files, no fault", flush=True)
    faults = len(kept) or int(done.returncode != 0)
    if not faults:
        shutil.rmtree(folder)
    return {"minutes": round(seconds / 60, 2), "processor_minutes": round((processor() - before) / 60, 2), "seed": seed,
            "files": tried,
            "covered": int(covered[-1]) if covered else None,
            "faults": faults, "guided": atheris is not None}


def main() -> int:
    """Fuzz the formats named; 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for each format")
    parser.add_argument("--files", type=int, default=10**9, help="for each format, at most")
    parser.add_argument("--format", default="all", help=f"all or one of {', '.join(formats())}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("--child", type=pathlib.Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        child(given.format, given.child, 60 * given.minutes, given.files, given.seed)
        return 0
    if atheris is None:
        print("atheris is not here: bytes are changed blindly")
    rows = json.loads(given.record.read_text()) if given.record and given.record.exists() else {}
    faults = 0
    for kind in formats() if given.format == "all" else given.format.split(","):
        rows[kind] = run(kind, 60 * given.minutes, given.files, given.seed)
        faults += int(rows[kind]["faults"])
        if given.record:
            given.record.write_text(json.dumps(rows, indent=1, sort_keys=True) + "\n")
    return int(faults > 0)


if __name__ == "__main__":
    raise SystemExit(main())
