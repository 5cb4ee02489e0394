"""Sentry: a breadcrumb for each phase that fails, and an event with an attachment for each snapshot.

    session(FanOutSink(TraceFileSink("trace.bin"), SentrySink()), mode="production")

Snapshots come from triggers such as 90% of the memory limit, so the event is there before the process is killed.
"""

from __future__ import annotations

from collections.abc import Iterator

import sentry_sdk

from ..records import PhaseBegin, PhaseEnd, Record, Snapshot
from ..units import format_bytes
from .bounded_paths import BoundedPaths

__all__ = ["SentrySink"]

CATEGORY = "fwmemtrace"
_MOST_OPEN = 20  # phases that an event names


class SentrySink:
    """Tells Sentry which phases failed, and what held memory when a snapshot was taken. All sizes are in bytes.

    A breadcrumb has the phase's path and RSS figures, and goes to whatever event its thread or task sends next: that of
    the exception, if nobody catches it. Call `sentry_sdk.init` before the first phase.

    Args:
        events: whether a snapshot is an event of its own, with the stacks of all threads as an attachment; otherwise it
            is a breadcrumb.
        most_phases: how many phases are named by their paths; the others are "other".
    """

    def __init__(self, *, events: bool = True, most_phases: int = 100) -> None:
        self._events = events
        self._paths = BoundedPaths(most_phases)

    def write(self, record: Record) -> None:
        """Take one record."""
        if isinstance(record, PhaseBegin):
            self._paths.begin(record)
        elif isinstance(record, PhaseEnd):
            self._phase_end(record)
        elif isinstance(record, Snapshot):
            self._snapshot(record)

    def after_fork(self, pid: int) -> None:
        """This is a forked child: the open phases are its parent's."""
        self._paths.clear()

    def _phase_end(self, record: PhaseEnd) -> None:
        found = self._paths.end(record.span)
        if found is None or record.error is None:
            return
        label, begin = found
        sentry_sdk.add_breadcrumb(
            category=CATEGORY,
            level="error",
            message=f"{label} ended with {record.error}",
            data={
                **(begin.attributes or {}),
                "rss_bytes": record.rss_bytes,
                "rss_change_bytes": record.rss_bytes - begin.rss_bytes,
                "rss_peak_bytes": record.peak_rss_bytes,
            },
        )

    def _snapshot(self, record: Snapshot) -> None:
        message = f"Memory snapshot: {record.reason}"
        figures = {
            "rss_bytes": record.rss_bytes,
            "limit_bytes": record.limit_bytes,
            "open_phases": self._paths.open_labels()[:_MOST_OPEN],
        }
        if not self._events:
            sentry_sdk.add_breadcrumb(category=CATEGORY, level="warning", message=message, data=figures)
            return
        with sentry_sdk.new_scope() as scope:
            scope.set_context("memory", figures)
            scope.fingerprint = [CATEGORY, "snapshot"]  # reasons have figures: each would be an issue of its own
            text = "\n".join(_lines(record)) + "\n"
            scope.add_attachment(text.encode("utf-8", "backslashreplace"), "memory-snapshot.txt")
            scope.capture_message(message, level="warning")


def _lines(record: Snapshot) -> Iterator[str]:
    limit = "" if record.limit_bytes is None else f" of {format_bytes(record.limit_bytes)}"
    yield f"{record.reason}: RSS {format_bytes(record.rss_bytes)}{limit}"
    for thread in record.threads:
        yield f"\nThread {thread.name}, innermost function first:"
        for function, file, line in thread.frames:
            yield f"  {function} ({file}:{line})"
