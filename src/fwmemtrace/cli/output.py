"""Where a command's output goes: the terminal, sized and coloured for it, or a file; and progress on stderr."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from ..errors import FwmemtraceError
from ..reports.base import Options

_REFRESH_S = 0.2


def options(output: str | None, top: int, *, width: int = 100) -> Options:
    """How a report shall look there.

    Args:
        output: the file it goes to; None for stdout.
        top: rows of each table of top allocations.
        width: characters a line where nobody knows the terminal's.
    """
    colour = output is None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return Options(width=shutil.get_terminal_size((width, 24)).columns, colour=colour, top=top)


def write(text: str, output: str | None) -> None:
    """Write to stdout, or to a file.

    Raises:
        FwmemtraceError: if the file cannot be written.
    """
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FwmemtraceError(f"found that {output} cannot be written ({error.strerror}): give another path") from error


@contextmanager
def progress() -> Iterator[Callable[[int, int], None] | None]:
    """Shows how much of a capture was read, on stderr where that is a terminal; None for nothing to call."""
    if not sys.stderr.isatty():
        yield None
        return
    shown = monotonic()  # what takes no time needs no bar

    def show(done: int, total: int) -> None:
        nonlocal shown
        now = monotonic()
        if now - shown >= _REFRESH_S:
            shown = now
            share = done * 100 // max(total, 1)
            sys.stderr.write(f"\r\x1b[K{share}% of {total:,} records (Ctrl-C for a partial report)")
            sys.stderr.flush()

    try:
        yield show
    finally:
        sys.stderr.write("\r\x1b[K")
        sys.stderr.flush()
