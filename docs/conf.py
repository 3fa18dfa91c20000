"""Sphinx settings."""

project = "Veilmatch"
author = "The Veilmatch engineers"
extensions = ["myst_parser"]
source_suffix = {".md": "markdown"}
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "Veilmatch"
myst_heading_anchors = 3
# Links that leave docs/ (README, spec) are for readers of the repository.
suppress_warnings = ["myst.xref_missing"]
