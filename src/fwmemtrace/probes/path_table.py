"""What the traced process keeps for each phase path, for a limited number of paths."""

from __future__ import annotations

from typing import TypeVar

from ..tracing.phases import MOST_PATHS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..paths import PhasePath

V = TypeVar("V")


class PathTable(dict["PhasePath", V]):
    """A dict by phase path that takes no new paths once it is full.

    A program may put an id into the names of its phases. What the tracer keeps for each must not become a leak.

    Args:
        limit: the largest number of paths.
    """

    __slots__ = ("_limit",)

    def __init__(self, limit: int = MOST_PATHS) -> None:
        super().__init__()
        self._limit = limit

    @property
    def has_room(self) -> bool:
        """Whether a new path may be added."""
        return len(self) < self._limit

    def put(self, path: PhasePath, value: V) -> bool:
        """Set the value of a path, unless the path is new and the table full.

        Returns:
            Whether the value was set.
        """
        if path not in self and not self.has_room:
            return False
        self[path] = value
        return True
