"""The memory limit of a component's process: a control group where one can be made, the address space elsewhere."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from ..errors import SuiteError

CGROUP_ROOT = Path("/sys/fs/cgroup")


class CgroupLimit:
    """A control group (version 2) of its own for each process, below that of this process.

    Args:
        parent: the folder of a control group that hands the memory controller on to its children.
    """

    how = "cgroup"

    def __init__(self, parent: Path) -> None:
        self._parent = parent

    def enter(self, pid: int, limit: int) -> Path:
        """Put a process into a new group with that limit in bytes; returns the group's folder."""
        folder = self._parent / f"fwmemtrace-{pid}"
        folder.mkdir()
        (folder / "memory.max").write_text(str(limit))
        with suppress(OSError):
            (folder / "memory.swap.max").write_text("0")
        (folder / "cgroup.procs").write_text(str(pid))
        return folder

    @staticmethod
    def was_hit(folder: Path) -> bool:
        """Whether the kernel killed something in the group for its memory."""
        try:
            words = (folder / "memory.events").read_text().split()
        except OSError:
            return False
        return "oom_kill" in words and int(words[words.index("oom_kill") + 1]) > 0

    @staticmethod
    def leave(folder: Path) -> None:
        """Remove the group, which must have no process left."""
        with suppress(OSError):
            folder.rmdir()


def find_cgroup(own: str | None = None) -> CgroupLimit | None:
    """The limit by control group, where this process may make groups with memory limits; else None."""
    try:
        lines = (Path("/proc/self/cgroup").read_text() if own is None else own).splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith("0::"):
            folder = CGROUP_ROOT / line[3:].strip().lstrip("/")
            try:
                handed_on = (folder / "cgroup.subtree_control").read_text().split()
            except OSError:
                return None
            if "memory" in handed_on and os.access(folder, os.W_OK):
                return CgroupLimit(folder)
    return None


def limit_address_space(limit: int) -> None:
    """Limit this process's address space (RLIMIT_AS), which counts what is reserved and mapped, not what is resident.

    Raises:
        SuiteError: where the operating system has no such limit.
    """
    try:
        import resource
    except ImportError as error:
        raise SuiteError(
            "found no way to limit memory here, expected control groups or RLIMIT_AS: leave --memory-limit out"
        ) from error
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
