"""One file: style, figures and data inside, no address, nothing that runs."""

from __future__ import annotations

import json
import math
import os
import tempfile
from pathlib import Path
from typing import Any

from .html import Html, join, tag
from .style import STYLE

# Nothing is fetched, sent or run, whatever a name might have smuggled past the escaping.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
_DIGITS = 6


def document(title: str, *sections: Any, data: dict[str, Any] | None = None) -> str:
    """A page. ``data`` is embedded as JSON under the id "report", in six digits."""
    head = (tag("meta", charset="utf-8"), tag("meta", http_equiv="Content-Security-Policy", content=POLICY),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", name="color-scheme", content="light dark"), tag("meta", name="referrer", content="no-referrer"),
            tag("title", title), tag("style", Html(STYLE)))
    inside = () if data is None else (embedded(data),)
    return join([Html("<!DOCTYPE html>\n<html lang=\"en\">"), tag("head", *head), "\n",
                 tag("body", tag("main", *sections), *inside), Html("</html>\n")])


def embedded(data: dict[str, Any]) -> Html:
    """The data where no browser runs and no name ends them: every ``<`` and ``&`` is written as its escape."""
    text = json.dumps(rounded(data), separators=(",", ":"), allow_nan=False)
    for c in "<>&":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return tag("script", Html(text), type="application/json", id="report")


def written(text: str, path: Any) -> str:
    """The text, written (UTF-8) to ``path`` unless it is None; a file is replaced whole or stays as it was."""
    if path is not None:
        file = Path(path)
        if file.exists() and not file.is_file():            # a pipe, a device
            file.write_bytes(text.encode())
        else:
            place = file.resolve()
            handle, name = tempfile.mkstemp(dir=place.parent, prefix=".initcore-")
            try:
                with open(handle, "wb") as stream:
                    stream.write(text.encode())
                mask = os.umask(0)
                os.umask(mask)
                os.chmod(name, place.stat().st_mode & 0o777 if place.exists() else 0o666 & ~mask)
                os.replace(name, place)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
    return text


def rounded(value: Any) -> Any:
    """Plain values with numbers in six digits, NaN and infinity as None.

    >>> rounded({"q": [1 / 3, float("inf"), 2]})
    {'q': [0.333333, None, 2]}
    """
    if isinstance(value, dict):
        return {k: rounded(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.{_DIGITS}g}") if math.isfinite(value) else None
    return value
