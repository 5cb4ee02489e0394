"""`suite`: profiles components in fresh processes, writes a trace, and prints what came of it."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from .. import plugins
from ..errors import FwmemtraceError, SettingsError
from ..reports.base import Report
from ..trace import read
from ..units import format_duration, parse_bytes, parse_duration
from . import output as out

_REPEAT = 3
_TIMEOUT = "10m"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "suite",
        help="profile components in fresh processes",
        description="Run each component of a suite in fresh interpreters, once for each thing that is measured. One "
        "that raises, hangs or is killed is a line of the report, and the others go on.",
    )
    parser.add_argument("spec", metavar="FILE.py|MODULE[:NAME]", help="NAME is another list, or one component")
    parser.add_argument("-o", "--output", metavar="FILE", help="the trace file, suite.bin by default")
    parser.add_argument(
        "--repeat", type=int, default=_REPEAT, metavar="N", help=f"runs that a spread is shown of, {_REPEAT} by default"
    )
    parser.add_argument(
        "--timeout", default=_TIMEOUT, metavar="TIME", help=f"for one process, such as 90s; {_TIMEOUT} by default"
    )
    parser.add_argument("--memory-limit", metavar="SIZE", help="for one process, by control group or RLIMIT_AS")
    parser.add_argument("--budget", metavar="SIZE", help="what the service may need; status 1 where it needs more")
    parser.add_argument("--report-dir", metavar="DIR", help="keep a dated markdown report and its trace in here")
    parser.add_argument("--format", default="text", metavar="text|markdown|html|json", help="text by default")
    parser.add_argument("--top", type=int, default=5, metavar="N", help="rows of each table")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Measure and report; 1 where the service needs more than its budget."""
    if arguments.repeat < 1:
        raise SettingsError(f"found --repeat {arguments.repeat}, expected a whole number of at least 1")
    if arguments.output is not None and arguments.report_dir is not None:
        raise SettingsError("found both -o and --report-dir, expected one place for the trace: leave one of them out")
    made: Report = plugins.load("fwmemtrace.reports", arguments.format)()  # a wrong name is told before the work
    budget = parse_bytes(arguments.budget) if arguments.budget is not None else 0
    limit = parse_bytes(arguments.memory_limit) if arguments.memory_limit is not None else 0
    timeout = parse_duration(arguments.timeout) / 1e9
    trace = _place(arguments.spec, arguments.output, arguments.report_dir)

    from ..suite.runner import SuiteRunner

    progress = _Progress() if sys.stderr.isatty() else None
    runner = SuiteRunner(
        arguments.spec,
        trace,
        repeat=arguments.repeat,
        timeout=timeout or None,
        memory_limit=limit,
        budget=budget,
        progress=progress,
    )
    try:
        runner.run()
    except KeyboardInterrupt:
        print(f"\nfwmemtrace: stopped; what was measured is in {trace}: fwmemtrace report shows it", file=sys.stderr)
        return 130
    finally:
        if progress is not None:
            progress.clear()
    with out.progress() as reading:
        report = read(trace).summary(top=arguments.top, progress=reading)
    if arguments.report_dir is not None:
        kept = str(trace.with_name("report.md"))
        markdown: Report = plugins.load("fwmemtrace.reports", "markdown")()
        out.write(markdown.render(report, out.options(kept, arguments.top)), kept)
        print(f"fwmemtrace: kept {kept}", file=sys.stderr)
    out.write(made.render(report, out.options(None, arguments.top)), None)
    return 1 if report.budget is not None and report.budget.exceeded else 0


def _place(spec: str, output: str | None, report_dir: str | None) -> Path:
    """Where the trace goes; with a folder for reports, a new folder in it that tells the date and the suite."""
    if report_dir is None:
        return Path(output or "suite.bin").absolute()
    name = Path(spec.partition(":")[0]).stem or "suite"
    folder = Path(report_dir).absolute() / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FwmemtraceError(f"found that {folder} cannot be made ({error.strerror}): give another folder") from error
    return folder / "trace.bin"


class _Progress:
    """One line on stderr that is written over."""

    def __init__(self) -> None:
        self._began = time.perf_counter_ns()

    def __call__(self, done: int, known: int, what: str) -> None:
        spent = format_duration(time.perf_counter_ns() - self._began)
        self._write(f"[{done + 1}/{known}] {what}, {spent} so far" if known else what)

    def clear(self) -> None:
        self._write("")

    def _write(self, line: str) -> None:
        sys.stderr.write(f"\r\x1b[K{line[:110]}")
        sys.stderr.flush()
