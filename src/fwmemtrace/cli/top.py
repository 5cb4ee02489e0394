"""`top`: a live view of a running session in the terminal."""

from __future__ import annotations

import argparse

from ..errors import FwmemtraceError, missing_package


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "top",
        help="show a live view of a running session",
        description="Show a live view of a running session: phases, RSS over time, what it consists of, and what "
        "grows. It only reads the trace, so it can start and quit at any time. Needs the extra `top`.",
    )
    parser.add_argument("trace", metavar="trace.bin", nargs="?", default="trace.bin", help="the trace to follow")
    parser.add_argument(
        "--interval", type=float, default=1.0, metavar="SECONDS", help="time between updates (default: 1)"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Show the view until it is left."""
    from ..trace.live import LiveTrace

    if not arguments.interval > 0:
        raise FwmemtraceError(f"--interval {arguments.interval}: must be more than 0")
    live = LiveTrace(arguments.trace)
    try:
        from .top_app import TopApp
    except ImportError as error:
        raise missing_package("top", "textual", "top") from error
    TopApp(live, arguments.interval).run()
    return 0
