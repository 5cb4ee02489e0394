"""The current phase and its memory in every line of a log: for the standard library's logging, and for structlog."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from ..system.meters import open_meter
from ..tracing.span import open_spans
from .bounded_paths import label_of

__all__ = ["MemoryFilter", "add_memory"]

_rss = open_meter(exact_peak=False).rss


class MemoryFilter(logging.Filter):
    """Gives log records the attributes `phase`, its path or "", and `rss_bytes`. Add it to a handler.

    handler.addFilter(MemoryFilter())
    handler.setFormatter(logging.Formatter("%(phase)s %(rss_bytes)d %(message)s"))
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Add the attributes; never drops a record."""
        record.phase, record.rss_bytes = _phase(), _rss()
        return True


def add_memory(logger: Any, method_name: str, event_dict: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Add `phase` and `rss_bytes` to an event: `structlog.configure(processors=[add_memory, ...])`."""
    event_dict["phase"] = _phase()
    event_dict["rss_bytes"] = _rss()
    return event_dict


def _phase() -> str:
    spans = open_spans()
    return label_of(spans[-1].path) if spans else ""
