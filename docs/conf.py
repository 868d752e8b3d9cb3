"""Sphinx: MyST pages, numpydoc docstrings. Built with `make docs`, warnings as errors."""

from initcore import __version__

project = "initcore"
author = "The initcore developers"
release = version = __version__
extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.intersphinx"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "initcore"
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
