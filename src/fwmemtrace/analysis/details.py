"""Analyses one process for a page: single calls, readings over time, marks and levels."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from .. import results
from ..records import Record
from .call_levels import CallLevelsFold
from .calls import CallsFold
from .marks import MarksFold
from .process_fold import ProcessFold
from .readings import ReadingsFold


class CaptureDetails(NamedTuple):
    """What a page shows of a capture beyond the report.

    Attributes:
        levels: the live bytes at the ends of calls.
        tree: the largest stacks.
    """

    levels: CallLevelsFold
    tree: results.StackTree


class DetailsAnalysis:
    """Analyses the records of one process.

    Args:
        pid: of the process.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._calls, self._readings, self._marks = CallsFold(), ReadingsFold(), MarksFold()
        self._levels = CallLevelsFold()
        self._process = ProcessFold([self._calls, self._readings, self._marks, self._levels])

    def read(self, records: Iterable[Record]) -> None:
        """Add records, in the order in which the process wrote them."""
        self._process.read(records)

    def result(
        self,
        origin_ns: int,
        native: CaptureDetails | None = None,
        sampled: results.StackTree | None = None,
    ) -> results.ProcessDetails:
        """Return what is known so far.

        Args:
            origin_ns: the moment that counts as 0, by the monotonic clock.
            native: what the process's capture says.
            sampled: the stacks of its sampled heap.
        """
        if native is not None:
            self._levels.include(native.levels)
        paths, calls = self._calls.result(origin_ns)
        return results.ProcessDetails(
            pid=self.pid,
            paths=paths,
            calls=calls,
            marks=self._marks.result(origin_ns),
            levels=self._levels.result(),
            readings=self._readings.result(origin_ns),
            native=None if native is None else native.tree,
            sampled=sampled,
        )
