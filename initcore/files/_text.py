"""Words out of files: nothing that a file calls a thing may steer a terminal, no document may exhaust the reader."""

from __future__ import annotations

import json
from typing import Any

from .._page.html import shown as shown
from .._page.html import shown_name as shown_name
from ..errors import FileFormatError

_DEEPEST = 200              # levels of a document; a checkpoint's own are under 20


def parse_json(data: bytes, source: str, *, what: str = "JSON") -> Any:
    """The document in ``data`` (UTF-8); FileFormatError where it is none, is nested deeply or repeats a key."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileFormatError(f"{source}: its {what} is not UTF-8 (byte {error.start}); the file is damaged.") from None
    if _depth(text) > _DEEPEST:
        raise FileFormatError(f"{source}: its {what} is nested more than {_DEEPEST} levels deep; no library writes "
                              "this.")
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_no_constant)
    except _Repeated as error:
        raise FileFormatError(f"{source}: its {what} has the key {str(error)!r} twice; the file is damaged.") from None
    except (ValueError, RecursionError) as error:
        where = f" (line {error.lineno}, column {error.colno})" if isinstance(error, json.JSONDecodeError) else ""
        raise FileFormatError(f"{source}: its {what} cannot be read{where}; the file is damaged.") from None


class _Repeated(Exception):
    pass


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    out = dict(pairs)
    if len(out) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Repeated(key)
            seen.add(key)
    return out


def _no_constant(word: str) -> float:
    return float(word.replace("Infinity", "inf"))


def _depth(text: str) -> int:
    """Brackets open at once, at most; brackets in strings count too, which errs on the safe side only for nonsense."""
    level = deepest = 0
    for part in text.split('"')[::2]:            # what stands between quotes, as far as a glance can tell
        if "[" in part or "{" in part:
            for c in part:
                if c in "[{":
                    level += 1
                    deepest = max(deepest, level)
                elif c in "]}":
                    level -= 1
        else:
            level -= part.count("]") + part.count("}")
    return deepest
