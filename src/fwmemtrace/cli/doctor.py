"""`doctor`: which probes work here, and for those that don't, why and what to do."""

from __future__ import annotations

import argparse
import os
import sys

from .. import __version__, plugins
from ..records import Note
from ..session import session
from ..sinks.memory import MemorySink


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "doctor", help="say which probes work here", description="Start each probe for real and say what came of it."
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Try every probe."""
    print(f"fwmemtrace {__version__}, Python {sys.version.split()[0]}, {sys.platform}, {os.cpu_count()} processors")
    names = plugins.names("fwmemtrace.probes")
    width = max(map(len, names))
    for name in names:
        print(f"  {name:{width}}  {diagnosis(name)}")
    return 0


def diagnosis(name: str) -> str:
    """Start one probe in a session of its own, and say what it noted."""
    import warnings

    sink = MemorySink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with session(sink, probes=[name], interval=0):
            pass
    notes = [record.message for record in sink.records if isinstance(record, Note)]
    return "works" if not notes else "; ".join(notes)
