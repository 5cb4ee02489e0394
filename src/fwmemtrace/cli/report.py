"""`report`: makes a trace readable, or a memray capture that has none."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .. import plugins
from ..errors import FwmemtraceError
from ..reports.base import Report
from . import output as out


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
    print_report(
        arguments.traces,
        native=arguments.native,
        format=arguments.format,
        output=arguments.output,
        top=arguments.top,
        budget=arguments.budget,
    )
    return 0


def print_report(
    traces: Sequence[str],
    *,
    native: str | None = None,
    format: str = "text",
    output: str | None = None,
    top: int = 5,
    budget: str | None = None,
) -> None:
    """Make the report of some traces, or of one capture, for the terminal that stdout is or for a file."""
    made: Report = plugins.load("fwmemtrace.reports", format)()
    with out.progress() as progress:
        # Each loads what the other has no use for.
        if native is None:
            from ..trace import read

            report = read(*traces).summary(budget=budget, top=top, progress=progress)
        else:
            from ..capture.by_phase import report_capture

            report = report_capture(native, top=top, progress=progress)
    out.write(made.render(report, out.options(output, top)), output)
