"""`export`: converts a trace to another tool's format."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import plugins
from ..errors import FwmemtraceError
from ..exporters.base import Exporter
from ..trace import read

_EXPORTERS = "fwmemtrace.exporters"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "export",
        help="convert a trace to another tool's format",
        description="Convert a trace to another tool's format.",
    )
    parser.add_argument("trace", metavar="trace.bin", help="the trace to convert")
    parser.add_argument(
        "--to", required=True, metavar="FORMAT", help=f"one of {', '.join(plugins.BUILT_IN[_EXPORTERS])}, or a plugin"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the file to write (default: trace.FORMAT)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the file."""
    exporter: Exporter = plugins.load(_EXPORTERS, arguments.to)()
    output = Path(arguments.output or Path(arguments.trace).with_suffix(f".{arguments.to}"))
    try:
        exporter.export(read(arguments.trace), output)
    except OSError as error:
        if isinstance(error, FwmemtraceError):
            raise
        raise FwmemtraceError(f"{output} cannot be written ({error.strerror}); give another path with -o") from error
    return 0
