"""Finds the plan: runs the whole service in fresh processes with sets of changes, until one keeps to the budget."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from time import monotonic
from typing import TypeAlias

from ..analysis.suite.figures import service_figure
from ..analysis.suite.plan_search import LeverSet, PlanSearch
from ..analysis.suite.reading import SuiteProcess
from ..records import SuiteChange
from .changes import MODEL, SPLIT, VARIANT
from .passes import LIGHT, Pass, Passes

Key: TypeAlias = tuple[str, frozenset[SuiteChange]]  # the component that is left out, or "", and the changes

_NOISE = 1_000_000  # bytes: a page more or less in the allocator decides less
_CONFIRMED_AT_MOST = 3  # sets that a further run may show to be above the budget after all
_ORDERED_AT_MOST = 5  # changes of which the best order is measured
_PROMISING = 0.01  # of what all components hold
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
        self._known: dict[Key, list[int]] = {}

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
        kept = _SPLIT_SHARE if self._is_several else 0
        chosen, reached = self._search("", self._seconds * (1 - kept))
        if not reached:
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
            lambda sets: self._figures(
                [(without, frozenset(changes[one] for one in chosen)) for chosen in sets], until
            ),
            lambda: self._affordable(until),
            [self._expected(without, change) for change in changes],
        )
        named = [frozenset(combined) for combined in self._service.combined.values() if at.keys() >= {*combined}]
        known = [kept for left_out, kept in self._known if left_out == without and at.keys() >= kept]
        best: LeverSet | None = search.run(frozenset(at[one] for one in kept) for kept in (*named, *known))
        for _ in range(_CONFIRMED_AT_MOST):
            if best is None:
                return frozenset(), False
            chosen = frozenset(changes[one] for one in best)
            # Where the budget is out of reach, components are left out next: there is room for that beside.
            beside = [] if without or search.known[best] <= self._limit else self._splits_of(chosen)
            figures = self._confirmed((without, chosen), beside)
            if search.known[best] > self._limit or max(figures) <= self._limit:
                break
            search.drop(best)
            best = search.best()
        return chosen, max(figures) <= self._limit

    def _expected(self, without: str, change: SuiteChange) -> int:
        """Returns what a change may save: what it saved in the service, or else of each component alone."""
        before, after = (self._known.get((without, kept)) for kept in (frozenset(), frozenset((change,))))
        if before is None or after is None:
            return self._service.expected.get(change, 0)
        return median_low(before) - median_low(after)

    def _confirmed(self, key: Key, beside: Sequence[Key] = ()) -> list[int]:
        """Returns the figures of as many runs of a set as a spread needs, and measures others in the meantime."""
        missing = self._repeat - len(self._known[key])
        if missing > 0:
            room = self._affordable(self._until) - missing
            others = [one for one in beside if one not in self._known][: max(room, 0)]
            further = [self._pass(key, number + 1) for number in range(missing)]
            self._run([*further, *map(self._pass, others)])
        return self._known[key]

    def _figures(self, keys: Sequence[Key], until: float) -> list[int | None]:
        """Measures sets of changes; those that there is no time for are left out."""
        missing = [key for key in keys if key not in self._known]
        at_once = self._passes.at_once
        while missing and (room := self._affordable(until)):
            count = min(2 * at_once, max(room, at_once))
            self._run([*map(self._pass, missing[:count])])
            del missing[:count]
        return [median_low(self._known[key]) if key in self._known else None for key in keys]

    def _run(self, passes: Sequence[Pass]) -> None:
        for process in self._passes.run(passes):
            self.take(process)

    def _affordable(self, until: float) -> int:
        cost = sum(self._costs) / max(len(self._costs), 1)
        left = min(until, self._until) - self._clock()
        return max(0, int(left * self._passes.at_once / max(cost, 0.001)))

    def _pass(self, key: Key, repetition: int = 0) -> Pass:
        (without, changes), names = key, self._service.names
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
            figures = self._figures([("", one) for one in following], self._until)
            known = [(figure, number) for number, figure in enumerate(figures) if figure is not None]
            if not known:
                return
            done = following[min(known)[1]]

    def _splits(self, chosen: frozenset[SuiteChange]) -> None:
        """Measures the service without each component in turn, and looks for a plan without the one that costs most."""
        splits = self._splits_of(chosen)
        measured = zip(splits, self._figures(splits, self._until), strict=True)
        figures = {split: figure for split, figure in measured if figure is not None}
        best = min(figures, key=lambda split: figures[split], default=None)
        if best is not None and (figures[best] > self._limit or len(best[1]) > 1):  # it may be more than is needed
            self._search(best[0], self._until - self._clock())
        enough = [split for split, figure in figures.items() if figure <= self._limit]
        enough.sort(key=lambda split: -len(split[1]))
        for split in dict(enough).items():  # the smallest set of each
            self._confirmed(split)

    def _splits_of(self, chosen: frozenset[SuiteChange]) -> list[Key]:
        """Returns the service without each component in turn, the one that holds most first."""
        held = self._service.held
        names = sorted(self._service.names.values(), key=lambda name: -held.get(name, 0)) if self._is_several else []
        splits = [(name, frozenset(change for change in chosen if change.component != name)) for name in names]
        # What saves little beside the largest component may save most without it: a library that both import.
        promising = [(name, self._promising(name)) for name in names[:1]]
        return [*dict.fromkeys([*(one for one in promising if one[1]), *splits])]

    def _promising(self, without: str) -> frozenset[SuiteChange]:
        """Returns the ways to make each component that save much of it by itself."""
        service = self._service
        least = max(_NOISE, _PROMISING * sum(service.held.values()))
        ways = [one for one in service.changes if one.kind in (VARIANT, MODEL) and one.component != without]
        ways = [one for one in ways if service.expected.get(one, 0) >= least]
        best = {self._slot(one): one for one in sorted(ways, key=lambda one: service.expected[one])}
        return frozenset(best.values())

    @property
    def _is_several(self) -> bool:
        return len(self._service.names) > 1

    def _slot(self, change: SuiteChange) -> str:
        """Returns what a change is about: of two changes with the same slot, a service can have one."""
        if change.kind == VARIANT:
            return f"{VARIANT} {change.component}"
        if change.kind == MODEL:
            variants = (one for one in self._service.changes if one.kind == VARIANT)
            own = any(one.component == change.component for one in variants)  # a variant has a model of its own
            return f"{VARIANT} {change.component}" + ("" if own else f" {change.subject.partition(':')[0]}")
        return f"{change.kind} {change.subject.partition('=')[0]}"
