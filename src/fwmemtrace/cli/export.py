"""`export`: writes a trace in another tool's format."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import plugins
from ..errors import FwmemtraceError
from ..exporters.base import Exporter
from ..trace import read


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "export", help="write a trace in another tool's format", description="Write a trace in another tool's format."
    )
    parser.add_argument("trace", metavar="trace.bin")
    parser.add_argument("--to", required=True, metavar="FORMAT", help="such as memray: memray's own capture")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write it, trace.FORMAT by default")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file."""
    exporter: Exporter = plugins.load("fwmemtrace.exporters", arguments.to)()
    output = Path(arguments.output or Path(arguments.trace).with_suffix(f".{arguments.to}"))
    try:
        exporter.export(read(arguments.trace), output)
    except OSError as error:
        if isinstance(error, FwmemtraceError):
            raise
        raise FwmemtraceError(f"found that {output} cannot be written ({error.strerror}): give another path") from error
    return 0
