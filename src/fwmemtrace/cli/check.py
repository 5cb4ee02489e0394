"""`check`: compares a trace with memory limits, so that a build can fail when memory grows."""

from __future__ import annotations

import argparse

from ..errors import SettingsError, unknown_name
from ..trace import read
from ..units import format_bytes, parse_bytes


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "check",
        help="check a trace against memory limits",
        description="Check a trace against memory limits. The exit status is 1 if a peak exceeds its limit.",
    )
    parser.add_argument("trace", metavar="trace.bin", help="the trace to check")
    parser.add_argument("--budget", metavar="SIZE", help="limit for the peak RSS of each process, such as 300MB")
    parser.add_argument(
        "--phase",
        action="append",
        default=[],
        metavar="PATH=SIZE",
        help="limit for the peak RSS of a phase, such as init/load=200MB; can be repeated",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print each exceeded limit; the status is 1 if there is one."""
    limits = dict(_limit(text) for text in arguments.phase)
    if arguments.budget is None and not limits:
        raise SettingsError("no limit to check; give --budget SIZE or --phase PATH=SIZE")
    report = read(arguments.trace).summary(budget=arguments.budget)
    known = [phase.path for phase in report.phases if phase.path]
    for path in limits:
        if path not in known:
            raise SettingsError(unknown_name("phase", path, known, arguments.trace))
    exceeded = []
    if report.budget is not None and report.budget.exceeded:
        exceeded.append(("process", report.budget.peak_bytes, report.budget.limit_bytes))
    for phase in report.phases:
        limit = limits.get(phase.path)
        if limit is not None and phase.resident is not None and phase.resident.peak_bytes > limit:
            exceeded.append((f"phase {phase.path}", phase.resident.peak_bytes, limit))
    for name, peak, limit in exceeded:
        over = format_bytes(peak - limit)
        print(f"{name}: peak RSS {format_bytes(peak)} exceeds {format_bytes(limit)} by {over}")
    if not exceeded:
        print("OK: within limits")
    return 1 if exceeded else 0


def _limit(text: str) -> tuple[str, int]:
    path, equals, size = text.rpartition("=")
    if not equals or not path:
        raise SettingsError(f"--phase {text}: not PATH=SIZE, for example init/load=200MB")
    return path, parse_bytes(size)
