"""`check`: holds a trace against limits, for a build that shall fail when memory grows."""

from __future__ import annotations

import argparse

from ..errors import SettingsError
from ..trace import read
from ..units import format_bytes, parse_bytes


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "check", help="hold a trace against limits", description="Exit with status 1 where a peak exceeds its limit."
    )
    parser.add_argument("trace", metavar="trace.bin")
    parser.add_argument("--budget", metavar="SIZE", help="limit of the peak RSS of each process, such as 300MB")
    parser.add_argument(
        "--phase", action="append", default=[], metavar="PATH=SIZE", help="limit of a phase's peak RSS; may be repeated"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Compare; 1 if a limit is exceeded."""
    limits = dict(_limit(text) for text in arguments.phase)
    if arguments.budget is None and not limits:
        raise SettingsError("found no limit to check, expected one: give --budget 300MB or --phase PATH=SIZE")
    report = read(arguments.trace).summary(budget=arguments.budget)
    exceeded = []
    if report.budget is not None and report.budget.exceeded:
        exceeded.append(("the process", report.budget.peak_bytes, report.budget.limit_bytes))
    found = {phase.path for phase in report.phases}
    missing = [path for path in limits if path not in found]
    if missing:
        raise SettingsError(
            f"found no phase {missing[0]!r} in the trace, expected one of {', '.join(sorted(found - {''}))}"
        )
    for phase in report.phases:
        limit = limits.get(phase.path)
        if limit is not None and phase.resident is not None and phase.resident.peak_bytes > limit:
            exceeded.append((f"phase {phase.path}", phase.resident.peak_bytes, limit))
    for what, peak, limit in exceeded:
        over = format_bytes(peak - limit)
        print(f"{what}: peak RSS {format_bytes(peak)} exceeds {format_bytes(limit)} by {over}")
    if not exceeded:
        print("all limits are kept")
    return 1 if exceeded else 0


def _limit(text: str) -> tuple[str, int]:
    path, equals, size = text.rpartition("=")
    if not equals or not path:
        raise SettingsError(f"found --phase {text!r}, expected PATH=SIZE such as init/load=200MB")
    return path, parse_bytes(size)
