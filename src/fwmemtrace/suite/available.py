"""How much memory there is for further processes."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from ..system import cgroup, proc


def available_memory() -> int:
    """Returns the bytes that processes can still take: of the machine, and of each control group; 0 if unknown."""
    room: list[int] = []
    with suppress(OSError, ValueError, IndexError):
        lines = Path(proc.PROC).parent.joinpath("meminfo").read_text().splitlines()
        room += [int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")]
    for group in cgroup.groups():
        with suppress(OSError, ValueError):  # "max" is no limit
            limit = int(Path(group.folder, "memory.max").read_text())
            room.append(max(limit - int(Path(group.folder, "memory.current").read_text()), 0))
    return min(room, default=0)
