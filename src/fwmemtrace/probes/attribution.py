"""Changes of RSS that one probe accounts for exactly, kept out of what another one estimates."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

_MOST_CHANGES = 10_000


class Accounted:
    """What probes account for at one moment.

    A probe may still be watching something, such as an import. All that RSS changes by while it does is its own.

    Args:
        closed_bytes: all changes that are settled.
        open_since: RSS in bytes when what is being watched was last looked at; None if nothing is.
    """

    __slots__ = ("closed_bytes", "open_since")

    def __init__(self, closed_bytes: int, open_since: int | None = None) -> None:
        self.closed_bytes = closed_bytes
        self.open_since = open_since

    def bytes_at(self, rss: int) -> int:
        """Return the bytes accounted for, given RSS at that same moment."""
        return self.closed_bytes + (0 if self.open_since is None else rss - self.open_since)


class Attribution:
    """What a session's probes account for, of all that RSS has changed by. Each session has one."""

    __slots__ = ("_changes", "_source")

    def __init__(self) -> None:
        self._source: Callable[[], Accounted] | None = None
        self._changes: deque[tuple[int, Accounted]] | None = None

    def ask(self, source: Callable[[], Accounted]) -> None:
        """From now on, ask this function for what is accounted for."""
        self._source = source

    def now(self) -> Accounted:
        """Return what is accounted for at this moment. RSS has to be read right afterwards."""
        return Accounted(0) if self._source is None else self._source()

    def follow(self) -> None:
        """Keep changes from now on, for `take_changes`."""
        self._changes = deque(maxlen=_MOST_CHANGES)

    def changed(self, time_ns: int) -> None:
        """Take note that something else is accounted for from this moment on."""
        if self._changes is not None:
            self._changes.append((time_ns, self.now()))

    def take_changes(self) -> list[tuple[int, Accounted]]:
        """Return what has changed since the last call, with the times in nanoseconds, the earliest first."""
        changes = []
        while self._changes:
            changes.append(self._changes.popleft())
        return changes
