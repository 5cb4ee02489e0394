"""Where the output of a command goes: a terminal, at its width and with colours, or a file. Progress goes to stderr."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from ..errors import FwmemtraceError
from ..reports import Options

_REFRESH_S = 0.2


def options(output: str | None, top: int, *, width: int = 100, verbose: bool = False) -> Options:
    """Returns how a report should look.

    Args:
        output: the file it goes to; None for stdout.
        top: rows of each table of top allocations.
        width: characters per line if the terminal's width is unknown.
        verbose: whether to show all evidence.
    """
    colour = output is None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    columns = shutil.get_terminal_size((width, 24)).columns
    return Options(width=columns, colour=colour, top=top, verbose=verbose)


def write(text: str, output: str | None) -> None:
    """Writes to stdout or to a file.

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
        raise FwmemtraceError(f"{output} cannot be written ({error.strerror}); give another path with -o") from error


@contextmanager
def progress() -> Iterator[Callable[[int, int], None] | None]:
    """Yields a function that shows how much of a capture was read, or None if stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    shown = monotonic()  # nothing is shown for what is done at once

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
