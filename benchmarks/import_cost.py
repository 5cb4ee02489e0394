"""What fwmemtrace adds to a process: RSS of the import, and of a session with `resident` alone."""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness import Row, fresh, in_turns

_RSS = """
import os
with open("/proc/self/statm") as statm:
    print(int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
"""
_IMPORT = "import fwmemtrace" + _RSS
_SESSION = (
    """
import sys
import fwmemtrace
fwmemtrace.start(sys.argv[1], overwrite=True)
for number in range(100):
    with fwmemtrace.phase("request", number=number):
        pass
"""
    + _RSS
)
_PROCESSES = 11


def run() -> list[Row]:
    """Compare fresh interpreters with a bare one."""
    imported = in_turns(lambda: fresh(_IMPORT), lambda: fresh(_RSS), _PROCESSES)
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "trace.bin")
        session = in_turns(lambda: fresh(_SESSION, path), lambda: fresh(_RSS), _PROCESSES)
    return [
        Row("import fwmemtrace / bare interpreter", *imported, target=2e6, unit="B", kind="added"),
        Row("session with resident / bare interpreter", *session, target=7e6, unit="B", kind="added"),
    ]
