"""Reports: results as text, markdown, HTML or JSON.

A report is a class with a method `render`; see `Report`. It can put sections of its own beside the built-in ones: see
`document_of`, and the blocks and typed values that sections are made of. All of it is loaded when it is used.
"""

from __future__ import annotations

import sys as _sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .base import Options, Report, TraceReport
    from .blocks import (
        Bytes,
        Chart,
        Code,
        Column,
        Command,
        Count,
        Document,
        Duration,
        Guide,
        Listing,
        Percent,
        Prose,
        Range,
        Ratio,
        Section,
        Table,
    )
    from .document import document_of
    from .html import HtmlReport, write_html
    from .json import JsonReport
    from .markdown import MarkdownReport, write_markdown
    from .terminal import TerminalReport, write_text

__all__ = [
    "Bytes",
    "Chart",
    "Code",
    "Column",
    "Command",
    "Count",
    "Document",
    "Duration",
    "Guide",
    "HtmlReport",
    "JsonReport",
    "Listing",
    "MarkdownReport",
    "Options",
    "Percent",
    "Prose",
    "Range",
    "Ratio",
    "Report",
    "Section",
    "Table",
    "TerminalReport",
    "TraceReport",
    "document_of",
    "write_html",
    "write_markdown",
    "write_text",
]

_MODULES = {
    "HtmlReport": "html",
    "JsonReport": "json",
    "MarkdownReport": "markdown",
    "Options": "base",
    "Report": "base",
    "TerminalReport": "terminal",
    "TraceReport": "base",
    "document_of": "document",
    "write_html": "html",
    "write_markdown": "markdown",
    "write_text": "terminal",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = f"{__name__}.{_MODULES.get(name, 'blocks')}"
    __import__(module)
    return getattr(_sys.modules[module], name)


def __dir__() -> list[str]:
    return sorted(__all__)
