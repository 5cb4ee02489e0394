"""`check`: compares a trace with memory budgets or with a baseline, so that a build can fail when memory grows."""

from __future__ import annotations

import argparse
import os

from ..analysis.budgets import check_baseline, check_limits, unknown_phases
from ..analysis.diff import compare
from ..errors import FwmemtraceError, SettingsError, unknown_name
from ..reports.check_report import OUTPUT_FORMATS, check_text, github_summary
from ..results.check import CheckReport
from ..trace import read
from ..units import parse_share_or_bytes
from . import output as out
from .budgets import budgets_of
from .compared_run import run_of_trace

_EXAMPLES = """examples:
  fwmemtrace check --budget 300MB --phase main/init=200MB --growth main/request=10kB
  fwmemtrace check --against baseline.bin --tolerance 10% --output-format github"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "check",
        help="check a trace against memory budgets",
        description="Check a trace against memory budgets: those given here and those of [tool.fwmemtrace.budgets] in "
        "pyproject.toml. The exit status is 1 if one is exceeded.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("trace", metavar="trace.bin", nargs="?", default="trace.bin", help="the trace to check")
    parser.add_argument("--budget", metavar="SIZE", help="limit for the peak RSS of each process, such as 300MB")
    parser.add_argument(
        "--phase",
        action="append",
        default=[],
        metavar="PATH=SIZE",
        help="limit for the peak RSS of a phase, such as init/load=200MB; can be repeated",
    )
    parser.add_argument(
        "--growth",
        action="append",
        default=[],
        metavar="PATH=SIZE",
        help="limit for the growth of RSS per call of a phase, such as request=10kB; can be repeated",
    )
    parser.add_argument("--against", metavar="BASELINE", help="an earlier trace, whose figures must not be exceeded")
    parser.add_argument(
        "--tolerance",
        metavar="PERCENT|SIZE",
        help="growth allowed since the baseline, such as 5%% or 20MB (default: 5%%)",
    )
    parser.add_argument(
        "--output-format",
        default="text",
        metavar="|".join(OUTPUT_FORMATS),
        help="the output format; github also writes to the file that GITHUB_STEP_SUMMARY names (default: text)",
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the file to write (default: stdout)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what is exceeded; the status is 1 if anything is."""
    if arguments.output_format not in OUTPUT_FORMATS:
        raise SettingsError(unknown_name("output format", arguments.output_format, list(OUTPUT_FORMATS)))
    limits = budgets_of(arguments)
    if arguments.tolerance is not None and arguments.against is None:
        raise SettingsError("--tolerance without a baseline; give one with --against")
    tolerance = parse_share_or_bytes(arguments.tolerance or "5%")
    if not limits and arguments.against is None:
        raise SettingsError(
            "no limit to check; give --budget SIZE, --phase PATH=SIZE, --growth PATH=SIZE or --against BASELINE, or "
            "set [tool.fwmemtrace.budgets] in pyproject.toml"
        )
    trace = read(arguments.trace)
    report = trace.summary(budget=None if limits.process is None else limits.process.size)
    notes = []
    for path, limit, advice in unknown_phases(report, limits):
        if not limit.file:
            raise SettingsError(f"{limit.source}: {advice}")
        notes.append(f"no phase {path!r} in {arguments.trace}, so its budget in {limit.file} is not checked")
    checks, not_judged = check_limits(report, limits)
    if arguments.against is not None:
        comparison = compare([run_of_trace(read(arguments.against))], [run_of_trace(trace)])
        checks += check_baseline(comparison, tolerance, f"--against {arguments.against}")
    outcome = CheckReport(
        trace=os.fspath(arguments.trace),
        exceeded=any(check.exceeded for check in checks),
        checks=sorted(checks, key=lambda check: not check.exceeded),
        notes=notes + not_judged,
    )
    for note in outcome.notes:
        out.complain(f"fwmemtrace: {note}")
    if arguments.output_format == "text":
        text = check_text(outcome, colour=out.options(arguments.output, 0).colour)
    else:
        text = OUTPUT_FORMATS[arguments.output_format](outcome)
    out.write(text, arguments.output)
    if arguments.output_format == "github":
        _write_summary(outcome)
    return 1 if outcome.exceeded else 0


def _write_summary(outcome: CheckReport) -> None:
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            file.write(github_summary(outcome))
    except OSError as error:
        raise FwmemtraceError(f"GITHUB_STEP_SUMMARY: {path} cannot be written ({error.strerror})") from error
