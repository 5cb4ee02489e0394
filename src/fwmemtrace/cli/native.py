"""`report --native`: makes a memray capture readable that has no trace."""

from __future__ import annotations

import sys
from collections.abc import Callable
from time import monotonic

from .. import plugins
from ..captures import report_capture
from ..reports.base import Options, Report

_REFRESH_S = 0.2


def render_capture(path: str, format: str, options: Options) -> str:
    """The report of a capture, with progress on stderr where that is a terminal; interrupting it gives what it has."""
    made: Report = plugins.load("fwmemtrace.reports", format)()
    terminal = sys.stderr.isatty()
    report = report_capture(path, top=options.top, progress=_bar() if terminal else None)
    if terminal:
        sys.stderr.write("\r\x1b[K")
    return made.render(report, options)


def _bar() -> Callable[[int, int], None]:
    shown = 0.0

    def show(done: int, total: int) -> None:
        nonlocal shown
        now = monotonic()
        if now - shown >= _REFRESH_S:
            shown = now
            sys.stderr.write(
                f"\r\x1b[K{done * 100 // max(total, 1)}% of {total:,} records (Ctrl-C for a partial report)"
            )
            sys.stderr.flush()

    return show
