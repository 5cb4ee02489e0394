"""`doctor`: which probes work here, and for those that don't, why and what to do; and what limits memory here."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys

from .. import __version__, plugins
from ..recording.session import session
from ..records import Note
from ..suite.limits import find_cgroup
from ..system import cgroup
from ..trace import read
from ..units import format_bytes


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="say which probes work here",
        description="Start each probe for real and say what came of it; then what limits memory here.",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Try every probe."""
    print(f"fwmemtrace {__version__}, Python {sys.version.split()[0]}, {sys.platform}, {os.cpu_count()} processors")
    names = plugins.names("fwmemtrace.probes")
    width = max(map(len, names))
    for name in names:
        print(f"  {name:{width}}  {diagnosis(name)}")
    print(f"memory limit of this process: {limit_here()}")
    print(f"suite --memory-limit: {limit_of_suites()}")
    return 0


def limit_here() -> str:
    """What the control groups around this process limit it to."""
    around = cgroup.counting(cgroup.groups())
    found = cgroup.tightest(around)
    if found is None:
        return "none of a control group" if around else "no control group (version 2) that counts memory"
    limit, group = found
    whose = "its control group" if group is around[0] else "a control group around it"
    return f"{format_bytes(limit)}, that of {whose}: {group.path}"


def limit_of_suites() -> str:
    """How a suite would limit its processes here."""
    if find_cgroup() is not None:
        return "a control group for each process"
    if importlib.util.find_spec("resource") is None:
        return "cannot be had here"
    return "RLIMIT_AS for each process, as no control group can be made; it counts address space, not resident memory"


def diagnosis(name: str) -> str:
    """Start one probe in a session of its own, and say what it noted."""
    import tempfile
    import warnings
    from pathlib import Path

    # Into a trace file, as most sessions do: elsewhere memray's capture has no place to go.
    with tempfile.TemporaryDirectory(prefix="fwmemtrace-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "trace.bin"
        with session(path, probes=[name], interval=0):
            pass
        notes = [record.message for record in read(path) if isinstance(record, Note)]
    return "works" if not notes else "; ".join(notes)
