"""`diff`: compares two traces, or two groups of runs, by process, phase, kind of memory and stack."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..analysis.diff import RunOfTrace, compare
from ..analysis.diff.thresholds import exceeding
from ..errors import SettingsError, unknown_name
from ..reports.difference import difference_document
from ..reports.difference_words import threshold_lines
from ..reports.formats import FORMATS
from ..reports.json import write_json
from ..results.diff import Comparison
from ..trace import read
from ..units import parse_share_or_bytes
from . import output as out
from .compared_run import run_of_trace

_FORMATS = (*FORMATS, "json")

_EXAMPLES = """examples:
  fwmemtrace diff before.bin after.bin --fail-above 5%
  fwmemtrace diff before.bin after.bin --before before-2.bin --before before-3.bin --format html -o diff.html"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "diff",
        help="show what changed between two traces",
        description="Show what changed between two traces: by process and phase, by kind of memory and by stack. "
        "Differences that exceed noise come first. Noise is measured where a side has several runs, by --before and "
        "--after or as the repeats of a suite; else it is estimated.",
        epilog=_EXAMPLES,
    )
    parser.add_argument("before", metavar="before.bin", help="the earlier trace")
    parser.add_argument("after", metavar="after.bin", help="the later trace")
    for side in ("before", "after"):
        parser.add_argument(
            f"--{side}",
            dest=f"more_{side}",
            action="append",
            default=[],
            metavar="FILE",
            help=f"another run of the program of {side}.bin; can be repeated",
        )
    parser.add_argument(
        "--fail-above",
        metavar="SIZE|PERCENT",
        help="exit with status 1 if RSS grows by more than this anywhere, such as 20MB or 5%%",
    )
    parser.add_argument(
        "--format", default="text", metavar="|".join(_FORMATS), help="the output format (default: text)"
    )
    parser.add_argument("-o", "--output", metavar="FILE", help="the file to write (default: stdout)")
    parser.add_argument("--top", type=int, default=10, metavar="N", help="rows of each table (default: 10)")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison; the status is 1 if growth exceeds `--fail-above`."""
    if arguments.format not in _FORMATS:
        raise SettingsError(unknown_name("format", arguments.format, _FORMATS))
    threshold = None if arguments.fail_above is None else parse_share_or_bytes(arguments.fail_above)
    comparison = compare(
        _runs([arguments.before, *arguments.more_before]), _runs([arguments.after, *arguments.more_after])
    )
    out.write(_text(comparison, arguments), arguments.output)
    if threshold is None:
        return 0
    exceeded = exceeding(comparison, threshold)
    for line in threshold_lines(exceeded, arguments.fail_above):
        out.complain(line)
    return 1 if exceeded else 0


def _text(comparison: Comparison, arguments: argparse.Namespace) -> str:
    if arguments.format == "json":
        return write_json(comparison)
    document = difference_document(comparison, arguments.top)
    return FORMATS[arguments.format](document, out.options(arguments.output, arguments.top, width=120))


def _runs(files: Sequence[str]) -> list[RunOfTrace]:
    return [run_of_trace(read(file)) for file in files]
