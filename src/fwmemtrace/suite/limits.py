"""Memory limits for the processes of a suite: a control group for each if one can be made, else RLIMIT_AS."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from ..errors import SuiteError
from ..system import cgroup

_GONE_S = 2.0  # killed processes leave their group within milliseconds, unless they hang in the kernel


class CgroupLimit:
    """Makes a control group (version 2) for each process.

    Args:
        parent: the folder of a control group that delegates the memory controller to its children.
    """

    how = "cgroup"

    def __init__(self, parent: Path) -> None:
        self._parent = parent

    def enter(self, pid: int, limit: int) -> Path:
        """Moves a process into a new group.

        Args:
            pid: the process.
            limit: memory limit of the group, in bytes.

        Returns:
            The folder of the group.

        Raises:
            SuiteError: if the kernel refuses the group, the limit or the process.
        """
        folder = self._parent / f"fwmemtrace-{pid}"
        try:
            with suppress(FileNotFoundError):
                folder.rmdir()  # of an earlier process with this pid
            folder.mkdir()
            (folder / "memory.max").write_text(str(limit))
            with suppress(OSError):
                (folder / "memory.swap.max").write_text("0")
            (folder / "cgroup.procs").write_text(str(pid))
        except OSError as error:
            with suppress(OSError):
                folder.rmdir()
            raise SuiteError(
                f"cannot make a control group in {self._parent} ({error.strerror}); leave out --memory-limit"
            ) from error
        return folder

    @staticmethod
    def killed(folder: Path) -> str:
        """Returns at which limit the out-of-memory killer killed a process of the group, in words; "" if it did not."""
        try:
            words = (folder / "memory.events").read_text().split()
        except OSError:
            return ""
        events = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        if not events.get("oom_kill"):
            return ""
        # Reaching the group's own limit counts as "oom"; an outer limit, or the end of the machine's memory, does not.
        if events.get("oom"):
            return "at its control group's limit"
        return "at the limit of an outer control group or of the machine, not at that of the suite"

    @staticmethod
    def leave(folder: Path) -> None:
        """Kills every process that a component left in the group, and removes the group."""
        _kill_all(folder)
        over = time.monotonic() + _GONE_S
        while folder.exists() and time.monotonic() < over:
            try:
                folder.rmdir()
            except OSError:
                time.sleep(0.01)


def find_cgroup() -> CgroupLimit | None:
    """Returns the limit by control group; None if this process may not make groups with memory limits.

    A group with processes cannot delegate controllers, unless it is the root, so this is usually a group around this
    process's own. A group that has a limit is not left for an outer one.
    """
    for group in cgroup.groups():
        if _may_make_groups(Path(group.folder)):
            return CgroupLimit(Path(group.folder))
        if cgroup.figure(group, "memory.max") is not None:
            return None
    return None


def limit_address_space(limit: int) -> None:
    """Limits this process's address space (RLIMIT_AS), which counts reserved and mapped memory, resident or not.

    Raises:
        SuiteError: if the operating system has no such limit.
    """
    try:
        import resource
    except ImportError as error:
        raise SuiteError(
            "cannot limit memory on this system, which has no control groups and no RLIMIT_AS; leave out --memory-limit"
        ) from error
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _may_make_groups(folder: Path) -> bool:
    """Returns whether groups with memory limits can be made below a group and processes moved there, by trying it."""
    try:
        delegated = (folder / "cgroup.subtree_control").read_text().split()
    except OSError:
        return False
    # Moving a process takes write access to the process list of the group around its old and its new group.
    if "memory" not in delegated or not os.access(folder / "cgroup.procs", os.W_OK):
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
        with open(folder / "cgroup.kill", "r+") as file:  # never created, on kernels without it
            file.write("1")
    except OSError:  # before Linux 5.14
        with suppress(OSError):
            for pid in map(int, (folder / "cgroup.procs").read_text().split()):
                if pid:  # 0 stands for a process outside this pid namespace
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
