"""What a meter reads of this process.

A `Meter` only reads. The probe `resident` and the session decide which reading belongs to which phase.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, Protocol


class MemoryUsage(NamedTuple):
    """One full reading, in bytes; see smaps_rollup in proc_pid_smaps(5). `uss` and `pss` need a page-table walk."""

    rss: int
    vms: int
    uss: int
    pss: int
    swap: int


class Meter(Protocol):
    """Reads this process's memory."""

    peak_source: str  # "kernel": exact; "sampled": the largest of the readings
    peak_before: int  # the high-water mark when the meter was opened

    @property
    def rss(self) -> Callable[[], int]:
        """Return the resident bytes; the cheapest reading there is."""

    def page_faults(self) -> int:
        """Return the page faults of the process so far, without releasing the interpreter's lock; -1 if not counted."""

    def vms(self) -> int:
        """Return the bytes of address space."""

    def peak(self) -> int:
        """Return the high-water mark of RSS since the last `reset_peak`, in bytes."""

    def reset_peak(self) -> None:
        """Let the high-water mark start over from the present RSS."""

    def usage(self) -> MemoryUsage:
        """Take a full reading, which costs milliseconds in a big process."""

    def learn(self, usage: MemoryUsage) -> None:
        """Take over the result of a page-table walk made elsewhere just now, so that `usage` need not make another."""

    def close(self) -> None:
        """Close the files that are kept open."""

    def forget(self) -> None:
        """Close them in a forked child, where a thread of the parent may seem to be reading for ever."""
