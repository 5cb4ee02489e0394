"""Every format that a document can be written in."""

from __future__ import annotations

from collections.abc import Callable

from .base import Options
from .blocks import Document
from .html import write_html
from .markdown import write_markdown
from .terminal import write_text

FORMATS: dict[str, Callable[[Document, Options], str]] = {
    "text": write_text,
    "markdown": lambda document, options: write_markdown(document),
    "html": lambda document, options: write_html(document),
}
