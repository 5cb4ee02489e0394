"""How the documentation site is built: `tox -e docs`.

Sphinx with MyST reads the Markdown pages as they are, and imports the modules to document them. The theme furo brings
its styles and search along: neither the build nor a reader needs the network. mkdocs-material would do the same, but
it is only maintained, no longer developed.
"""

from __future__ import annotations

import os
import re
from typing import Any
from urllib.parse import unquote

from sphinx.application import Sphinx

import fwmemtrace

REPOSITORY = "https://github.com/fwmemtrace/fwmemtrace/blob/main"

project = "fwmemtrace"
author = "the fwmemtrace authors"
version = release = fwmemtrace.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]
source_suffix = {".md": "markdown"}
suppress_warnings = ["myst.header"]  # a page may skip a level of headings
myst_heading_anchors = 4  # as the repository's page makes them, for links to #headings
highlight_language = "default"
default_role = "code"  # single backticks in docstrings
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
napoleon_use_ivar = True

html_theme = "furo"
html_title = f"fwmemtrace {release}"
html_static_path = ["site"]
html_css_files = ["site.css"]
html_extra_path = ["report.schema.json"]
html_copy_source = html_show_sourcelink = False
html_show_sphinx = False
html_theme_options: dict[str, Any] = {
    "source_repository": "https://github.com/fwmemtrace/fwmemtrace/",
    "source_branch": "main",
    "source_directory": "docs/",
    "top_of_page_buttons": [],
    "light_css_variables": {"color-brand-primary": "#1f6f78", "color-brand-content": "#1f6f78"},
    "dark_css_variables": {"color-brand-primary": "#6fc3cd", "color-brand-content": "#6fc3cd"},
}


def _link_to_the_repository(app: Sphinx, page: str, source: list[str]) -> None:
    """Point links that leave docs/ to the repository, where they lead on its page too; they must exist."""

    def target(match: re.Match[str]) -> str:
        path = unquote(match[1].partition("#")[0])
        if not os.path.exists(os.path.join(app.srcdir, path)):
            return match[0]  # Sphinx reports it as broken
        return f"]({REPOSITORY}/{match[1].removeprefix('../')})"

    source[0] = re.sub(r"\]\((\.\./[^)]*)\)", target, source[0])


def _mark_code(app: Sphinx, what: str, name: str, thing: object, options: object, lines: list[str]) -> None:
    """Make an indented block of a docstring a block of code: behind a blank line, it is no part of a section's list."""
    code = [
        number
        for number, line in enumerate(lines)
        if number > 1 and line.startswith("    ") and not lines[number - 1] and lines[number - 2][:1].strip()
    ]
    for number in reversed(code):
        lines[number:number] = ["::", ""]


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _link_to_the_repository)
    app.connect("autodoc-process-docstring", _mark_code, priority=400)  # before napoleon, which is at 500
