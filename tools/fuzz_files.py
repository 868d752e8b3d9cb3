"""Fuzz the readers of files: ``python tools/fuzz_files.py --minutes 10 --format safetensors`` (or ``all``, in turn).

With atheris (libFuzzer for Python) mutations are led by the coverage of initcore's own lines; members of archives are
changed inside, so that a checksum hides nothing. Without it bytes are changed blindly. A format has a process of its
own. A fault is anything but a report or one printable sentence, over 5 seconds, over 1 GB, a process that dies; the
files stay in a scratch folder, and exit code 1 says that there are any. ``--record FILE`` notes what was tried.

``--gate`` tries the same files on every machine, fast or slow: so many of each format, made by blind changes from one
seed of the files in tests/data/starts; time counts only where a reader hangs. It keeps what is known; finding what is
not is for the long run.
"""

from __future__ import annotations

import argparse
import hashlib
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
import warnings
import zipfile
from collections.abc import Callable

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "tests" / "oracles"))
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import file_corpus
import fuzz_hdf5

STARTS = pathlib.Path(__file__).parents[1] / "tests" / "data" / "starts"
try:
    import atheris
except ImportError:
    atheris = None

EXTREMES = (b"\xff" * 8, bytes(8), b"\x7f" * 8, b"\x01" + bytes(7))
LONGEST = 1 << 14                       # bytes of a mutated file
SECONDS, MEGABYTES = 5, 1024            # of processor time and memory, what a file may take
QUICK = 0.1                             # seconds of a file that others are made of
HUNG = 120                              # seconds by the clock, on a machine that may do other things
GATE, GATE_SLOW, GATE_HUNG = 500, {"h5": 60, "keras": 60}, 900     # files; where each starts a process; seconds
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


def inside(data: bytes, change: Change, rng: random.Random, stored: bool = False) -> bytes:
    """The file changed below its own checks: one member of an archive, the header of a .safetensors with its length
    put right; any other, and one time in three, the bytes as they are. stored : compress nothing, since what comes
    of it depends on zlib."""
    if rng.random() < 0.35:
        return change(data)
    if data[:2] == b"PK":
        try:
            return _packed_again(data, change, rng, (0,) if stored else (0, 8))
        except Exception:                       # not as an archive
            return change(data)
    if data[8:9] == b"{":
        length = int.from_bytes(data[:8], "little")
        head = change(data[8:8 + length])
        return len(head).to_bytes(8, "little") + head + data[8 + length:]
    return change(data)


def _packed_again(data: bytes, change: Change, rng: random.Random, kept: tuple[int, ...]) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(entry, archive.read(entry)) for entry in archive.infolist()]
    held, chosen = io.BytesIO(), rng.randrange(max(len(members), 1))
    with zipfile.ZipFile(held, "w") as archive:
        for i, (entry, value) in enumerate(members):
            new = zipfile.ZipInfo(entry.filename)               # of 1980, so that a seed makes the same files again
            new.compress_type = entry.compress_type if entry.compress_type in kept else 0
            archive.writestr(new, change(value) if i == chosen else value)
    return held.getvalue()


def fault(path: pathlib.Path, check_file: Callable[..., object], seconds: float = SECONDS) -> str | None:
    """What is wrong with how a file was answered."""
    from initcore import errors
    start = time.process_time()
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
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
    if heard:
        return f"a warning of somebody else's: {heard[0].message!r}"
    return "slow" if time.process_time() - start > seconds else None


class Trial:
    """Files of one format tried one after the other; each kind of fault is kept once."""

    def __init__(self, kind: str, folder: pathlib.Path, guided: bool, seconds: float = SECONDS) -> None:
        if guided:
            with atheris.instrument_imports(include=["initcore", "zipfile", "json"]):
                from initcore.files import check_file
        else:
            from initcore.files import check_file
        self.check_file, self.seconds, self.tried, self.seen = check_file, seconds, 0, set()
        self.digest = hashlib.sha256()
        self.path, self.kept = folder / f"last.{kind}", folder / "kept"
        self.kept.mkdir()

    def __call__(self, data: bytes) -> None:
        self.path.write_bytes(data)
        self.tried += 1
        self.digest.update(hashlib.sha256(data).digest())
        wrong = fault(self.path, self.check_file, self.seconds)
        mark = re.sub(r"[\d'\"].*", "", wrong.strip().splitlines()[-1]) if wrong else ""
        if wrong and mark not in self.seen and len(self.seen) < 50:
            self.seen.add(mark)
            keep = self.kept / f"{len(self.seen)}.{self.path.name.removeprefix('last.')}"
            keep.write_bytes(data)
            print(f"FAULT {keep}\n{wrong}", flush=True)
        if self.tried % 50 == 0:
            self.count()

    def count(self) -> None:
        """Note how many files there were, and what identifies them all in their order."""
        (self.path.parent / "tried").write_text(f"{self.tried} {self.digest.hexdigest()[:16]}")

    def cost(self, data: bytes) -> float:
        """Seconds of processor time that a file takes."""
        start = time.process_time()
        self(data)
        return time.process_time() - start


