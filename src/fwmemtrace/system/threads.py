"""What the kernel counts for each thread of this process."""

from __future__ import annotations

import os
import threading

from . import proc

_MINOR_FAULTS, _MAJOR_FAULTS = 7, 9  # fields behind the thread's name; see proc_pid_stat(5)


def page_faults() -> dict[int, int]:
    """Return the page faults of each Python thread since it started, by its `threading.get_ident()`.

    They come from /proc/self/task/*/stat. Threads that Python does not know, or that end meanwhile, are left out; the
    result is empty where there is no /proc.
    """
    faults = {}
    for thread in threading.enumerate():
        if thread.ident is None or thread.native_id is None:
            continue
        try:
            with open(proc.path_of(f"task/{thread.native_id}/stat"), "rb") as file:
                # The name is in parentheses and may hold any character.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        faults[thread.ident] = int(fields[_MINOR_FAULTS]) + int(fields[_MAJOR_FAULTS])
    return faults


def count_threads() -> int:
    """Return the number of threads of this process, those that Python does not know too; 0 where there is no /proc."""
    try:
        return len(os.listdir(proc.path_of("task")))
    except OSError:
        return 0
