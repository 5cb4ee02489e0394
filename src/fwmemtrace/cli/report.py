"""`report`: makes a trace readable."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

from ..errors import FwmemtraceError
from ..reports.base import Options
from ..trace import read


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser("report", help="make a trace readable", description="Make traces readable.")
    parser.add_argument(
        "traces", nargs="*", metavar="trace.bin", help="workers' traces beside it are found by themselves"
    )
    parser.add_argument("--native", metavar="CAPTURE", help="a memray capture without a trace, cut by its phases")
    parser.add_argument("--format", default="text", metavar="text|markdown|html|json", help="text by default")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it, stdout by default")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="rows of each table of top allocations")
    parser.add_argument("--budget", metavar="SIZE", help="a limit such as 300MB to hold the peak against")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the report."""
    if bool(arguments.traces) == (arguments.native is not None):
        raise FwmemtraceError("found no trace, or one beside --native, expected one of the two: give trace.bin")
    if arguments.native is not None:
        from .native import render_capture

        options = _options(arguments.output, arguments.top)
        _write(render_capture(arguments.native, arguments.format, options), arguments.output)
        return 0
    print_report(
        arguments.traces,
        format=arguments.format,
        output=arguments.output,
        top=arguments.top,
        budget=arguments.budget,
    )
    return 0


def print_report(
    traces: Sequence[str],
    *,
    format: str = "text",
    output: str | None = None,
    top: int = 5,
    budget: str | None = None,
) -> None:
    """Make the report of some traces, for the terminal that stdout is or for a file."""
    shown = _options(output, top)
    _write(read(*traces).report(format, budget=budget, top=top, width=shown.width, colour=shown.colour), output)


def _options(output: str | None, top: int) -> Options:
    colour = output is None and sys.stdout.isatty() and "NO_COLOR" not in os.environ
    return Options(width=shutil.get_terminal_size((100, 24)).columns, colour=colour, top=top)


def _write(text: str, output: str | None) -> None:
    if output is None:
        sys.stdout.write(text)
        sys.stdout.flush()
        return
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as error:
        raise FwmemtraceError(f"found that {output} cannot be written ({error.strerror}): give another path") from error
