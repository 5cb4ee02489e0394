"""The memory limit of a component's process: a control group where one can be made, the address space elsewhere."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from ..errors import SuiteError
from ..system import cgroup

_GONE_S = 2.0  # what was killed leaves its group within milliseconds, unless it hangs in the kernel


class CgroupLimit:
    """A control group (version 2) of its own for each process.

    Args:
        parent: the folder of a control group that hands the memory controller on to its children.
    """

    how = "cgroup"

    def __init__(self, parent: Path) -> None:
        self._parent = parent

    def enter(self, pid: int, limit: int) -> Path:
        """Put a process into a new group with that limit in bytes; returns the group's folder.

        Raises:
            SuiteError: if the kernel refuses the group, the limit or the process.
        """
        folder = self._parent / f"fwmemtrace-{pid}"
        try:
            with suppress(FileNotFoundError):
                folder.rmdir()  # of an earlier process of this number, with what the kernel counted for it
            folder.mkdir()
            (folder / "memory.max").write_text(str(limit))
            with suppress(OSError):
                (folder / "memory.swap.max").write_text("0")
            (folder / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            with suppress(OSError):
                folder.rmdir()
            raise SuiteError(
                f"found that no control group for a process can be made in {self._parent} ({error.strerror}), expected "
                "a group below for each process with --memory-limit: leave --memory-limit out"
            ) from error
        return folder

    @staticmethod
    def was_hit(folder: Path) -> str:
        """What the kernel killed in the group for its memory, in words; "" if it killed nothing."""
        try:
            words = (folder / "memory.events").read_text().split()
        except OSError:
            return ""
        events = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        if not events.get("oom_kill"):
            return ""
        # The group's own limit counts as "oom" here; one farther out, or the machine's end of memory, does not.
        if events.get("oom"):
            return "at its control group's limit"
        return "for want of memory farther out, not at the limit that the suite gave it"

    @staticmethod
    def leave(folder: Path) -> None:
        """Remove the group, with every process that is still in it: what a component leaves behind goes with it."""
        _kill_all(folder)
        over = time.monotonic() + _GONE_S
        while folder.exists() and time.monotonic() < over:
            try:
                folder.rmdir()
            except OSError:
                time.sleep(0.01)


def find_cgroup() -> CgroupLimit | None:
    """The limit by control group, where this process may make groups with memory limits; else None.

    A group other than the root that has processes cannot hand controllers on, so it is mostly a group around this
    process's own that can. A group's own limit is never left that way.
    """
    for group in cgroup.groups():
        if _may_make_groups(Path(group.folder)):
            return CgroupLimit(Path(group.folder))
        if cgroup.figure(group, "memory.max") is not None:
            return None
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


def _may_make_groups(folder: Path) -> bool:
    """Whether groups with memory limits can be made below a group, and processes be moved there: tried, not asked."""
    try:
        handed_on = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    # A process may be moved by who may write the list of the group that is around both its old and its new one.
    if "memory" not in handed_on or not os.access(folder / "cgroup.procs", os.W_OK):
        return False
    trial = folder / f"fwmemtrace-{os.getpid()}-trial"
    try:
        trial.mkdir()
        trial.rmdir()
    except OSError:
        return False
    return True


def _kill_all(folder: Path) -> None:
    try:
        with open(folder / "cgroup.kill", "r+") as file:  # never to be made where the kernel has none
            file.write("1")
    except OSError:  # before Linux 5.14
        with suppress(OSError):
            for pid in map(int, (folder / "cgroup.procs").read_text().split()):
                if pid:  # 0 stands for a process that this one's pid namespace does not show
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
