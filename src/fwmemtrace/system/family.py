"""Which processes belong together though nobody told them, as workers that one process forked; and which still run."""

from __future__ import annotations

import os
import sys

from ..foreign_errors import pass_on
from .held_reads import read_at_once

_PARENT, _STARTED, _STACK = 1, 19, 25  # fields behind the process's name; see proc_pid_stat(5)
_DEEPEST = 32
_DEAD = (b"Z", b"X")  # states of processes that have ended


def family() -> str:
    """Return what all processes have in common that one process forked or started through multiprocessing.

    A server such as gunicorn forks workers that each import the program; their common ancestor may not import this
    package at all. Programs that a shell starts one after another have different families.

    Returns:
        Text that names the machine's boot, the namespace of process ids, and the common ancestor's id and start time;
        empty where there is no /proc.
    """
    try:
        pid = os.getpid()
        fields = _fields(pid)
        for _ in range(_DEEPEST):
            parent = _parent(pid, fields)
            if parent is None:
                break
            pid, fields = parent
        return f"{_machine()}-{pid}-{fields[_STARTED].decode()}"
    except (OSError, IndexError, ValueError) as error:
        pass_on(error)
        return ""


def is_running(pid: int, its_family: str, time_ns: int) -> bool:
    """Return whether a process is still there; False also if it cannot be told, as on another machine.

    Args:
        pid: its process id.
        its_family: what `family` returned in it.
        time_ns: when it was there, by the monotonic clock: a process that began later has only the same id.
    """
    try:
        if its_family.split("-")[:2] != _machine().split("-"):
            return False
        fields = _fields(pid)
        started_ns = int(fields[_STARTED]) / os.sysconf("SC_CLK_TCK") * 1e9
        return fields[0] not in _DEAD and started_ns <= time_ns
    except (OSError, IndexError, ValueError) as error:
        pass_on(error)
        return False


def _machine() -> str:
    boot = read_at_once("/proc/sys/kernel/random/boot_id").decode().strip()
    return f"{boot[:8]}-{os.stat('/proc/self/ns/pid').st_ino}"


def _parent(pid: int, fields: list[bytes]) -> tuple[int, list[bytes]] | None:
    """Return the process that forked this one; None if it was started by exec, which gives it a stack elsewhere."""
    if pid == os.getpid():
        process = sys.modules.get("multiprocessing.process")
        parent = None if process is None else process.parent_process()
        if parent is not None and parent.pid is not None:
            return parent.pid, _fields(parent.pid)
    forked_by = int(fields[_PARENT])
    if forked_by <= 0:
        return None
    theirs = _fields(forked_by)
    if theirs[_STACK] != fields[_STACK] or int(fields[_STACK]) == 0:  # 0 is what the kernel tells strangers
        return None
    return forked_by, theirs


def _fields(pid: int) -> list[bytes]:
    return read_at_once(f"/proc/{pid}/stat").rpartition(b")")[2].split()
