"""The control groups (version 2) around this process, and the figures of their memory controllers.

The layout is that of the kernel's Documentation/admin-guide/cgroup-v2.rst. The mounts are asked, not guessed: a
container may see its group as "/", have a part of the tree mounted, or be in a group outside of what is mounted.
"""

from __future__ import annotations

import os
from typing import NamedTuple

PROC = "/proc/self"

_ESCAPED = {r"\040": " ", r"\011": "\t", r"\012": "\n", r"\134": "\\"}  # by the kernel in mountinfo, as octal numbers


class Group(NamedTuple):
    """One control group.

    Attributes:
        path: its name in /proc/self/cgroup, such as "/service/worker".
        folder: where its files are.
    """

    path: str
    folder: str


def groups(proc: str | None = None) -> list[Group]:
    """This process's own group, then those around it, as far out as this process can see.

    The list is empty where the system has no version 2, or none of its mounts shows this process's group.

    Args:
        proc: the folder of a process in /proc, this one's by default.
    """
    proc = PROC if proc is None else proc
    try:
        with open(f"{proc}/cgroup", encoding="utf-8", errors="replace") as file:
            own = next((line[3:].rstrip("\n") for line in file if line.startswith("0::")), None)
        with open(f"{proc}/mountinfo", encoding="utf-8", errors="replace") as file:
            mounts = _mounts(file.read())
    except OSError:
        return []
    if own is None:
        return []
    # The mount that starts farthest out shows the most limits.
    for point, root in sorted(mounts.items(), key=lambda mount: len(mount[1])):
        inside = _inside(own, root)
        if inside is not None and os.path.isdir("/".join([point, *inside])):
            above = [part for part in root.split("/") if part]
            return [
                Group("/" + "/".join([*above, *inside[:depth]]), "/".join([point, *inside[:depth]]))
                for depth in range(len(inside), -1, -1)
            ]
    return []


def counting(around: list[Group]) -> list[Group]:
    """Those from the one on that counts this process's memory: not every group has the memory controller.

    The list is empty for a process of the root group, which has no counts.
    """
    for position, group in enumerate(around):
        if os.path.exists(f"{group.folder}/memory.current"):
            return around[position:]
    return []


def tightest(around: list[Group]) -> tuple[int, Group] | None:
    """The smallest limit in bytes and the group that has it: every group around a process limits it."""
    limits = [(limit, group) for group in around if (limit := figure(group, "memory.max")) is not None]
    return min(limits, key=lambda found: found[0], default=None)


def figure(group: Group, name: str) -> int | None:
    """A figure of a group in bytes; None for "max", or where this kernel or this group has no such file."""
    try:
        with open(f"{group.folder}/{name}", encoding="ascii") as file:
            text = file.read().strip()
    except OSError:
        return None
    return int(text) if text.isdigit() else None


def _mounts(mountinfo: str) -> dict[str, str]:
    """The roots of version 2 hierarchies by mount point; of two mounts at one point the later one is to be seen."""
    mounts = {}
    for line in mountinfo.splitlines():
        fields, _, rest = line.partition(" - ")
        if rest.startswith("cgroup2 "):
            root, point = (_plain(field) for field in fields.split(" ")[3:5])
            mounts[point] = root
    return mounts


def _plain(text: str) -> str:
    for escaped, plain in _ESCAPED.items():
        text = text.replace(escaped, plain)
    return text


def _inside(path: str, root: str) -> list[str] | None:
    """The parts of a group's path below a mount's root; None if it is not below.

    Both begin with ".." for what lies outside this process's cgroup namespace.
    """
    parts, above = ([part for part in text.split("/") if part] for text in (path, root))
    inside = parts[len(above) :]
    return inside if parts[: len(above)] == above and ".." not in inside else None
