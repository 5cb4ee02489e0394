"""`suite`: profiles components in fresh processes, writes a trace and prints the report."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec

from .. import plugins
from ..analysis.suite.comparison import compare
from ..errors import FwmemtraceError, SettingsError, SuiteError, unknown_name
from ..recording.workers import free_path
from ..reports.base import Report, TraceReport
from ..results.suite import Suite
from ..suite.purposes import PURPOSES, QUICK
from ..trace import read
from ..units import format_duration, parse_bytes, parse_duration
from ..values import visible
from . import output as out
from .earlier_run import earlier_run

_REPEAT = 3
_TIMEOUT = "10m"
_TRACE = "trace.bin"  # the default of `run`
_PLAN_TIME = "3m"
_AGREEMENT = 0.99
_LINES_S = 5.0  # seconds between two lines of progress where stderr is no terminal


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "suite",
        help="profile components in fresh processes",
        description="Profile each component of a suite in fresh interpreters, each with one purpose. A component that "
        "raises, hangs or is killed is listed in the report; the others continue.",
    )
    parser.add_argument(
        "spec",
        nargs="?",
        metavar="FILE.py|MODULE[:NAME]",
        help="the suite; NAME is a list in it other than `components`, or one component",
    )
    parser.add_argument(
        "--init",
        metavar="PACKAGE",
        help="print a suite file for a package, based on its code and on trace.bin if that exists",
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
        "--budget",
        metavar="SIZE",
        help="the budget of the service; the exit status is 1 if it needs more, and the report has a plan",
    )
    parser.add_argument(
        "--measure",
        choices=("rss", "unevictable"),
        default="rss",
        help="what the budget limits: peak RSS (default), or peak RSS without file pages that the kernel can evict",
    )
    parser.add_argument(
        "--plan-time",
        default=_PLAN_TIME,
        metavar="TIME",
        help=f"time limit of the search for a plan (default: {_PLAN_TIME})",
    )
    parser.add_argument(
        "--try-models",
        action="store_true",
        help="run the torch models of each component alone, as float16, bfloat16 and int8, and in ONNX Runtime",
    )
    parser.add_argument(
        "--min-agreement",
        type=float,
        default=_AGREEMENT,
        metavar="COSINE",
        help="the cosine similarity of outputs that another way to run a model needs to be part of the plan "
        f"(default: {_AGREEMENT})",
    )
    parser.add_argument(
        "--workers",
        type=int,
        default=0,
        metavar="N",
        help="the number of workers that the service forks; measures what gc.freeze() saves in them",
    )
    parser.add_argument("--skip", metavar="PASS,...", help=f"passes to leave out: {', '.join(PURPOSES)}")
    parser.add_argument(
        "--only", action="append", default=[], metavar="COMPONENT", help="run only this component; can be repeated"
    )
    parser.add_argument("--quick", action="store_true", help="measure RSS and look for the plan, and nothing else")
    parser.add_argument(
        "--report-dir", metavar="DIR", help="keep the trace and a markdown report in a dated folder in DIR"
    )
    parser.add_argument(
        "--format", default="text", metavar="text|markdown|html|json", help="the output format (default: text)"
    )
    parser.add_argument("--top", type=int, default=5, metavar="N", help="rows of each table (default: 5)")
    parser.add_argument(
        "--against",
        metavar="RUN",
        help="compare with an earlier run: a trace, a folder with one, or DIR/LAST for the last run kept in DIR",
    )
    parser.add_argument("--verbose", action="store_true", help="show all evidence of each lever")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Run the suite and print its report; the status is 1 if the service exceeds its budget."""
    if arguments.init is not None:
        return _init(arguments)
    if arguments.spec is None:
        raise SettingsError("missing suite; give its file, or --init PACKAGE to print a new one")
    if arguments.repeat < 1:
        raise SettingsError(f"--repeat {arguments.repeat}: must be at least 1")
    if not 0 <= arguments.min_agreement <= 1:
        raise SettingsError(f"--min-agreement {arguments.min_agreement:g}: must be between 0 and 1")
    if arguments.workers and not hasattr(os, "fork"):
        raise SettingsError("--workers: this system cannot fork; leave it out")
    if arguments.output is not None and arguments.report_dir is not None:
        raise SettingsError("-o and --report-dir exclude each other; leave one out")
    renderer: Report = plugins.load("fwmemtrace.reports", arguments.format)()  # fails before the work begins
    budget = parse_bytes(arguments.budget) if arguments.budget is not None else 0
    limit = parse_bytes(arguments.memory_limit) if arguments.memory_limit is not None else 0
    timeout = parse_duration(arguments.timeout) / 1e9
    plan_seconds = parse_duration(arguments.plan_time) / 1e9
    skip = _skipped(arguments.skip, quick=arguments.quick)
    earlier = None if arguments.against is None else earlier_run(arguments.against)
    trace = _place(arguments.spec, arguments.output, arguments.report_dir)

    from ..suite.runner import SuiteRunner
    from ..suite.settings import SuiteSettings

    progress = _Progress(overwrite=sys.stderr.isatty())
    settings = SuiteSettings(
        repeat=arguments.repeat,
        timeout=timeout or None,
        memory_limit=limit,
        budget=budget,
        measure=arguments.measure,
        skip=skip,
        only=arguments.only,
        plan_seconds=plan_seconds,
        least_agreement=arguments.min_agreement,
        workers=arguments.workers,
        try_models=arguments.try_models,
    )
    runner = SuiteRunner(arguments.spec, trace, settings, progress)
    try:
        runner.run()
    except (KeyboardInterrupt, SystemExit, OSError) as error:
        progress.clear()
        with suppress(OSError, FwmemtraceError):  # the terminal may be gone, the disk full
            if runner.started:
                how = "stopped" if isinstance(error, OSError) else "interrupted"
                message = f"fwmemtrace: {how}; see the results so far with fwmemtrace report {trace}"
                print(f"\n{visible(message)}", file=sys.stderr)
                _report(arguments, trace, renderer, earlier)
        if isinstance(error, OSError) and not isinstance(error, FwmemtraceError):
            raise SuiteError(f"the suite stopped: {error.strerror or error}") from error
        raise
    finally:
        progress.clear()
        if not runner.started:
            _unmade(trace)
    report = _report(arguments, trace, renderer, earlier)
    return 1 if report.budget is not None and report.budget.exceeded else 0


