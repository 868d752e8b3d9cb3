"""Interleaved timing: ours and every rival in turn, at least 20 rounds, in one process; minima compared.

Where one thread computes the clock is its CPU time, which a busy machine disturbs least; with several, for whoever
computes in a pool of its own (POOLED), and for files and processes, it is the wall's.
Threads beside other libraries': threads.py.

For single-threaded cases the process is pinned to one CPU while it is timed, so that a rival's thread
pool, whatever it was told, has one core; NumPy's BLAS and torch are also told so.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ._case import CASES, Case

PARTS = sorted(p.stem for p in (Path(__file__).parent / "cases").glob("[!_]*.py"))


def load() -> list[Case]:
    """Every registered case."""
    for part in PARTS:
        importlib.import_module(f"{__package__}.cases.{part}")
    return CASES


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    """Run with n threads for everybody."""
    with contextlib.ExitStack() as stack:
        if "torch" in sys.modules:
            torch = sys.modules["torch"]
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(n)
        with contextlib.suppress(ImportError):
            import threadpoolctl
            stack.enter_context(threadpoolctl.threadpool_limits(n))
        if hasattr(os, "sched_setaffinity"):
            cpus = os.sched_getaffinity(0)
            stack.callback(_pin, cpus)
            _pin(set(sorted(cpus)[-n:]))
        yield


def _pin(cpus: set[int]) -> None:
    """Bind every thread of the process, also those a rival's pool (XLA's above all) started long ago."""
    tasks = Path("/proc/self/task")
    for tid in [int(p.name) for p in tasks.iterdir()] if tasks.exists() else [0]:
        with contextlib.suppress(ProcessLookupError):            # a thread that has ended meanwhile
            os.sched_setaffinity(tid, cpus)


POOLED = ("jax", "dask")
COMPUTING = ("product", "dense layer", "training step", "elementwise", "random", "initialisers", "signals")


def _clock(case: Case, label: str) -> Callable[[], float]:
    """What times this side."""
    if case.group not in COMPUTING or case.threads > 1 or label in POOLED or not hasattr(time, "thread_time"):
        return time.perf_counter
    return time.thread_time


def _loops(call: Callable[[], Any], least: float = 1e-3) -> int:
    """How often to repeat a call inside one timing, so that what the rival before it left cold is a small part."""
    n = 1
    while True:
        took = float("inf")
        for _ in range(3):                           # the least of three: one slow start is not how long a call takes
            start = time.perf_counter()
            for _ in range(n):
                call()
            took = min(took, time.perf_counter() - start)
        if took >= least or n >= 1 << 20:
            return n
        n = max(n * 2, int(n * least / max(took, 1e-9)))


def measure(case: Case, budget: float = 6.0) -> dict[str, Any]:
    """Seconds per call (minimum over rounds) of ours and each rival, and the ratios to the targets."""
    case.prepare()
    assert case.ours is not None
    calls: dict[str, Callable[[], Any]] = {"initcore": case.ours, **case.rivals}
    with threads(case.threads):
        for call in calls.values():
            call()                                   # warm: jit, page faults, lazy pools
        loops = {k: _loops(v) for k, v in calls.items()}
        best = dict.fromkeys(calls, float("inf"))
        end = time.perf_counter() + budget
        for done in range(case.rounds):
            for label, call in calls.items():
                n = loops[label]
                clock = _clock(case, label)
                start = clock()
                for _ in range(n):
                    call()
                best[label] = min(best[label], (clock() - start) / n)
            if done >= case.rounds - 1 or (done >= 19 and time.perf_counter() > end):
                break
    rows = []
    for key, wanted in (case.target or dict.fromkeys(case.rivals, 0.0)).items():
        present = [label for label in key.split("|") if label in best]
        if not present:
            reason = "; ".join(f"{m} missing" for m in case.missing) or "not here"
            rows.append({"rival": key, "target": wanted, "ratio": None, "why": reason})
            continue
        label = min(present, key=lambda name: best[name])
        ratio = best["initcore"] / best[label] if case.at_most else best[label] / best["initcore"]
        met = ratio <= wanted if case.at_most else ratio >= wanted
        rows.append({"rival": label, "target": wanted, "ratio": ratio, "met": met})
    result = {"group": case.group, "case": case.name, "threads": case.threads, "at_most": case.at_most,
              "seconds": best, "rows": rows, "missing": case.missing, "correct": True}
    case.ours = case.check = None                    # free the data before the next case
    case.rivals = {}
    return result


def machine() -> dict[str, Any]:
    """What ran: CPU, versions, instruction sets, BLAS kernel."""
    import numpy as np

    import initcore
    info: dict[str, Any] = {"python": platform.python_version(), "numpy": np.__version__,
                            "initcore": initcore.__version__, "initcore_isa": initcore.kernels.isa,
                            "compiler": initcore.kernels.build_info()["compiler"], "cpus": os.cpu_count()}
    with contextlib.suppress(OSError):
        text = Path("/proc/cpuinfo").read_text()
        info["cpu"] = next((line.split(":", 1)[1].strip() for line in text.splitlines() if "model name" in line), "")
        info["avx512"] = " avx512f" in text
    for name in ("torch", "jax", "scipy", "threadpoolctl"):
        module = sys.modules.get(name)
        info[name] = getattr(module, "__version__", None)
    with contextlib.suppress(ImportError):
        import threadpoolctl
        info["blas"] = [f"{p.get('internal_api')} {p.get('version')} {p.get('architecture')}"
                        for p in threadpoolctl.threadpool_info() if p.get("user_api") == "blas"]
    return info
