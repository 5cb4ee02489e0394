"""Reads how much of the time tasks waited for memory; see the kernel's Documentation/accounting/psi.rst."""

from __future__ import annotations

from ..foreign_errors import pass_on
from .cgroup import Group
from .held_reads import read_at_once

_OF_THE_MACHINE = "/proc/pressure/memory"


def memory_pressure(around: list[Group]) -> float | None:
    """Return the share of the last ten seconds in which at least one task waited for memory.

    Args:
        around: the control groups of this process, the innermost first: the first that counts pressure is read, or else
            the whole machine.

    Returns:
        None where the kernel does not count it.
    """
    for path in (*(f"{group.folder}/memory.pressure" for group in around), _OF_THE_MACHINE):
        try:
            return parse(read_at_once(path))
        except (OSError, ValueError) as error:
            pass_on(error)
            continue
    return None


def parse(text: bytes) -> float:
    """Return `avg10` of the line `some` as a fraction.

    >>> parse(b"some avg10=12.50 avg60=3.00 avg300=1.00 total=7127201")
    0.125
    """
    for line in text.splitlines():
        kind, _, rest = line.partition(b" ")
        if kind == b"some" and rest.startswith(b"avg10="):
            return float(rest[len(b"avg10=") :].split()[0]) / 100
    raise ValueError(f"{text[:100]!r} has no average of 10 seconds")
