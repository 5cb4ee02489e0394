"""`report`: renders a report of a trace, or of a memray capture without one."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from .. import plugins, results
from ..analysis.summary import check_budget
from ..errors import FwmemtraceError, SettingsError
from ..reports.base import DetailedReport, Report
from ..reports.selection import SORT_KEYS, Selection, select
from ..units import parse_bytes
from . import output as out

_ALL = Selection()
_FOLLOW_EVERY_S = 2

_EXAMPLES = """examples:
  fwmemtrace report                                   the trace in trace.bin
  fwmemtrace report --phase main/init --min 1MB --sort change
  fwmemtrace report --format html -o memory.html
  fwmemtrace report --follow                          a report every two seconds while the program runs"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "report",
        help="render a report of a trace",
        description="Render a report of one or more traces.",
        epilog=_EXAMPLES,
    )
    parser.add_argument(
        "traces",
        nargs="*",
        metavar="trace.bin",
        help="a trace; traces of worker processes next to it are included automatically (default: trace.bin)",
    )
    parser.add_argument(
        "--native", metavar="CAPTURE", help="report on a memray capture without a trace, split by phase"
    )
    parser.add_argument(
        "--format", default="text", metavar="text|markdown|html|json", help="the output format (default: text)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the file to write (default: stdout)")
    parser.add_argument(
        "--top", type=int, default=5, metavar="N", help="rows in each table of top allocations (default: 5)"
    )
    parser.add_argument("--budget", metavar="SIZE", help="compare the peak with this size, such as 300MB")
    parser.add_argument(
        "--share",
        action="store_true",
        help="leave out private details: hosts, users, absolute paths, arguments, attributes",
    )
    parser.add_argument("--no-source", action="store_true", help="leave source code out of the HTML report")
    parser.add_argument("--depth", type=int, metavar="N", help="levels of phases shown (default: all)")
    parser.add_argument("--phase", metavar="PATH", help="show only this phase and those inside it")
    parser.add_argument(
        "--sort", metavar="|".join(SORT_KEYS), help="order of phases, the largest first (default: as they began)"
    )
    parser.add_argument(
        "--min", metavar="SIZE", help="leave out phases whose RSS change and peak above their start are below this"
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="render the report every two seconds while the program runs; native figures appear at the end",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print or write the report."""
    if arguments.traces and arguments.native is not None:
        raise FwmemtraceError("a trace and --native exclude each other; leave one out")
    for name in ("top", "depth"):
        value = getattr(arguments, name)
        if value is not None and value < 1:
            raise SettingsError(f"--{name} {value}: must be at least 1")
    selection = Selection(
        depth=arguments.depth,
        phase=arguments.phase,
        min_bytes=0 if arguments.min is None else parse_bytes(arguments.min),
        sort=arguments.sort,
    )
    traces = arguments.traces or ["trace.bin"]
    if arguments.follow:
        if len(traces) > 1 or arguments.native is not None or arguments.output is not None:
            raise SettingsError("--follow is for one trace, and for stdout")
        _follow(traces[0], arguments, selection)
    print_report(
        traces,
        native=arguments.native,
        format=arguments.format,
        output=arguments.output,
        top=arguments.top,
        budget=arguments.budget,
        share=arguments.share,
        source=not arguments.no_source,
        selection=selection,
    )
    return 0


def _follow(trace: str, arguments: argparse.Namespace, selection: Selection) -> None:
    """Render what is known until the sessions are closed, or Ctrl-C."""
    from ..trace.live import LiveTrace

    renderer: Report = plugins.load("fwmemtrace.reports", arguments.format)()
    live = LiveTrace(trace)
    clear = "\x1b[2J\x1b[H" if sys.stdout.isatty() else ""
    shown = ""
    while True:
        report = live.look()
        if live.ended:
            return
        if arguments.budget is not None:
            report.budget = check_budget(report.trace.processes, parse_bytes(arguments.budget))
        text = renderer.render(select(report, selection), out.options(None, arguments.top))
        if text != shown:
            sys.stdout.write(clear + text)
            sys.stdout.flush()
        shown = text
        time.sleep(_FOLLOW_EVERY_S)


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
    selection: Selection = _ALL,
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
        selection: which phases to show.
    """
    renderer: Report = plugins.load("fwmemtrace.reports", format)()
    options = out.options(output, top, source=source)
    details: results.Details | None = None
    with out.progress() as progress:
        # Imported here: a capture needs no trace reader, nor a trace this one.
        if native is None:
            from ..trace import read

            trace = read(*traces)
            detailed = isinstance(renderer, DetailedReport)
            whole = trace.summary(budget=budget, top=top, progress=progress, details=detailed)
            report = select(whole, selection)
            if detailed:
                details = trace.details(report, source=source, progress=progress)
        else:
            from ..analysis.findings import find
            from ..capture.lone_capture import report_capture

            report = report_capture(native, top=top, progress=progress)
            report.summary = find([report])
            report = select(report, selection)
    if share:
        from ..reports.share import shareable, shareable_details

        details = None if details is None else shareable_details(report, details)
        report = shareable(report)
    if details is not None and isinstance(renderer, DetailedReport):
        text = renderer.render_detailed(report, details, options)
    else:
        text = renderer.render(report, options)
    out.write(text, output)
