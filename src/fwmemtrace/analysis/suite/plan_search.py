"""Searches the smallest set of levers that keeps a service within its budget, by measuring sets of them.

Levers interact: two components that import the same library save nothing until both drop it, and a lever that costs
memory alone may pay with another one. So no saving is ever added to another. Small sets are all measured while that is
affordable; beyond, the search starts with every lever on, where such pairs show, and takes away what does not help: one
lever at a time, or, where there is no time for that, half of them, then quarters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import combinations
from math import comb
from typing import TypeAlias

LeverSet: TypeAlias = frozenset[int]  # positions of levers
Measure: TypeAlias = Callable[[Sequence[LeverSet]], Sequence[int | None]]

_SETS_OF_A_SIZE = 120  # more of one size are not all measured, however quick the service is
_ROUNDS = 30
_ENOUGH = 5  # sets for each lever that a search one by one takes


class PlanSearch:
    """One search.

    Args:
        slots: for each lever, what it changes; two levers with the same slot exclude each other.
        limit: the budget in bytes.
        noise: bytes by which two runs of the same set may differ.
        measure: measures sets and returns bytes, None for a set that failed or that there was no time for.
        affordable: returns how many more sets there is time for.
        expected: bytes that each lever may save; of those that exclude each other, the first choice.

    Attributes:
        known: the bytes of each set measured.
    """

    def __init__(
        self,
        slots: Sequence[str],
        limit: int,
        noise: int,
        measure: Measure,
        affordable: Callable[[], int],
        expected: Sequence[int] = (),
    ) -> None:
        self.known: dict[LeverSet, int] = {}
        self._failed: set[LeverSet] = set()
        self._slots = slots
        self._limit = limit
        self._noise = noise
        self._measure = measure
        self._affordable = affordable
        self._expected = expected or [0] * len(slots)

    def run(self, first: Iterable[LeverSet] = ()) -> LeverSet | None:
        """Searches, and returns the best set; None if nothing could be measured.

        Args:
            first: sets to measure before all others.
        """
        self._try([frozenset(), *first])
        everything = self._everything()
        if everything and self._affordable() < _ENOUGH * len(self._slots):
            self._halve(everything)
        self._try(frozenset((lever,)) for lever in self._sound())
        exhausted = self._all_small_sets()
        if not exhausted or self._best_reaching() is None:
            self._descend(self._everything())
            self._grow()
            if self._best_reaching() is None:
                self._pairs_left()
                self._grow()
        return self.best()

    def best(self) -> LeverSet | None:
        """Returns the smallest set within the budget; without one, the set that comes closest."""
        reaching = self._best_reaching()
        if reaching is not None:
            return reaching
        lowest = min(self.known.values(), default=None)
        if lowest is None:
            return None
        close = [one for one, size in self.known.items() if size <= lowest + self._noise]
        return min(close, key=lambda one: (len(one), self.known[one], sorted(one)))

    def drop(self, failed: LeverSet) -> None:
        """Forgets a set that turned out to be worse than measured."""
        self.known.pop(failed, None)
        self._failed.add(failed)

    def _best_reaching(self) -> LeverSet | None:
        reaching = [one for one, size in self.known.items() if size <= self._limit]
        return min(reaching, key=lambda one: (len(one), self.known[one], sorted(one)), default=None)

    def _sound(self) -> Iterator[int]:
        return (lever for lever in range(len(self._slots)) if frozenset((lever,)) not in self._failed)

    def _compatible(self, levers: Iterable[int]) -> bool:
        slots = [self._slots[lever] for lever in levers]
        return len(set(slots)) == len(slots)

    def _try(self, sets: Iterable[LeverSet]) -> None:
        new = [one for one in dict.fromkeys(sets) if one not in self.known and one not in self._failed]
        if not new:
            return
        for one, size in zip(new, self._measure(new), strict=True):
            if size is None:
                self._failed.add(one)
            else:
                self.known[one] = size

    def _all_small_sets(self) -> bool:
        """Measures all sets of two, of three and so on; returns whether it stopped because one reaches the budget."""
        levers = list(self._sound())
        size = 2
        while size <= len(levers):
            best = self._best_reaching()
            if best is not None and len(best) < size:
                return True
            if comb(len(levers), size) > min(_SETS_OF_A_SIZE, self._affordable() // 2):
                return False
            self._try(frozenset(one) for one in combinations(levers, size) if self._compatible(one))
            size += 1
        return self._best_reaching() is not None

    def _pairs_left(self) -> None:
        """Measures pairs that were not measured yet, as many as half of the time allows."""
        pairs = (frozenset(one) for one in combinations(self._sound(), 2) if self._compatible(one))
        left = [one for one in pairs if one not in self.known and one not in self._failed]
        self._try(left[: self._affordable() // 2])

    def _halve(self, start: LeverSet) -> None:
        """Takes the levers away that do not help, many at a time."""
        self._try([start, *self._parts(start, 2)])
        while start in self._failed and len(start) > 1:  # one of them breaks the service, or the time is over
            halves = self._parts(start, 2)
            self._try(halves)
            start = min(halves, key=lambda one: self.known.get(one, float("inf")))
        parts = 2
        while start in self.known and start and self._affordable() >= 1:
            smaller = [start - part for part in self._parts(start, parts)]
            self._try(smaller)
            good = [one for one in smaller if self._as_good(one, start)]
            if len(good) > 1:  # what is useless in turn may be useless at once
                self._try([frozenset.intersection(*good)])
                good += [one for one in [frozenset.intersection(*good)] if self._as_good(one, start)]
            if good:
                start = min(good, key=lambda one: (len(one), self.known[one]))
                parts = 2
            elif parts >= len(start):
                return
            else:
                parts = min(2 * parts, len(start))

    def _parts(self, levers: LeverSet, count: int) -> list[LeverSet]:
        """Returns levers in parts of equal size, those that promise least together."""
        ordered = sorted(levers, key=lambda lever: (self._expected[lever], lever))
        size = -(-len(ordered) // min(count, len(ordered)))
        return [frozenset(ordered[at : at + size]) for at in range(0, len(ordered), size)]

    def _as_good(self, smaller: LeverSet, larger: LeverSet) -> bool:
        """Tells whether a set does as much for the budget as a larger one."""
        size, now = self.known.get(smaller), self.known[larger]
        return size is not None and size <= (self._limit if now <= self._limit else now + self._noise)

    def _everything(self) -> LeverSet:
        """Returns all levers; of those that exclude each other, the one in the lowest set, or that promises most."""
        chosen: dict[str, int] = {}
        for lever in self._sound():
            slot = self._slots[lever]
            if slot not in chosen or self._rank(lever) < self._rank(chosen[slot]):
                chosen[slot] = lever
        return frozenset(chosen.values())

    def _rank(self, lever: int) -> tuple[float, int]:
        return self._lowest_with(lever), -self._expected[lever]

    def _lowest_with(self, lever: int) -> float:
        return min((size for one, size in self.known.items() if lever in one), default=float("inf"))

    def _descend(self, start: LeverSet) -> None:
        """Takes levers away, or replaces them, as long as that helps, or costs nothing."""
        self._try([start])
        current = start if start in self.known else self.best()
        for _ in range(_ROUNDS):
            if current is None or not current or self._affordable() < 1:
                return
            now = self.known[current]
            drops = [current - {lever} for lever in sorted(current)]
            swaps = [] if now <= self._limit else list(self._swaps(current))
            self._try([*drops, *swaps])
            if now <= self._limit:
                smaller = [one for one in drops if self.known.get(one, self._limit + 1) <= self._limit]
                following = min(smaller, key=lambda one: self.known[one], default=None)
            else:
                following = self._lower(current, drops, swaps)
            if following is None:
                return
            current = following

    def _lower(self, current: LeverSet, drops: list[LeverSet], swaps: list[LeverSet]) -> LeverSet | None:
        now = self.known[current]
        useless = frozenset(
            lever for lever in current if self.known.get(current - {lever}, now + self._noise + 1) <= now
        )
        together = current - useless
        if len(useless) > 1:
            self._try([together])
        better = [
            *(
                one
                for one in (*drops, together)
                if one != current and self.known.get(one, now * 2) <= now + self._noise
            ),
            *(one for one in swaps if self.known.get(one, now) < now - self._noise),
        ]
        return min(better, key=lambda one: (self.known[one], len(one)), default=None)

    def _swaps(self, current: LeverSet) -> Iterator[LeverSet]:
        for lever in sorted(current):
            for other in self._sound():
                if other != lever and self._slots[other] == self._slots[lever]:
                    yield current - {lever} | {other}

    def _grow(self) -> None:
        """Adds levers to the best set, one at a time, as long as that helps."""
        if self._best_reaching() is not None:
            return
        current = self.best()
        for _ in range(_ROUNDS):
            if current is None or self._affordable() < 1:
                return
            larger = [
                current | {lever}
                for lever in self._sound()
                if lever not in current and self._compatible((*current, lever))
            ]
            self._try(larger)
            known = [one for one in larger if one in self.known]
            following = min(known, key=lambda one: self.known[one], default=None)
            if following is None or self.known[following] >= self.known[current] - self._noise:
                return
            current = following
            if self.known[current] <= self._limit:
                self._descend(current)
                return
