"""`report`: renders a report of a trace, or of a memray capture without one."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from .. import plugins
from ..errors import FwmemtraceError
from ..reports.base import Report
from . import output as out


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "report",
        help="render a report of a trace",
        description="Render a report of one or more traces.",
    )
    parser.add_argument(
        "traces",
        nargs="*",
        metavar="trace.bin",
        help="a trace; traces of worker processes next to it are included automatically",
    )
    parser.add_argument("--native", metavar="CAPTURE", help="report a memray capture without a trace, by its phases")
    parser.add_argument(
        "--format", default="text", metavar="text|markdown|html|json", help="the output format (default: text)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the file to write (default: stdout)")
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="rows of each table of top allocations (default: 5)"
    )
    parser.add_argument("--budget", metavar="SIZE", help="compare the peak with this size, such as 300MB")
    parser.add_argument(
        "--share",
        action="store_true",
        help="leave out what others need not know: hosts, users, absolute paths, arguments, attributes",
    )
    parser.add_argument("--no-source", action="store_true", help="leave source code out of the HTML report")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the report."""
    if bool(arguments.traces) == (arguments.native is not None):
        problem = "no trace to report" if arguments.native is None else "both a trace and --native"
        raise FwmemtraceError(f"{problem}; give either trace.bin or --native CAPTURE")
    print_report(
        arguments.traces,
        native=arguments.native,
        format=arguments.format,
        output=arguments.output,
        top=arguments.top,
        budget=arguments.budget,
        share=arguments.share,
        source=not arguments.no_source,
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
    share: bool = False,
    source: bool = True,
) -> None:
    """Render a report of traces, or of one capture.

    Args:
        traces: the trace files.
        native: a memray capture, in place of traces.
        format: the name of a report.
        output: the file to write; None for stdout, sized and coloured for its terminal.
        top: rows of each table of top allocations.
        budget: a size such as "300MB".
        share: whether to leave out hosts, users, absolute paths, arguments and attributes.
        source: whether to include lines of source code.
    """
    from ..reports.share import shareable

    renderer: Report = plugins.load("fwmemtrace.reports", format)()
    options = out.options(output, top, source=source)
    with out.progress() as progress:
        # Imported here: a capture needs no trace reader, nor a trace this one.
        if native is None:
            from ..trace import read

            trace = read(*traces)
            report = trace.summary(budget=budget, top=top, progress=progress)
            if share:  # single calls, their attributes and source lines are what others need not know
                text = renderer.render(shareable(report), options)
            else:
                text = trace.render(renderer, report, options, progress)
        else:
            from ..analysis.findings import find
            from ..capture.by_phase import report_capture

            report = report_capture(native, top=top, progress=progress)
            report.summary = find([report])
            text = renderer.render(shareable(report) if share else report, options)
    out.write(text, output)
