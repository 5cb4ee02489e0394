"""The program of a fresh interpreter: `python -m fwmemtrace.suite.child TASK`, TASK being the file of a `ChildTask`.

With `--list SPEC ANSWER` it writes the entries of a suite instead.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from .protocol import ChildStatus, ChildTask


def main(arguments: list[str]) -> int:
    """Runs the task. The exit status is 0 even if the component fails: the status file says so."""
    if arguments[0] == "--list":
        from .listing import list_entries

        Path(arguments[2]).write_bytes(msgspec.json.encode(list_entries(arguments[1])))
        return 0
    task = msgspec.json.decode(Path(arguments[0]).read_bytes(), type=ChildTask)
    if task.parent and not ends_with(task.parent):
        return 1
    while task.wait_for and not os.path.exists(task.wait_for):  # until it is in its control group
        time.sleep(0.001)
    if task.address_space:
        from .limits import limit_address_space

        limit_address_space(task.address_space)
    if task.way:
        return try_way(task)
    from .stage_runner import StageRunner

    StageRunner(task).run()
    return 0


def try_way(task: ChildTask) -> int:
    """Runs a model in one way, and writes how that ended."""
    from .listing import describe
    from .models.measure import measure_way

    status = ChildStatus(stage="model", outcome="ok")
    try:
        measure_way(task.way, Path(task.folder), task.calls, task.spec)
    except Exception as error:
        status = ChildStatus(stage="model", outcome="raised", message=describe(error))
    Path(task.status_file).write_bytes(msgspec.json.encode(status))
    return 0


def ends_with(parent: int) -> bool:
    """Asks Linux to kill this process as soon as its parent has ended; returns whether the parent is still there."""
    if sys.platform == "linux":
        import ctypes

        kill, on_parents_death = 9, 1  # SIGKILL, PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(on_parents_death, kill)
    return not hasattr(os, "getppid") or os.getppid() == parent


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
