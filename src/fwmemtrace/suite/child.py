"""The program of a fresh interpreter: `python -m fwmemtrace.suite.child TASK`, TASK being the file of a `ChildTask`.

With `--list SPEC ANSWER` it writes the entries of a suite instead.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

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
        return unrecorded(task, "model", lambda: try_way(task))
    if task.purpose == "forks":
        from .forks import measure_forks

        return unrecorded(task, "forks", lambda: measure_forks(task))
    from .stage_runner import StageRunner

    StageRunner(task).run()
    return 0


def try_way(task: ChildTask) -> None:
    """Runs a model in one way."""
    from .models.measure import measure_way

    measure_way(task.way, Path(task.folder), task.calls, task.spec)


def unrecorded(task: ChildTask, stage: str, work: Callable[[], None]) -> int:
    """Does work that needs no session, and writes how that ended."""
    from .listing import describe

    status = ChildStatus(stage=stage, outcome="ok")
    try:
        work()
    except Exception as error:
        status = ChildStatus(stage=stage, outcome="raised", message=describe(error))
    Path(task.status_file).write_bytes(msgspec.json.encode(status))
    return 0


def ends_with(parent: int) -> bool:
    """Asks Linux to kill this process as soon as its parent has ended; returns whether the parent is still there."""
    if sys.platform == "linux":
        import ctypes

        kill, on_parents_death = 9, 1  # SIGKILL, PR_SET_PDEATHSIG
        ctypes.CDLL(None).prctl(on_parents_death, kill)
    return not hasattr(os, "getppid") or os.getppid() == parent


def leave(status: int) -> NoReturn:
    """Ends the process without taking its objects apart, which takes a second with a large model; exit handlers run."""
    try:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # the component may have closed it
                stream.flush()
    finally:
        os._exit(status)


if __name__ == "__main__":
    leave(main(sys.argv[1:]))