def _init(arguments: argparse.Namespace) -> int:
    """Print a proposal for a suite file."""
    from ..suite.proposal import propose

    trace = Path(arguments.spec or _TRACE)
    report = read(trace).summary() if arguments.spec is not None or trace.exists() else None
    out.write(propose(arguments.init, report), arguments.output)
    return 0


def _report(
    arguments: argparse.Namespace, trace: Path, renderer: Report, earlier: tuple[str, Suite] | None
) -> TraceReport:
    """Print the report of what was measured, and keep it if a folder for reports was given."""
    with out.progress() as reading:
        report = read(trace).summary(top=arguments.top, progress=reading)
    if earlier is not None and report.suite is not None:
        label, before = earlier
        suite = msgspec.structs.replace(report.suite, against=compare(before, report.suite, label))
        report = msgspec.structs.replace(report, suite=suite)
    out.write(renderer.render(report, out.options(None, arguments.top, verbose=arguments.verbose)), None)
    if arguments.report_dir is not None:  # last: the disk may be full
        kept = str(trace.with_name("report.md"))
        markdown: Report = plugins.load("fwmemtrace.reports", "markdown")()
        out.write(markdown.render(report, out.options(kept, arguments.top, verbose=arguments.verbose)), kept)
        print(f"fwmemtrace: wrote {visible(kept)}", file=sys.stderr)
    return report


def _skipped(names: str | None, *, quick: bool) -> set[str]:
    """Return the passes to leave out.

    Raises:
        SettingsError: if there is no such pass.
    """
    skipped = {name.strip() for name in names.split(",")} if names is not None else set()
    for name in skipped:
        if name not in PURPOSES:
            raise SettingsError("--skip: " + unknown_name("pass", name, PURPOSES))
    return skipped | ({*PURPOSES} - {*QUICK} if quick else set())


def _place(spec: str, output: str | None, report_dir: str | None) -> Path:
    """Return the path of a new trace; in a folder for reports, a new folder is made, named by date and suite.

    The file or folder is created immediately, so that a suite that starts at the same time takes another one.
    """
    if report_dir is None:
        asked = Path(output or "suite.bin").absolute()
        return _made(lambda: free_path(asked), lambda path: path.touch(exist_ok=False))
    name = Path(spec.partition(":")[0]).stem or "suite"
    asked = Path(report_dir).absolute() / f"{time.strftime('%Y-%m-%d-%H%M%S')}-{name}"
    return _made(lambda: free_path(asked), lambda path: path.mkdir(parents=True)) / _TRACE


def _made(free: Callable[[], Path], make: Callable[[Path], None]) -> Path:
    """Make what does not exist yet, under the first name that is free.

    Raises:
        FwmemtraceError: if it cannot be made.
    """
    while True:
        path = free()
        try:
            make(path)
        except FileExistsError:
            if not path.exists():  # what is in the way is no folder, further up
                raise FwmemtraceError(f"{path} cannot be created: {path.parent} is not a folder") from None
        except OSError as error:
            raise FwmemtraceError(f"{path} cannot be created: {error.strerror}") from error
        else:
            return path


def _unmade(trace: Path) -> None:
    """Remove what `_place` made, for a suite that was not started."""
    with suppress(OSError):
        if trace.exists() and not trace.stat().st_size:
            trace.unlink()
        elif not any(trace.parent.iterdir()):
            trace.parent.rmdir()


class _Progress:
    """Shows how far the suite is: a line that is overwritten in a terminal, else a plain line now and then."""

    def __init__(self, *, overwrite: bool) -> None:
        self._overwrite = overwrite
        self._began = time.monotonic()
        self._shown = self._began  # nothing is written for what is done at once

    def __call__(self, done: int, expected: int, name: str, left_ns: int) -> None:
        now = time.monotonic()
        if not self._overwrite and now - self._shown < _LINES_S:
            return
        self._shown = now
        spent = format_duration(round((now - self._began) * 1e9))
        left = f", about {format_duration(left_ns)} left" if left_ns else ""
        line = visible(f"[{done + 1}/{expected}] {name}, {spent} so far{left}" if expected else name)
        self._write(f"\r\x1b[K{line[:110]}" if self._overwrite else f"{line}\n")

    def clear(self) -> None:
        if self._overwrite:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