def seeds(kind: str) -> list[bytes]:
    """Files to start from: the valid one and the broken ones of a format."""
    found = [data for name, data in file_corpus.corpus() if name.endswith(f".{kind}") and len(data) <= LONGEST]
    return [data for suffix, data in file_corpus.valid().items() if suffix.endswith(kind)] + found


def known(kind: str) -> list[bytes]:
    """The files of the gate: written once and kept, since libraries and clocks leave their marks in new ones."""
    return [path.read_bytes() for path in sorted(STARTS.glob(f"net.*{kind}")) if path.name.endswith(f".{kind}")]


def blindly(trial: Trial, starts: list[bytes], most: int, seed: int, *, end: float = float("inf"),
            hung: int = HUNG, stored: bool = False) -> None:
    """Try files made of others by blind changes: so many, or until the clock says ``end``."""
    resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))
    rng = random.Random(seed)
    while trial.tried < most and time.time() < end:
        signal.alarm(hung)
        trial(inside(rng.choice(starts), lambda data: blind(data, rng), rng, stored))
    trial.count()


def gate(kind: str, folder: pathlib.Path, most: int, seed: int) -> None:
    """Try the files that are the same everywhere."""
    blindly(Trial(kind, folder, guided=False, seconds=GATE_HUNG), known(kind), most, seed, hung=GATE_HUNG,
            stored=True)


def _quick(usual: type[subprocess.Popen[bytes]], source: fuzz_hdf5.Source) -> Callable[..., object]:
    """Starts the processes of HDF5's library by a fork, any other as usual."""
    def start(command: list[str], **how: object) -> object:
        return source() if command[-1].endswith("_hdf5_process.py") else usual(command, **how)
    return start


def child(kind: str, folder: pathlib.Path, seconds: float, most: int, seed: int) -> None:
    """Try files of a format for so long, or so many. libFuzzer ends the process itself."""
    trial = Trial(kind, folder, guided=atheris is not None)
    if kind in GATE_SLOW:
        subprocess.Popen = _quick(subprocess.Popen, fuzz_hdf5.Source())
    starts = [data for data in seeds(kind) if trial.cost(data) < QUICK]
    if atheris is None:
        blindly(trial, starts, most, seed, end=time.time() + seconds)
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


def run(kind: str, seconds: float, most: int, seed: int, gated: bool = False) -> dict[str, object]:
    """Fuzz one format in a process of its own; what came of it."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix=f"initcore-fuzz-{kind}-"))
    before = processor()
    with (folder / "log").open("w") as log:
        done = subprocess.run([sys.executable, __file__, "--child", str(folder), "--format", kind, "--minutes",
                               str(seconds / 60), "--files", str(most), "--seed", str(seed), *["--gate"] * gated],
                              stdout=log, stderr=log, check=False,
                              env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "0"})
    said = (folder / "log").read_text(errors="replace")
    kept = sorted(map(str, (folder / "kept").glob("*"))) if (folder / "kept").exists() else []
    tried, digest = (folder / "tried").read_text().split() if (folder / "tried").exists() else ("0", "")
    covered = re.findall(r"\bcov: (\d+)", said)
    short = gated and int(tried) != most
    for file in kept or [str(folder / "log")] * (done.returncode != 0 or short):
        print(file)
    faults = len(kept) or int(done.returncode != 0 or short)
    print(said[-3000:] if faults else f"{kind}: {tried} files ({digest}), no fault", flush=True)
    if not faults:
        shutil.rmtree(folder)
    return {"minutes": round(seconds / 60, 2), "processor_minutes": round((processor() - before) / 60, 2), "seed": seed,
            "files": int(tried),
            "covered": int(covered[-1]) if covered else None,
            "faults": faults, "guided": atheris is not None and not gated}


def gates() -> int:
    """Try what is the same on every machine; how many faults there were."""
    kinds = sorted({path.suffix[1:] for path in STARTS.iterdir()})
    return sum(int(run(kind, 0.0, GATE_SLOW.get(kind, GATE), 0, gated=True)["faults"]) for kind in kinds)


def main() -> int:
    """Fuzz the formats named; 1 where there was a fault."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0, help="for each format")
    parser.add_argument("--files", type=int, default=10**9, help="for each format, at most")
    parser.add_argument("--format", default="all", help=f"all or one of {', '.join(formats())}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--gate", action="store_true", help="the same files on every machine, of every format")
    parser.add_argument("--record", type=pathlib.Path)
    parser.add_argument("--child", type=pathlib.Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None and given.gate:
        gate(given.format, given.child, given.files, given.seed)
        return 0
    if given.child is not None:
        child(given.format, given.child, 60 * given.minutes, given.files, given.seed)
        return 0
    if given.gate:
        return int(gates() > 0)
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
