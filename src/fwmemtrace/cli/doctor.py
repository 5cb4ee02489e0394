"""`doctor`: checks which probes work on this machine, and what limits memory."""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys

from .. import __version__, core, plugins
from ..recording.switch import session
from ..records import Note
from ..suite.limits import find_cgroup
from ..system import cgroup
from ..system.counter_slack import counter_slack
from ..trace import read
from ..units import format_bytes


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Register the command."""
    parser = subparsers.add_parser(
        "doctor",
        help="check which probes work on this machine",
        description="Start each probe to check whether it works on this machine, and show what limits memory.",
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    """Print what works."""
    print(f"fwmemtrace {__version__}, Python {sys.version.split()[0]}, {sys.platform}, {os.cpu_count()} processors")
    compiled, reason = core.load()
    print(f"compiled core: {reason if compiled is None else 'in use'}")
    names = plugins.names("fwmemtrace.probes")
    width = max(map(len, names))
    for name in names:
        print(f"  {name:{width}}  {diagnosis(name)}")
    print(f"RSS and its peaks: {rss_slack()}")
    print(f"memory limit of this process: {memory_limit()}")
    print(f"suite --memory-limit: {suite_limit()}")
    return 0


def rss_slack() -> str:
    """Return how far the kernel's counters may be from the page tables."""
    slack = counter_slack()
    if not slack:
        return "as the operating system reports them"
    return f"within {format_bytes(slack)} of the page tables (kernel {os.uname().release})"


def memory_limit() -> str:
    """Return the limit that control groups set for this process."""
    around = cgroup.memory_groups()
    tightest = cgroup.tightest(around)
    if tightest is None:
        return "none" if around else "unknown, there is no control group that counts memory"
    limit, group = tightest
    place = "its control group" if group is around[0] else "an outer control group"
    return f"{format_bytes(limit)}, set by {place} {group.path}"


def suite_limit() -> str:
    """Return how a suite would limit its processes."""
    if find_cgroup() is not None:
        return "uses a control group for each process"
    if importlib.util.find_spec("resource") is None:
        return "does not work on this system"
    return "limits address space, as no control group can be made"


def diagnosis(name: str) -> str:
    """Start one probe in a session of its own; return "works" or why it does not."""
    import tempfile
    import warnings
    from pathlib import Path

    # Into a trace file: with other sinks there is no place for memray's capture.
    with tempfile.TemporaryDirectory(prefix="fwmemtrace-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        path = Path(folder) / "trace.bin"
        with session(path, probes=[name], interval=0):
            pass
        notes = [record.message for record in read(path) if isinstance(record, Note)]
    return "works" if not notes else "; ".join(notes)
