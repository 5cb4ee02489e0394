"""How far RSS and its high-water mark may be from the page tables on this machine.

The kernel counts the resident pages of a process apart for each processor, and adds a processor's count to the common
one only when it has reached a batch. /proc/self/statm, VmHWM and getrusage read the common one. smaps and smaps_rollup
count pages, and are exact.
"""

from __future__ import annotations

import os

from .proc import PAGE_SIZE
from .threads import count_threads

_COUNTERS = 3  # MM_FILEPAGES, MM_ANONPAGES and MM_SHMEMPAGES, of which RSS is the sum
_PER_PROCESSOR_SINCE = (6, 2)  # mm_struct.rss_stat is a percpu_counter
_SMALLEST_BATCH = 32  # compute_batch_value in lib/percpu_counter.c: this, or twice the processors
_EVENTS = 64  # TASK_RSS_EVENTS_THRESH in mm/memory.c: before, each thread kept so many page faults to itself


def counter_slack() -> int:
    """Return the most by which the counters may be off in this process, in bytes; 0 where they are exact or unknown."""
    if not hasattr(os, "sched_getaffinity"):  # not Linux
        return 0
    online = os.cpu_count() or 1
    return slack_of(os.uname().release, online, len(os.sched_getaffinity(0)), count_threads(), PAGE_SIZE)


def slack_of(release: str, online: int, usable: int, threads: int, page_size: int) -> int:
    """Return the most by which the counters may be off, in bytes; 0 if the release is not that of a kernel.

    Args:
        release: of the kernel, such as "6.8.0-45-generic".
        online: processors of the machine.
        usable: processors that the process may run on.
        threads: threads of the process.
        page_size: in bytes.
    """
    numbers = release.split(".")[:2]
    if len(numbers) < 2 or not all(map(str.isdecimal, numbers)):
        return 0
    if tuple(map(int, numbers)) < _PER_PROCESSOR_SINCE:
        return _EVENTS * threads * page_size
    return _COUNTERS * max(_SMALLEST_BATCH, 2 * online) * usable * page_size
