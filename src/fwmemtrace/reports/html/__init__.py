"""HTML: a document as a plain page, and a trace as a page of charts that answer each other."""

from __future__ import annotations

from .document import write_html
from .report import HtmlReport

__all__ = ["HtmlReport", "write_html"]
