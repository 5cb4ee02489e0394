"""Folds the limits of memory that were in force, and how much of them was used."""

from __future__ import annotations

import msgspec

from .. import results
from ..records import AddressSpaceLimit, CgroupReading, Sample


class LimitsFold:
    """Keeps the latest limits of a process, and the most that was used of each.

    Attributes:
        cgroup: the control group; None without a reading of one.
    """

    def __init__(self) -> None:
        self.cgroup: results.Cgroup | None = None
        self._address_space: results.AddressSpace | None = None

    def control_group(self, record: CgroupReading) -> None:
        """Add a reading of the control group."""
        before = self.cgroup
        current, peak, around = record.current_bytes, record.peak_bytes, record.limit_current_bytes
        if before is not None:
            current = max(before.current_bytes, current)
            peak = _larger(before.peak_bytes, peak)
            if before.limit_group == (record.limit_group or None):
                around = _larger(before.limit_current_bytes, around)
        self.cgroup = results.Cgroup(
            current_bytes=current,
            peak_bytes=peak,
            limit_bytes=record.limit_bytes,
            limit_group=record.limit_group or None,
            limit_current_bytes=around,
        )

    def address_space_limit(self, record: AddressSpaceLimit) -> None:
        """Add the limit of address space, which may have been lifted."""
        self._address_space = None
        if record.limit_bytes is not None:
            self._address_space = results.AddressSpace(limit_bytes=record.limit_bytes, used_bytes=record.used_bytes)

    def sample(self, record: Sample) -> None:
        """Add a point of the timeline: address space may be used more than at the reading of its limit."""
        if self._address_space is not None:
            self._address_space.used_bytes = max(self._address_space.used_bytes, record.vms_bytes)

    @property
    def address_space(self) -> results.AddressSpace | None:
        """The limit of address space; None if there is none. A snapshot: later records do not change it."""
        return None if self._address_space is None else msgspec.structs.replace(self._address_space)


def _larger(one: int | None, other: int | None) -> int | None:
    return max((figure for figure in (one, other) if figure is not None), default=None)
