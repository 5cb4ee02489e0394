"""What the kernel counts for each thread of this process: page faults and processor time."""

from __future__ import annotations

import os
import sys
import time

from . import proc
from .held_reads import HeldReads

_MINOR_FAULTS, _MAJOR_FAULTS = 7, 9  # fields behind the thread's name; see proc_pid_stat(5)
# The clock of a thread's processor time: MAKE_THREAD_CPUCLOCK in linux/posix-timers.h, of the kind CPUCLOCK_SCHED.
_PER_THREAD_SCHED = 6


def processor_time_ns(native_id: int) -> int | None:
    """Return the processor time of a thread of this process; None if it has ended, or where there is no such clock.

    Args:
        native_id: see `threading.Thread.native_id`.
    """
    if sys.platform != "linux":
        return None
    try:
        return time.clock_gettime_ns((~native_id << 3) | _PER_THREAD_SCHED)
    except OSError:
        return None


def page_faults(native_id: int, files: HeldReads) -> int | None:
    """Return the page faults of a thread since it began; None if it has ended, or where there is no /proc.

    Args:
        native_id: see `threading.Thread.native_id`.
        files: reads /proc/self/task/*/stat.
    """
    try:
        # The name is in parentheses and may hold any character.
        fields = files.read(_name_of(native_id)).rpartition(b")")[2].split()
        return int(fields[_MINOR_FAULTS]) + int(fields[_MAJOR_FAULTS])
    except (OSError, IndexError):
        return None


def count_threads() -> int:
    """Return the number of threads of this process, those that Python does not know too; 0 where there is no /proc."""
    try:
        return len(os.listdir(proc.path_of("task")))
    except OSError:
        return 0


def file_of(native_id: int, files: HeldReads) -> int:
    """Return the descriptor of the file that `page_faults` reads.

    Args:
        native_id: see `threading.Thread.native_id`.
        files: what `page_faults` was given.

    Raises:
        OSError: if the thread has ended.
    """
    return files.number(_name_of(native_id))


def forget(native_id: int, files: HeldReads) -> None:
    """Close the file of a thread that has ended.

    Args:
        native_id: see `threading.Thread.native_id`.
        files: what `page_faults` was given.
    """
    files.drop(_name_of(native_id))


def _name_of(native_id: int) -> str:
    return f"task/{native_id}/stat"
