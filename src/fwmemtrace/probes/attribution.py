"""Changes of RSS that one probe accounts for exactly, kept out of what another one estimates."""

from __future__ import annotations

from collections.abc import Callable


class Attribution:
    """What a session's probes account for, of all that RSS has changed by. Each session has one."""

    __slots__ = ("_sources",)

    def __init__(self) -> None:
        self._sources: list[Callable[[int], int]] = []

    def add(self, source: Callable[[int], int]) -> None:
        """Ask this function from now on: given RSS now, it returns the bytes that it accounts for so far."""
        self._sources.append(source)

    def remove(self, source: Callable[[int], int]) -> None:
        """Ask it no more."""
        if source in self._sources:
            self._sources.remove(source)

    def bytes_at(self, rss: int) -> int:
        """Return the bytes that all sources account for until now, at this RSS."""
        return sum(source(rss) for source in self._sources)
