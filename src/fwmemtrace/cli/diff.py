"""`diff`: compares two traces phase by phase."""

from __future__ import annotations

import argparse

from ..analysis.comparison import compare
from ..reports.difference import difference_document
from ..reports.terminal import write_text
from ..trace import read
from . import output as out


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "diff",
        help="show what changed between two traces",
        description="Show what changed between two traces, phase by phase.",
    )
    parser.add_argument("before", metavar="before.bin", help="the earlier trace")
    parser.add_argument("after", metavar="after.bin", help="the later trace")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison."""
    changes = compare(read(arguments.before).summary(), read(arguments.after).summary())
    out.write(write_text(difference_document(changes), out.options(None, 0, width=120)), None)
    return 0
