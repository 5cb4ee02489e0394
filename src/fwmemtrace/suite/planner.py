"""Finds the plan: runs the whole service in fresh processes with sets of changes, until one keeps to the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from time import monotonic

from ..analysis.suite.figures import service_figure
from ..analysis.suite.plan_search import LeverSet, PlanSearch
from ..analysis.suite.reading import SuiteProcess
from ..records import SuiteChange
from .changes import MODEL, SPLIT, VARIANT
from .passes import LIGHT, Pass, Passes

_NOISE = 1_000_000  # bytes: a page more or less in the allocator decides less
_CONFIRMED_AT_MOST = 3  # sets that a further run may show to be above the budget after all
_ORDERED_AT_MOST = 5  # changes of which the best order is measured
_SPLIT_SHARE = 0.4  # of the time, kept for runs without one of the components


@dataclass
class Service:
    """The components that run together, and what can be changed.

    Attributes:
        names: the component at each position of the suite.
        changes: the changes to try.
        combined: sets of changes that the suite file names.
        expected: bytes that changes may save, as far as that is known from each component alone.
        held: bytes that each component holds by itself.
    """

    names: Mapping[int, str]
    changes: list[SuiteChange]
    combined: dict[str, list[SuiteChange]] = field(default_factory=dict)
    expected: dict[SuiteChange, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)


class Planner:
    """Looks for the plan of a service.

    Args:
        passes: runs the processes.
        service: what runs, and what can be changed.
        limit: bytes that the service may use, a bare interpreter included.
        bare: RSS of a bare interpreter.
        measure: what the limit is about: "rss" or "unevictable".
        repeat: runs of the set that is chosen.
        seconds: time for all runs.
        clock: returns the time in seconds.
    """

    def __init__(
        self,
        passes: Passes,
        service: Service,
        *,
        limit: int,
        bare: int,
        measure: str,
        repeat: int,
        seconds: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._passes = passes
        self._service = service
        self._limit = limit - bare
        self._measure = measure
        self._repeat = repeat
        self._clock = clock
        self._until = clock() + seconds
        self._seconds = seconds
        self._costs: list[float] = []
        self._known: dict[tuple[str, frozenset[SuiteChange]], list[int]] = {}

    def take(self, process: SuiteProcess) -> int | None:
        """Takes a process of the whole service, which may have run before; returns its figure, None if it failed."""
        self._costs.append(process.run.wall_ns / 1e9)
        figure = service_figure(process, self._measure) if process.run.outcome == "ok" else None
        if figure is not None:
            changes = process.run.changes
            without = next((change.component for change in changes if change.kind == SPLIT), "")
            kept = frozenset(change for change in changes if change.kind != SPLIT)
            self._known.setdefault((without, kept), []).append(figure)
        return figure

    def run(self) -> None:
        """Looks for the plan. Its runs are in the trace; `analysis.suite.plan` reads it from there."""
        base = self._known.get(("", frozenset()))
        if not base or median_low(base) <= self._limit:
            return
        several = len(self._service.names) > 1
        chosen, reached = self._search("", self._seconds * (1 - _SPLIT_SHARE) if several else self._seconds)
        if not reached and several:
            self._splits(chosen)
        self._order(chosen)

    def _search(self, without: str, seconds: float) -> tuple[frozenset[SuiteChange], bool]:
        """Returns the best set of changes for the service without one of its components, and whether it is enough."""
        until = min(self._until, self._clock() + seconds)
        changes = [one for one in self._service.changes if one.component != without or not without]
        at = {change: number for number, change in enumerate(changes)}
        base = self._known.get(("", frozenset()), [0])
        search = PlanSearch(
            [self._slot(change) for change in changes],
            self._limit,
            max(_NOISE, max(base) - min(base)),
            lambda sets: self._figures(without, [frozenset(changes[one] for one in chosen) for chosen in sets], until),
            lambda: self._affordable(until),
            [self._service.expected.get(change, 0) for change in changes],
        )
        first = [
            frozenset(at[change] for change in combined)
            for combined in self._service.combined.values()
            if all(change in at for change in combined)
        ]
        best: LeverSet | None = search.run(first)
        for _ in range(_CONFIRMED_AT_MOST):
            if best is None:
                return frozenset(), False
            chosen = frozenset(changes[one] for one in best)
            figures = self._confirmed(without, chosen)
            if search.known[best] > self._limit or max(figures) <= self._limit:
                break
            search.drop(best)
            best = search.best()
        return chosen, max(figures) <= self._limit

    def _confirmed(self, without: str, chosen: frozenset[SuiteChange]) -> list[int]:
        """Returns the figures of as many runs of a set as a spread needs."""
        missing = self._repeat - len(self._known[without, chosen])
        if missing > 0:
            for process in self._passes.run([self._pass(without, chosen, number + 1) for number in range(missing)]):
                self.take(process)
        return self._known[without, chosen]

    def _figures(self, without: str, sets: Sequence[frozenset[SuiteChange]], until: float) -> list[int | None]:
        """Measures sets of changes; those that there is no time for are left out."""
        known = self._known
        missing = [chosen for chosen in sets if (without, chosen) not in known]
        at_once = 2 * self._passes.at_once
        for batch in (missing[at : at + at_once] for at in range(0, len(missing), at_once)):
            if self._affordable(until) < 1:
                break
            for process in self._passes.run([self._pass(without, chosen) for chosen in batch]):
                self.take(process)
        return [median_low(known[without, chosen]) if (without, chosen) in known else None for chosen in sets]

    def _affordable(self, until: float) -> int:
        cost = sum(self._costs) / max(len(self._costs), 1)
        left = min(until, self._until) - self._clock()
        return max(0, int(left * self._passes.at_once / max(cost, 0.001)))

    def _pass(self, without: str, changes: frozenset[SuiteChange], repetition: int = 0) -> Pass:
        names = self._service.names
        ordered = sorted(changes, key=lambda change: (change.kind, change.component, change.subject))
        combined = next((name for name, parts in self._service.combined.items() if {*parts} == changes), "")
        split = [SuiteChange(SPLIT, without, "")] if without else []
        return Pass(
            positions=tuple(position for position, name in names.items() if name != without),
            component="",
            purpose="plan",
            probes=LIGHT,
            repetition=repetition,
            variant=combined,
            changes=(*ordered, *split),
        )

    def _order(self, chosen: frozenset[SuiteChange]) -> None:
        """Measures the ways to the chosen set, so that the change that helps most on the way comes first."""
        done: frozenset[SuiteChange] = frozenset()
        while len(chosen) - len(done) > 1 and len(chosen) <= _ORDERED_AT_MOST:
            following = [done | {change} for change in sorted(chosen - done, key=str)]
            figures = self._figures("", following, self._until)
            known = [(figure, number) for number, figure in enumerate(figures) if figure is not None]
            if not known:
                return
            done = following[min(known)[1]]

    def _splits(self, chosen: frozenset[SuiteChange]) -> None:
        """Measures the service without each component in turn, and looks for a plan without the one that costs most."""
        figures: dict[str, int] = {}
        held = self._service.held
        for without in sorted(self._service.names.values(), key=lambda name: -held.get(name, 0)):
            kept = frozenset(change for change in chosen if change.component != without)
            figure = self._figures(without, [kept], self._until)[0]
            if figure is not None:
                figures[without] = figure
        if figures and min(figures.values()) > self._limit:
            self._search(min(figures, key=lambda name: figures[name]), self._until - self._clock())
        for without, figure in figures.items():
            if figure <= self._limit:
                self._confirmed(without, frozenset(change for change in chosen if change.component != without))

    def _slot(self, change: SuiteChange) -> str:
        """Returns what a change is about: of two changes with the same slot, a service can have one."""
        if change.kind == VARIANT:
            return f"{VARIANT} {change.component}"
        if change.kind == MODEL:
            variants = (one for one in self._service.changes if one.kind == VARIANT)
            own = any(one.component == change.component for one in variants)  # a variant has a model of its own
            return f"{VARIANT} {change.component}" + ("" if own else f" {change.subject.partition(':')[0]}")
        return f"{change.kind} {change.subject.partition('=')[0]}"
