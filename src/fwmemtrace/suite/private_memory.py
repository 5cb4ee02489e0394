"""Private memory of processes: of this one, and of those that a component has started."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress

from ..records import SuiteWorkers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def private_memory(pid: int) -> tuple[int, int]:
    """Returns the private pages of a process in bytes, and how many of them are clean, from smaps_rollup.

    Raises:
        OSError: if the process has ended, or the system has no such file.
    """
    sizes = {"Private_Clean:": 0, "Private_Dirty:": 0}
    with open(f"/proc/{pid}/smaps_rollup") as lines:
        for line in lines:
            name, value, *_ = line.split()
            if name in sizes:
                sizes[name] = 1024 * int(value)
    return sum(sizes.values()), sizes["Private_Clean:"]


class WorkerProcesses:
    """The processes below this one, by the component that started them."""

    def __init__(self) -> None:
        self._owners: dict[int, str] = {}

    def assign(self, component: str) -> None:
        """Attribute the processes that have appeared since the last call to a component."""
        for pid in _descendants(os.getpid()):
            self._owners.setdefault(pid, component)

    def measured(self) -> Iterator[SuiteWorkers]:
        """Yields what the processes of each component have, as far as they still run."""
        running = _descendants(os.getpid())
        for component in dict.fromkeys(self._owners.values()):
            sizes = []
            for pid, owner in self._owners.items():
                if owner == component and pid in running:
                    with suppress(OSError, ValueError):
                        sizes.append(private_memory(pid))
            # A process that has ended but was not waited for has no pages.
            if sizes := [size for size in sizes if size[0]]:
                private, clean = map(sum, zip(*sizes, strict=True))
                yield SuiteWorkers(component, len(sizes), private, clean)


def _descendants(pid: int) -> set[int]:
    """Returns the processes that a process started, and theirs; none where there is no /proc."""
    children: dict[int, list[int]] = defaultdict(list)
    with suppress(OSError):
        for name in os.listdir("/proc"):
            if name.isdigit():
                with suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as stat:
                    # The name of the program, in parentheses, may contain anything.
                    children[int(stat.read().rpartition(b")")[2].split()[1])].append(int(name))
    found: set[int] = set()
    waiting = children[pid]
    while waiting:
        child = waiting.pop()
        if child not in found:
            found.add(child)
            waiting += children.get(child, [])
    return found
