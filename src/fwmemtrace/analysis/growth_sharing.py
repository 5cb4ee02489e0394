"""Shares out what a process grows by among phases that run at the same time, each byte once.

From one edge of a phase to the next is a window. Where one phase runs, what its window adds is its own. Where tasks or
threads overlap, the change of RSS alone does not say whose it is; many windows together do: a phase that adds 50 kB
whenever it begins leaves the windows in which it did not begin as they were. So windows are collected by the edges
around them and by the phases that run in them, and their growth is split by expectation maximisation: each phase has a
rate for its beginnings, for its ends, and for the time that it runs; the windows' growth is split in proportion to the
rates, and the rates follow from the split, in turn. No rate is negative, and the parts of a window add up to it. What
the windows cannot tell apart is split evenly.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

from ..paths import PhasePath

_MOST_GROUPS = 128  # of windows; what comes in further ones is split evenly
_ITERATIONS = 1000
_CONVERGED = 1e-5  # relative change of the rates

Edge: TypeAlias = tuple[str, PhasePath]  # "begin" or "end", and the phase


class WindowGroup(NamedTuple):
    """What windows have in common that are counted together."""

    after: Edge
    before: Edge
    running: frozenset[PhasePath]  # the innermost open phases


class _Sums:
    """The windows of a group: their number, time, and change of RSS."""

    __slots__ = ("change", "count", "time_ns")

    def __init__(self) -> None:
        self.count = 0
        self.time_ns = 0
        self.change = 0.0


class _Open:
    """An open call of a phase."""

    __slots__ = ("ended", "inner", "parent", "path")

    def __init__(self, path: PhasePath, parent: _Open | None) -> None:
        self.path = path
        self.parent = parent
        self.inner = 0  # open calls directly inside
        self.ended = False


class OverlapSharing:
    """Follows the edges of phases, and keeps apart what is one phase's own and what has to be shared out.

    Attributes:
        own: what came while nothing else ran, by path, with the phases inside it.
    """

    def __init__(self) -> None:
        self.own: dict[PhasePath, float] = {}
        self._open: dict[int, _Open] = {}
        self._running: dict[PhasePath, int] = {}  # how many innermost open calls each path has
        self._groups: dict[WindowGroup, _Sums] = {}
        self._shared: dict[PhasePath, dict[WindowGroup, None]] = {}
        self._last: tuple[Edge, int, int] | None = None  # the latest edge, its time, and RSS at it

    def begin(self, span: int, parent: int, path: PhasePath, time_ns: int, rss: int) -> None:
        """Add the beginning of a call."""
        self._window(("begin", path), time_ns, rss)
        known = self._open.pop(span, None)
        if known is not None:  # in a damaged trace
            self._forget(known)
        around = self._open.get(parent)
        if around is not None:
            around.inner += 1
            if around.inner == 1:
                self._rests(around)
        opened = self._open[span] = _Open(path, around)
        self._runs(opened)

    def end(self, span: int, time_ns: int, rss: int) -> bool:
        """Add the end of a call, and return whether its beginning is known."""
        ended = self._open.get(span)
        if ended is None:
            return False
        self._window(("end", ended.path), time_ns, rss)
        del self._open[span]
        self._forget(ended)
        parent = ended.parent
        if parent is not None:
            parent.inner -= 1
            if not parent.inner and not parent.ended:
                self._runs(parent)
        return True

    def close(self) -> None:
        """Forget calls that are open: the session ended, or the process did."""
        self._open.clear()
        self._running.clear()
        self._last = None

    def shared(self, path: PhasePath) -> dict[WindowGroup, float]:
        """Return what came so far while the phase ran along with others, by group of windows."""
        return {group: self._groups[group].change for group in self._shared.get(path, ())}

    def shares(self) -> dict[WindowGroup, dict[PhasePath, float]]:
        """Return the share that each running phase has in what a group of windows adds."""
        if not self._shared:
            return {}
        parts = {group: _parts(group, sums) for group, sums in self._groups.items() if sums.change > 0}
        exposure: dict[Edge, float] = {}
        for group, sums in self._groups.items():
            for _, cause, extent in _parts(group, sums):
                exposure[cause] = exposure.get(cause, 0.0) + extent
        rates = dict.fromkeys(exposure, 1.0)
        for number in range(_ITERATIONS):
            gained = dict.fromkeys(exposure, 0.0)
            for group, causes in parts.items():
                weights = [(cause, rates[cause] * extent if number else 1.0) for _, cause, extent in causes]
                whole = sum(weight for _, weight in weights)
                for cause, weight in weights if whole else ():
                    gained[cause] += self._groups[group].change * weight / whole
            before, rates = (
                rates,
                {cause: gained[cause] / extent if extent else 0.0 for cause, extent in exposure.items()},
            )
            if all(abs(rates[cause] - before[cause]) <= _CONVERGED * before[cause] for cause in rates):
                break
        return {
            group: _split(group, _parts(group, sums), rates)
            for group, sums in self._groups.items()
            if len(group.running) > 1
        }

    def _forget(self, call: _Open) -> None:
        call.ended = True
        if not call.inner:
            self._rests(call)

    def _runs(self, call: _Open) -> None:
        self._running[call.path] = self._running.get(call.path, 0) + 1

    def _rests(self, call: _Open) -> None:
        self._running[call.path] -= 1
        if not self._running[call.path]:
            del self._running[call.path]

    def _window(self, edge: Edge, time_ns: int, rss: int) -> None:
        if self._last is not None and self._open:
            after, began_ns, before = self._last
            self._add(WindowGroup(after, edge, frozenset(self._running)), time_ns - began_ns, rss - before)
        self._last = edge, time_ns, rss

    def _add(self, group: WindowGroup, time_ns: int, change: float) -> None:
        known = group in self._groups or len(self._groups) < _MOST_GROUPS
        if known:
            sums = self._groups.setdefault(group, _Sums())
            sums.count += 1
            sums.time_ns += max(time_ns, 0)
            sums.change += change
        for path in _with_outer(group.running):
            part = share_of(path, dict.fromkeys(group.running, 1 / len(group.running)))
            if part > 0.999 or not known:
                self.own[path] = self.own.get(path, 0.0) + part * change
            else:
                self._shared.setdefault(path, {})[group] = None


def share_of(path: PhasePath, shares: Mapping[PhasePath, float]) -> float:
    """Return the share of a phase with the phases inside it."""
    return sum(share for running, share in shares.items() if running[: len(path)] == path)


def _with_outer(running: Iterable[PhasePath]) -> set[PhasePath]:
    return {path[:depth] for path in running for depth in range(1, len(path) + 1)}


def _parts(group: WindowGroup, sums: _Sums) -> list[tuple[PhasePath, Edge, float]]:
    """Return what may have caused the growth of a group: the phase, the cause, and how much of the cause there was."""
    found: list[tuple[PhasePath, Edge, float]] = []
    for path in sorted(group.running):
        found.append((path, ("runs", path), sums.time_ns / 1e6))
        if group.after == ("begin", path):
            found.append((path, group.after, float(sums.count)))
        if group.before == ("end", path):
            found.append((path, group.before, float(sums.count)))
    return found


def _split(
    group: WindowGroup, parts: list[tuple[PhasePath, Edge, float]], rates: Mapping[Edge, float]
) -> dict[PhasePath, float]:
    expected = dict.fromkeys(group.running, 0.0)
    for path, cause, extent in parts:
        expected[path] += rates[cause] * extent
    whole = sum(expected.values())
    return {path: size / whole if whole else 1 / len(expected) for path, size in expected.items()}
