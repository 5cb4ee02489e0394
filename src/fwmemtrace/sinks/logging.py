"""Sends records to the standard library's logging."""

from __future__ import annotations

import logging

from ..records import CaptureChunk, Note, Record, Sample
from ..values import fitted
from .jsonl import as_json_object


class LoggingSink:
    """Logs each record: notes as warnings, samples of the timeline at DEBUG, all others at `level`.

    The fields are in the message, and as a dict in the log record's attribute `fwmemtrace` for structured handlers.

    Args:
        logger: the logger or its name.
        level: a level of `logging`.
    """

    def __init__(self, logger: str | logging.Logger = "fwmemtrace", level: int = logging.INFO) -> None:
        self._logger = logging.getLogger(logger) if isinstance(logger, str) else logger
        self._level = level

    def write(self, record: Record) -> None:
        if isinstance(record, CaptureChunk):
            return
        level = logging.WARNING if isinstance(record, Note) else self._level
        if isinstance(record, Sample):
            level = logging.DEBUG
        if self._logger.isEnabledFor(level):
            fields = as_json_object(record)
            words = " ".join(f"{name}={_one_line(value)}" for name, value in fields.items() if name != "record")
            self._logger.log(level, "%s %s", fields["record"], words, extra={"fwmemtrace": fields})


def _one_line(value: object) -> str:
    """Return a value as text that cannot pass for a line of the log."""
    try:
        text = str(value)
    except Exception:  # an integer with more digits than Python writes
        text = str(fitted(value))
    return text if text.isprintable() else repr(text)
