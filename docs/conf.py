"""Sphinx: MyST pages, numpydoc docstrings. Built with `make docs`, warnings as errors."""

import os
import re
import sys
from pathlib import Path
from typing import Any

from initcore import __version__

os.environ.setdefault("KERAS_BACKEND", "torch")         # Keras would look for TensorFlow
project = "initcore"
author = "The initcore developers"
release = version = __version__
sys.path.insert(0, str(Path(__file__).parent / "_ext"))
extensions = ["drawn", "myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.intersphinx"]
exclude_patterns = ["_build", "_templates", "_ext"]
nb_execution_mode = "force"                 # the notebook holds no outputs: they are made here
nb_execution_raise_on_error = True
nb_execution_timeout = 120
templates_path = ["_templates"]
html_theme = "furo"
html_title = "initcore"
html_show_copyright = False
html_copy_source = html_show_sourcelink = False
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 4
autosummary_generate = True
autodoc_typehints = "none"                  # the docstrings give shapes and units; signatures keep the hints
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
intersphinx_mapping: dict[str, tuple[str, None]] = {}      # nothing is fetched
nitpicky = False


_LISTS = ("Parameters", "Attributes", "Returns")
_ENTRY = re.compile(r"([\w*][\w*, .`]*?) : (.*)")


def of_a_room(lines: list[str]) -> list[str]:
    """A room's docstring, which is no page of its own: headings as rubrics, entries as definitions."""
    made: list[str] = []
    listed = False
    for line, follows in zip(lines, [*lines[1:], ""]):
        entry = _ENTRY.fullmatch(line) if listed else None
        if line and follows == "-" * len(line):
            listed = True
            made += [f".. rubric:: {line}", ""]
        elif not (line and set(line) == {"-"} and listed):
            made += [f"``{entry[1]}``", f"    {entry[2]}"] if entry else [line]
    return made


def in_sections(app: Any, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Put a docstring of ours into numpydoc's sections: what follows a list is notes or examples, and an entry's text
    stands in one place."""
    if what == "module":
        lines[:] = of_a_room(lines)
        return
    section, made, used = "", [], set(lines)
    for i, line in enumerate(lines):
        follows = lines[i + 1] if i + 1 < len(lines) else ""
        if line and follows == "-" * len(line):
            section = line
        elif section and line and not line[0].isspace() and i and not lines[i - 1].strip():
            heading = "Examples" if line.startswith(">>>") else "" if _ENTRY.match(line) else "Notes"
            if heading and heading not in used and set(line) != {"-"}:
                section = heading
                used.add(heading)
                made += [heading, "-" * len(heading)]
        entry = _ENTRY.fullmatch(line) if section in _LISTS else None
        made += [entry[1], f"    {entry[2]}"] if entry else [line]
    lines[:] = made


def setup(app: Any) -> None:
    """Before numpydoc, whose own reading has priority 500."""
    app.connect("autodoc-process-docstring", in_sections, priority=400)
