"""Findings of an earlier report, to be set aside."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

from ..errors import FileFormatError
from ._report import Report

_LARGEST = 256 << 20        # bytes
_HOW = "write it with report.to_json()"


def fingerprints(baseline: Any) -> set[tuple[Any, ...]]:
    """Fingerprints of a baseline's findings: a Report, its dictionary, the path of its JSON, or None."""
    if baseline is None:
        return set()
    if isinstance(baseline, Report):
        return {f.fingerprint for f in (*baseline.findings, *baseline.suppressed)}
    if isinstance(baseline, (str, os.PathLike)):
        baseline = _read(baseline)
    if not isinstance(baseline, dict) or not isinstance(baseline.get("findings"), list):
        raise FileFormatError(f'baseline holds no report of initcore (no "findings"); {_HOW}.')
    found = [baseline["findings"], baseline.get("suppressed", [])]
    if not all(isinstance(part, list) and all(map(_is_finding, part)) for part in found):
        raise FileFormatError(f"baseline holds findings that initcore did not write; {_HOW}.")
    return {(f.get("rule"), f.get("layer"), f.get("tensor")) for part in found for f in part}


def _is_finding(f: Any) -> bool:
    parts = ("rule", "layer", "tensor")
    return isinstance(f, dict) and all(isinstance(f.get(part), (str, int, type(None))) for part in parts)


def _read(path: Any) -> Any:
    """The JSON document of a regular file of ordinary size."""
    name = os.fspath(path)
    try:
        os.fsencode(name)
        null = "\0" if isinstance(name, str) else b"\0"
        possible = null not in name
    except ValueError:                          # half a surrogate pair
        possible = False
    if not possible:
        raise FileFormatError(f"baseline {name!r} cannot be read: no file can have this name.")
    return _parsed(name)


def _parsed(name: str | bytes) -> Any:
    with open(os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:   # never waits for a pipe
        state = os.fstat(file.fileno())
        if not stat.S_ISREG(state.st_mode):
            raise FileFormatError(f"baseline {name!r} is no file; {_HOW}.")
        if state.st_size > _LARGEST:
            raise FileFormatError(f"baseline {name!r} has {state.st_size >> 20} MB, more than any report; {_HOW}.")
        data = file.read(_LARGEST)
    try:
        return json.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        where = f": {error}" if isinstance(error, json.JSONDecodeError) else ""
        raise FileFormatError(f"baseline is not JSON{where}; {_HOW}.") from None
