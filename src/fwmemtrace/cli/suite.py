"""`suite`: profiles components in fresh processes, writes a trace and prints the report."""

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
        description="Run each component of a suite in fresh interpreters, each for one purpose. A component that "
        "raises, hangs or is killed becomes a line of the report; the others continue.",
    )
    parser.add_argument(
        "spec", metavar="FILE.py|MODULE[:NAME]", help="the suite; NAME is another list in it, or one component"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the trace file to write (default: suite.bin)")
    parser.add_argument(
        "--repeat",
        type=int,
        default=_REPEAT,
        metavar="N",
        help=f"runs used to compute the spread (default: {_REPEAT})",
    )
    parser.add_argument(
        "--timeout",
        default=_TIMEOUT,
        metavar="TIME",
        help=f"the time limit of each process, such as 90s (default: {_TIMEOUT})",
    )
    parser.add_argument("--memory-limit", metavar="SIZE", help="the memory limit of each process, such as 2GB")
    parser.add_argument(
        "--budget", metavar="SIZE", help="the budget of the service; the exit status is 1 if it needs more"
    )
    parser.add_argument(
        "--report-dir", metavar="DIR", help="keep the trace and a markdown report in a dated folder in DIR"
    )
    parser.add_argument(
        "--format", default="text", metavar="text|markdown|html|json", help="the output format (default: text)"
    )
    parser.add_argument("--top", type=int, default=5, metavar="N", help="rows of each table (default: 5)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the suite and print its report; the status is 1 if the service exceeds its budget."""
    if arguments.repeat < 1:
        raise SettingsError(f"--repeat {arguments.repeat}: must be at least 1")
    if arguments.output is not None and arguments.report_dir is not None:
        raise SettingsError("-o and --report-dir exclude each other; leave one out")
    renderer: Report = plugins.load("fwmemtrace.reports", arguments.format)()  # fails before the work begins
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
    except (KeyboardInterrupt, SystemExit):
        print(f"\nfwmemtrace: interrupted; see the results so far with fwmemtrace report {trace}", file=sys.stderr)
        raise
    finally:
        if progress is not None:
            progress.clear()
    with out.progress() as reading:
        report = read(trace).summary(top=arguments.top, progress=reading)
    if arguments.report_dir is not None:
        kept = str(trace.with_name("report.md"))
        markdown: Report = plugins.load("fwmemtrace.reports", "markdown")()
        out.write(markdown.render(report, out.options(kept, arguments.top)), kept)
        print(f"fwmemtrace: wrote {kept}", file=sys.stderr)
    out.write(renderer.render(report, out.options(None, arguments.top)), None)
    return 1 if report.budget is not None and report.budget.exceeded else 0


def _place(spec: str, output: str | None, report_dir: str | None) -> Path:
    """Return the path of the trace; in a folder for reports, a new folder is made, named by date and suite."""
    if report_dir is None:
        return Path(output or "suite.bin").absolute()
    name = Path(spec.partition(":")[0]).stem or "suite"
    folder = Path(report_dir).absolute() / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FwmemtraceError(f"{folder} cannot be created: {error.strerror}") from error
    return folder / "trace.bin"


class _Progress:
    """A line on stderr that is overwritten with each step."""

    def __init__(self) -> None:
        self._began = time.perf_counter_ns()

    def __call__(self, done: int, expected: int, name: str) -> None:
        spent = format_duration(time.perf_counter_ns() - self._began)
        self._write(f"[{done + 1}/{expected}] {name}, {spent} so far" if expected else name)

    def clear(self) -> None:
        self._write("")

    def _write(self, line: str) -> None:
        sys.stderr.write(f"\r\x1b[K{line[:110]}")
        sys.stderr.flush()
