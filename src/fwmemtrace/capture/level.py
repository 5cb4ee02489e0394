"""How many bytes are live at once, and the most that ever were."""

from __future__ import annotations

from typing import Protocol

from .counters import LevelCounters


class Guess(Protocol):
    """What a `Level` needs to know of a mapping; `runs.TracedMapping` implements it.

    Attributes:
        counted: whether its bytes count as memory, by what is known or guessed so far.
        settled: whether its kind is known.
        correction: where the guess was wrong, 1 if its bytes count from now on and -1 if they no longer do; else 0.
    """

    counted: bool
    settled: bool
    correction: int


class Level(LevelCounters):
    """The bytes that are live, and their peak."""

    __slots__ = ("log", "settled")

    def __init__(self) -> None:
        super().__init__()
        # Changes of mappings whose kind is only guessed, each with the highest level since the change before: enough to
        # find the true top once the kinds are known.
        self.log: list[tuple[int, Guess, int]] = []
        self.settled = 0  # the top before the log's first entry

    def change(self, mapping: Guess, size: int) -> None:
        """Add the bytes by which a mapping grew, negative where it shrank."""
        now = self.now
        if mapping.counted:
            now = self.now = now + size
        if not mapping.settled:
            if not self.log:
                self.settled = self.top
            self.log.append((self.local, mapping, size))
            self.local = now
        elif now > self.local:
            self.local = now
        if now > self.top:
            self.top = now

    def forget(self) -> None:
        """Drop the end of the log as far as the guesses in it are confirmed."""
        log = self.log
        while log and log[-1][1].settled:
            self.local = max(self.local, log.pop()[0])

    def settle(self) -> None:
        """Correct the level and its top for wrong guesses, now that the kind of every mapping is known."""
        if any(mapping.correction for _, mapping, _ in self.log):
            shift = 0
            best = self.settled
            for highest, mapping, size in self.log:
                best = max(best, highest + shift)
                shift += size * mapping.correction
            self.now += shift
            self.local += shift
            self.top = max(best, self.local)
        self.log.clear()
