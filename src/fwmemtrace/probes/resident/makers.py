"""Remembers who makes RSS rise before a thread is seen at one place, and charges rises there in proportion."""

from __future__ import annotations

from .stacks import Stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType

_WORTH_IT = 1_000_000  # bytes at one place before it is watched, and before it is watched again
_WORTH_AGAIN = 0.25  # of all that rose there
_FADING = 0.9  # of what earlier watches found, at each one: programs change
_MOST_MAKERS = 256


class Makers:
    """Who makes RSS rise before a thread is seen at one place.

    Attributes:
        is_watched: whether a watch has found them.
        risen: what rose there, in bytes, all in all.
    """

    __slots__ = ("_charged", "_made", "_settled", "is_watched", "risen")

    def __init__(self) -> None:
        self.is_watched = False
        self.risen = 0
        self._settled = 0  # `risen` when watching last showed who
        self._made: dict[Stack, float] = {}
        self._charged: dict[Stack, float] = {}

    @property
    def known(self) -> bool:
        """Whether any are known."""
        return bool(self._made)

    @property
    def worth_a_watch(self) -> bool:
        """Whether enough has risen here since watching last showed who, so that it should again."""
        return self.risen - self._settled >= max(_WORTH_IT, _WORTH_AGAIN * self.risen)

    def know(self, call: CodeType) -> bool:
        """Return whether any of them was this function, or was called by it."""
        return any(code is call for stack in self._made for code in stack.codes)

    def learn(self, made: dict[Stack, int]) -> None:
        """Take note of what a watch has found."""
        if not made:
            return
        self._settled = self.risen
        for sizes in (self._made, self._charged):
            for stack in sizes:
                sizes[stack] *= _FADING
        for stack, size in made.items():
            if stack in self._made or len(self._made) < _MOST_MAKERS:
                self._made[stack] = self._made.get(stack, 0) + size

    def charge(self, stack: Stack, size: int) -> Stack:
        """Return who is charged with a rise: whoever is furthest behind its share. Nobody known: the place itself."""
        if not self._made:
            return stack
        part = (sum(self._charged.values()) + size) / sum(self._made.values())
        chosen = max(self._made, key=lambda each: part * self._made[each] - self._charged.get(each, 0))
        self._charged[chosen] = self._charged.get(chosen, 0) + size
        return chosen
