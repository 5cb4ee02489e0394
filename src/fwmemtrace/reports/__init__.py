"""Reports: results as text, markdown, HTML or JSON.

A report is a class with a method `render`; see `Report`. It can put sections of its own beside the built-in ones: see
`document_of`, and the blocks and typed values of sections. All of it is loaded when it is used.
"""

from __future__ import annotations

from ..lazy import load_when_used

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .base import DetailedReport, Options, Report, TraceReport
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
else:
    __getattr__, __dir__ = load_when_used(
        __name__,
        {
            "base": ("DetailedReport", "Options", "Report", "TraceReport"),
            "blocks": (
                "Bytes",
                "Chart",
                "Code",
                "Column",
                "Command",
                "Count",
                "Document",
                "Duration",
                "Guide",
                "Listing",
                "Percent",
                "Prose",
                "Range",
                "Ratio",
                "Section",
                "Table",
            ),
            "document": ("document_of",),
            "html": ("HtmlReport", "write_html"),
            "json": ("JsonReport",),
            "markdown": ("MarkdownReport", "write_markdown"),
            "terminal": ("TerminalReport", "write_text"),
        },
    )

__all__ = [
    "Bytes",
    "Chart",
    "Code",
    "Column",
    "Command",
    "Count",
    "DetailedReport",
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
