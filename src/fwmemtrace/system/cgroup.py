"""Finds the control groups around this process and reads the figures of their memory controllers.

The layout is that of the kernel's Documentation/admin-guide/cgroup-v2.rst; where the memory controller is still in
version 1, that of Documentation/admin-guide/cgroup-v1/memory.rst. The mount points are read rather than
assumed: a container may see its group as "/", have only a part of the tree mounted, or be in a group outside of it.
"""

from __future__ import annotations

import os
from typing import NamedTuple

from ..foreign_errors import pass_on
from . import proc
from .held_reads import read_at_once

_ESCAPED = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}  # the kernel's octal escapes in mountinfo


_IN_VERSION_1 = {
    "memory.current": "memory.usage_in_bytes",
    "memory.peak": "memory.max_usage_in_bytes",
    "memory.max": "memory.limit_in_bytes",
}
_NO_LIMIT = 1 << 62  # version 1 has a number for "max", which depends on the size of pages


class Group(NamedTuple):
    """One control group.

    Attributes:
        path: its name in /proc/self/cgroup, such as "/service/worker".
        folder: the folder of its files.
        version: of control groups; those of version 1 have files of other names.
    """

    path: str
    folder: str
    version: int = 2


def groups(process: str | None = None) -> list[Group]:
    """Return this process's own group of version 2, then the groups around it, as far out as this process can see.

    Args:
        process: the folder of a process in /proc; this one's by default.

    Returns:
        An empty list where the system has no version 2, or no mount shows this process's group.
    """
    return _around(proc.PROC if process is None else process, "")


def memory_groups(process: str | None = None) -> list[Group]:
    """Return the groups around this process that count its memory, of either version, the innermost first.

    Args:
        process: the folder of a process in /proc; this one's by default.
    """
    process = proc.PROC if process is None else process
    found = counting(_around(process, ""))
    if not found:
        found = counting(_around(process, "memory"))
        # The root group of version 1 counts the whole machine. In a container, it is the container's, with its limit.
        if found and found[-1].path == "/" and figure(found[-1], "memory.max") is None:
            del found[-1]
    return found


def _around(process: str, controller: str) -> list[Group]:
    """Return the groups of a controller of version 1, or of version 2 if it is ""."""
    try:
        lines = read_at_once(f"{process}/cgroup").decode(errors="replace").splitlines()
        entries = [line.split(":", 2) for line in lines]
        own = next((entry[2] for entry in entries if controller in entry[1].split(",")), None)
        mounts = _mounts(read_at_once(f"{process}/mountinfo").decode(errors="replace"), controller)
    except (OSError, IndexError) as error:
        pass_on(error)
        return []
    if own is None:
        return []
    # The mount with the outermost root shows the most limits.
    for point, root in sorted(mounts.items(), key=lambda mount: len(mount[1])):
        inside = _inside(own, root)
        version = 1 if controller else 2
        if inside is not None and os.path.isdir("/".join([point, *inside])):
            above = [part for part in root.split("/") if part]
            return [
                Group("/" + "/".join([*above, *inside[:depth]]), "/".join([point, *inside[:depth]]), version)
                for depth in range(len(inside), -1, -1)
            ]
    return []


def counting(around: list[Group]) -> list[Group]:
    """Return the groups from the innermost one that counts memory outwards.

    Not every group has the memory controller, and the root group has no counts: for its processes the list is empty.
    """
    for position, group in enumerate(around):
        if os.path.exists(_file(group, "memory.current")):
            return around[position:]
    return []


def tightest(around: list[Group]) -> tuple[int, Group] | None:
    """Return the smallest limit in bytes and its group, since every group around a process limits it."""
    limits = [(limit, group) for group in around if (limit := figure(group, "memory.max")) is not None]
    return min(limits, key=lambda pair: pair[0], default=None)


def figure(group: Group, name: str) -> int | None:
    """Read a figure of a group in bytes; None for "max", or where this kernel or this group has no such file."""
    try:
        text = read_at_once(_file(group, name)).strip()
    except OSError as error:
        pass_on(error)
        return None
    return int(text) if text.isdigit() and int(text) < _NO_LIMIT else None


def _file(group: Group, name: str) -> str:
    return f"{group.folder}/{_IN_VERSION_1.get(name, name) if group.version == 1 else name}"


def _mounts(mountinfo: str, controller: str) -> dict[str, str]:
    """Return the roots of hierarchies by mount point; of two mounts at one point the later one is visible."""
    mounts = {}
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        kind, _, options = rest.partition(" ")
        if (
            kind == "cgroup2"
            if not controller
            else kind == "cgroup" and controller in options.split(" ")[-1].split(",")
        ):
            root, point = (_unescaped(field) for field in fields.split(" ")[3:5])
            mounts[point] = root
    return mounts


def _unescaped(text: str) -> str:
    for escaped, plain in _ESCAPED.items():
        text = text.replace(escaped, plain)
    return text


def _inside(path: str, root: str) -> list[str] | None:
    """Return the parts of a group's path below a mount's root; None if it is not below it.

    Either begins with ".." where it lies outside of this process's cgroup namespace.
    """
    parts, above = ([part for part in text.split("/") if part] for text in (path, root))
    inside = parts[len(above) :]
    return inside if parts[: len(above)] == above and ".." not in inside else None
