"""Where the output of a command goes: a terminal, at its width and with colours, or a file. Progress goes to stderr."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic

from ..errors import FwmemtraceError
from ..reports import Options
from ..values import visible

_LINE_EVERY_S = 10
_PLAIN = str.maketrans({"├": "|", "└": "`", "│": "|", "─": "-", "━": "-", "…": "~", "·": ".", "█": "#"})


def options(output: str | None, top: int, *, width: int = 100, source: bool = True, verbose: bool = False) -> Options:
    """Returns how a report should look.

    Args:
        output: the file it goes to; None for stdout.
        top: rows of each table of top allocations.
        width: characters per line if the terminal's width is unknown.
        source: whether to include lines of source code.
        verbose: whether to show all evidence.
    """
    columns = shutil.get_terminal_size((width, 24)).columns
    return Options(width=columns, colour=_colour(output), top=top, source=source, verbose=verbose)


def _colour(output: str | None) -> bool:
    """Tell whether to use colours: as no-color.org and force-color.org say, else if it goes to a terminal."""
    if output is not None or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def write(text: str, output: str | None) -> None:
    """Writes to stdout or to a file.

    Raises:
        FwmemtraceError: if the file cannot be written.
    """
    if output is None:
        if not _paged(text):
            sys.stdout.write(_in_encoding(text, getattr(sys.stdout, "encoding", None) or "utf-8"))
            sys.stdout.flush()
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FwmemtraceError(f"{output} cannot be written ({error.strerror}); give another path with -o") from error


def complain(line: str) -> None:
    """Writes a line to stderr."""
    print(visible(line), file=sys.stderr)


def tell_place(trace: str | Path, folder: str | None, *, reported: bool) -> None:
    """Writes to stderr where the trace is, and what reads it unless its report was printed.

    Args:
        trace: its path.
        folder: where the command was started: the path of a trace inside is shown from there. None if it is gone.
        reported: whether its report was printed.
    """
    shown = str(trace)
    if folder is not None:
        shown = shown.removeprefix(os.path.join(folder, ""))
    read_by = "" if reported else f"; to read it: fwmemtrace report {shlex.quote(shown)}"
    if sys.stderr is None:
        return
    try:
        complain(f"fwmemtrace: the trace is in {shown}{read_by}")
    except (OSError, ValueError):  # the program has closed it, or nobody reads it any more
        sys.stderr = None  # what is left in its buffer would fail once more at exit, which then has the status 120


def _paged(text: str) -> bool:
    """Show a text that is longer than the terminal in a pager, if there is one, and tell whether that was done.

    The pager is that of FWMEMTRACE_PAGER or PAGER, by default `less`; an empty variable switches it off.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    if text.count("\n") < shutil.get_terminal_size().lines:
        return False
    command = shlex.split(os.environ.get("FWMEMTRACE_PAGER", os.environ.get("PAGER", "less")))
    if not command or shutil.which(command[0]) is None:
        return False
    environment = {"LESS": "FRX", **os.environ}  # as git does: quit if it fits, show colours, leave the text there
    with contextlib.suppress(BrokenPipeError):
        subprocess.run(command, input=text, text=True, encoding="utf-8", env=environment, check=False)
    return True


def _in_encoding(text: str, encoding: str) -> str:
    r"""Return a text that stdout can encode: with plain lines in trees, and `\u` escapes, which JSON has too."""
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        plain = text if text.startswith("{") else text.translate(_PLAIN)
        return "".join(_escaped(character, encoding) for character in plain)
    return text


def _escaped(character: str, encoding: str) -> str:
    if character.isascii():
        return character
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(character)[1:-1]
    return character


@contextmanager
def progress() -> Iterator[Callable[[int, int], None]]:
    """Yields a function that shows how much of a capture was read: a bar in a terminal, else lines now and then."""
    with _bar() if sys.stderr.isatty() else _lines() as show:
        yield show


@contextmanager
def _bar() -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = None

        def show(done: int, total: int) -> None:
            nonlocal task
            if task is None:
                task = bar.add_task(f"{total:,} records (Ctrl-C for a partial report)", total=max(total, 1))
            bar.update(task, completed=done)

        yield show


@contextmanager
def _lines() -> Iterator[Callable[[int, int], None]]:
    shown = monotonic()  # nothing is shown for what is done soon

    def show(done: int, total: int) -> None:
        nonlocal shown
        if monotonic() - shown >= _LINE_EVERY_S:
            shown = monotonic()
            complain(f"fwmemtrace: {done * 100 // max(total, 1)}% of {total:,} records read")

    yield show
