"""Collects the figures of each test from the records of the session."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from ...records import ModuleImport, PhaseBegin, PhaseEnd, Record, SessionBegin, SessionEnd

# Names of a test's figures among its properties: in JUnit XML, and from a worker of pytest-xdist to its controller.
CHANGE, PEAK, IMPORTED = FIGURES = (
    "fwmemtrace_rss_change_bytes",
    "fwmemtrace_peak_bytes",
    "fwmemtrace_imports_bytes",
)
SETUP = "fwmemtrace_setup_change_bytes"  # what its fixtures added to RSS
OF_LIMIT = "fwmemtrace_percent_of_limit"  # of the limit that it comes closest to


class Total(NamedTuple):
    """The RSS of a process that ran tests, in bytes, and its trace."""

    start: int
    end: int
    peak: int
    path: str | None
    worker: str  # of pytest-xdist, such as "gw0"; "" without


TOTAL = "fwmemtrace"  # the key of a worker's total in what it sends to its controller
TOTALS = pytest.StashKey[list[Total]]()


class StageFigures(NamedTuple):
    """What one stage of a test (setup, call, teardown) did to RSS, in bytes."""

    before: int
    change: int
    peak: int  # above `before`
    imported: int  # by modules that were imported for the first time


class _Span:
    __slots__ = ("before", "imported", "parent")

    def __init__(self, parent: int, before: int) -> None:
        self.parent = parent
        self.before = before
        self.imported = 0


class FiguresSink:
    """A sink that keeps the figures of the phase that ended last; a test's are read right when it has ended.

    Attributes:
        latest: the figures of the phase that ended last.
        start_bytes: RSS when the session began.
        end_bytes: RSS when it ended.
        peak_bytes: the highest RSS of the session.
    """

    def __init__(self) -> None:
        self._open: dict[int, _Span] = {}
        self.latest: StageFigures | None = None
        self.start_bytes = self.end_bytes = self.peak_bytes = 0

    def take_latest(self) -> StageFigures | None:
        """Return the figures of the phase that ended last, once."""
        latest, self.latest = self.latest, None
        return latest

    def write(self, record: Record) -> None:
        if isinstance(record, PhaseBegin):
            self._open[record.span] = _Span(record.parent, record.rss_bytes)
        elif isinstance(record, PhaseEnd):
            span = self._open.pop(record.span, None)
            if span is not None:
                peak = record.peak_rss_bytes - span.before
                self.latest = StageFigures(span.before, record.rss_bytes - span.before, max(peak, 0), span.imported)
        elif isinstance(record, ModuleImport):
            self._imported(record.span, record.own_bytes)
        elif isinstance(record, SessionBegin):
            self.start_bytes = record.rss_bytes
        elif isinstance(record, SessionEnd):
            self.end_bytes, self.peak_bytes = record.rss_bytes, record.peak_rss_bytes

    def after_fork(self, pid: int) -> None:
        """Forget the parent's figures."""
        self._open = {}
        self.latest = None

    def _imported(self, span: int, size: int) -> None:
        while span in self._open:
            self._open[span].imported += size
            span = self._open[span].parent
