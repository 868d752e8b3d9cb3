"""Findings as SARIF 2.1.0 (OASIS), for code-scanning pages."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote

from .. import _checks, rules
from .._version import __version__
from ..rules import Finding

_LEVEL = {"fail": "error", "warn": "warning", "info": "note"}


def sarif(findings: Sequence[Finding], uri: str, indent: int | None) -> str:
    """SARIF text of the findings in the file ``uri``."""
    used = sorted({f.rule for f in findings})
    texts = [{"id": r.id, "name": r.title.title().replace(" ", ""), "shortDescription": {"text": r.title},
              "fullDescription": {"text": r.why}, "help": {"text": r.cure},
              "defaultConfiguration": {"level": _LEVEL[r.severity]}} for r in map(rules.get, used)]
    results = []
    for f in findings:
        name = f.tensor or ("network" if f.layer is None else f"layers[{f.layer}]")
        facts = f.to_dict()
        body = f.message + (f" Cause: {f.cause}." if f.cause else "") + (f" Cure: {f.cure}" if f.cure else "")
        results.append({
            "ruleId": f.rule, "ruleIndex": used.index(f.rule), "level": _LEVEL[f.severity],
            "message": {"text": body},
            "locations": [{"physicalLocation": _physical(f, uri),
                           "logicalLocations": [{"fullyQualifiedName": name, "kind": "object"}]}],
            "properties": {k: facts[k] for k in ("measured", "expected", "cause", "layer")}})
    driver = {"name": "initcore", "version": __version__, "semanticVersion": __version__, "rules": texts}
    return json.dumps({"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0",
                       "runs": [{"tool": {"driver": driver}, "results": results,
                                 "columnKind": "unicodeCodePoints"}]}, indent=_checks.indent(indent), allow_nan=False)


def _physical(f: Finding, uri: str) -> dict[str, object]:
    """The user's line where one is known, else the file the weights came from."""
    if f.place is None or not f.place.line:
        return {"artifactLocation": {"uri": uri}}
    return {"artifactLocation": {"uri": _address(f.place.file)}, "region": {"startLine": f.place.line}}


def _address(file: str) -> str:
    """A file as SARIF names it: relative below the working directory, else a file: address."""
    path = Path(file)
    try:
        return quote(path.relative_to(Path.cwd()).as_posix())
    except ValueError:
        return path.as_uri() if path.is_absolute() else quote(path.as_posix())
