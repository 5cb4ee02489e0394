"""Decides when memory is about to run out, so that the evidence is in the trace before the process is killed."""

from __future__ import annotations

from collections import deque

from ...system import address_space
from ...system.cgroup import Group, figure, tightest
from ...system.pressure import memory_pressure
from ...units import format_bytes, parse_bytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_EVERY_NS = 50_000_000
_PRESSURE_EVERY_NS = 1_000_000_000  # the kernel's average changes every two seconds
_COOL_DOWN_NS = 30_000_000_000
_MOST = 20  # of one session
_SECOND_NS = 1_000_000_000


class Triggers:
    """Looks at RSS now and then, and calls a function with the reason when one of the conditions holds.

    Args:
        conditions: those of the setting `triggers`: `"90%"` of the limit in force, which is that of the control group
            or RLIMIT_AS; `"50MB/s"` of growth; `"300MB"` of RSS; or `"psi:10%"` of the last ten seconds in which a task
            waited for memory.
        groups: the control groups of this process, the innermost first.
        vms: returns the bytes of address space.
        fire: called with the reason and the limit in bytes, if there is one.
    """

    def __init__(
        self,
        conditions: Iterable[str],
        groups: list[Group],
        vms: Callable[[], int],
        fire: Callable[[str, int | None], None],
    ) -> None:
        self._share: float | None = None
        self._pressure: float | None = None
        self._rate: int | None = None
        self._budget: int | None = None
        for condition in conditions:
            self._read(condition)
        self._groups = groups
        self._vms = vms
        self._fire = fire
        self._next_ns = self._next_pressure_ns = 0
        self._left = _MOST
        self._recent: deque[tuple[int, int]] = deque()

    def _read(self, condition: str) -> None:
        if condition.startswith("psi:"):
            self._pressure = float(condition[4:-1]) / 100
        elif condition.endswith("%"):
            self._share = float(condition[:-1]) / 100
        elif condition.endswith("/s"):
            self._rate = parse_bytes(condition[:-2])
        else:
            self._budget = parse_bytes(condition)

    def look(self, rss: int, now_ns: int) -> None:
        """Take a reading of RSS in bytes, of this moment in nanoseconds."""
        if now_ns < self._next_ns or not self._left:
            return
        self._next_ns = now_ns + _EVERY_NS
        found = self._reason(rss, now_ns)
        if found is not None:
            self._next_ns = now_ns + _COOL_DOWN_NS
            self._left -= 1
            self._fire(*found)

    def _reason(self, rss: int, now_ns: int) -> tuple[str, int | None] | None:
        if self._budget is not None and rss > self._budget:
            return f"RSS {format_bytes(rss)} exceeds {format_bytes(self._budget)}", self._budget
        if self._share is not None:
            for name, used, limit in self._limits():
                if used > self._share * limit:
                    text = f"{format_bytes(used)} of {format_bytes(limit)} are in use ({name})"
                    return text, limit
        if self._pressure is not None and now_ns >= self._next_pressure_ns:
            self._next_pressure_ns = now_ns + _PRESSURE_EVERY_NS
            pressure = memory_pressure(self._groups)
            if pressure is not None and pressure > self._pressure:
                return f"tasks waited for memory in {pressure:.0%} of the last ten seconds", None
        if self._rate is not None:
            recent = self._recent
            recent.append((now_ns, rss))
            while now_ns - recent[0][0] > _SECOND_NS:
                recent.popleft()
            grown = rss - recent[0][1]
            if grown > self._rate:
                return f"RSS grew by {format_bytes(grown)} within a second", None
        return None

    def _limits(self) -> list[tuple[str, int, int]]:
        """Return the limits in force: what limits, the bytes that count, and the limit in bytes."""
        limits = []
        bound = tightest(self._groups)
        if bound is not None:
            limit, group = bound
            used = figure(group, "memory.current")
            if used is not None:
                limits.append((f"control group {group.path}", used, limit))
        most = address_space.limit()
        if most is not None:
            limits.append(("RLIMIT_AS", self._vms(), most))
        return limits
