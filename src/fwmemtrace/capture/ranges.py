"""Mapped ranges of address space, of which munmap may take away any part."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any

# Ranges are found by their start. One longer than this could start far before an address, and is checked each time.
_LONG = 64 * 2**20


class AddressRange:
    """What one call mapped, or is left of it.

    Attributes:
        start: its first address.
        end: the address behind it.
        owner: any object that the caller of `RangeMap.add` wants to find again.
    """

    __slots__ = ("end", "owner", "start")

    def __init__(self, start: int, end: int, owner: Any) -> None:
        self.start = start
        self.end = end
        self.owner = owner

    @property
    def size(self) -> int:
        """Its bytes."""
        return self.end - self.start


class RangeMap:
    """The ranges that are mapped.

    They may overlap (`MAP_FIXED`): like memray, it keeps both then, and unmapping takes from every range that it
    touches.
    """

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._short: list[AddressRange] = []
        self._long: list[AddressRange] = []
        # The longest short range that overlaps another. Mostly none does: then the range that holds an address is the
        # last to start before it, and no other has to be checked.
        self._reach = 0

    def __iter__(self) -> Iterator[AddressRange]:
        yield from self._short
        yield from self._long

    def add(self, start: int, size: int, owner: Any) -> AddressRange | None:
        """Add a range and return it; None if it has no bytes."""
        if size <= 0:
            return None
        added = AddressRange(start, start + size, owner)
        self._insert(added)
        return added

    def remove(self, start: int, size: int) -> list[tuple[AddressRange, int]]:
        """Unmap a stretch of address space.

        Returns:
            Each range that lost bytes, as it was before, and how many it lost.
        """
        end = start + size
        if size <= 0:
            return []
        position = self._before(start)
        touched = []
        while position < len(self._starts) and self._starts[position] < end:
            found = self._short[position]
            if found.end > start:
                touched.append(found)
                del self._short[position], self._starts[position]
            else:
                position += 1
        if self._long:
            for found in [long for long in self._long if long.start < end and long.end > start]:
                touched.append(found)
                self._long.remove(found)
        lost = []
        for found in touched:
            lost.append((found, min(end, found.end) - max(start, found.start)))
            if found.start < start:
                self._insert(AddressRange(found.start, start, found.owner))
            if found.end > end:
                self._insert(AddressRange(end, found.end, found.owner))
        return lost

    def touches(self, start: int, size: int) -> bool:
        """Return whether any byte of a stretch is mapped."""
        if size <= 0:
            return False
        end = start + size
        position = self._before(start)
        while position < len(self._starts) and self._starts[position] < end:
            if self._short[position].end > start:
                return True
            position += 1
        return any(long.start < end and long.end > start for long in self._long)

    def _before(self, start: int) -> int:
        """Return the position of the first short range that may reach beyond an address."""
        position = bisect_right(self._starts, start) - 1
        if self._reach:
            position = min(position, bisect_left(self._starts, start - self._reach))
        return max(0, position)

    def _insert(self, new: AddressRange) -> None:
        if new.size > _LONG:
            self._long.append(new)
            return
        position = bisect_left(self._starts, new.start)
        for near in self._short[max(0, position - 1) : position + 1]:
            if near.start < new.end and new.start < near.end:
                self._reach = max(self._reach, near.size, new.size)
        self._starts.insert(position, new.start)
        self._short.insert(position, new)
