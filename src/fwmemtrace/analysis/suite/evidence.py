"""The evidence for the decision matrix, and the one place where a row of it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from ...records import SuiteChange, SuiteForks, SuiteMove
from ...results.suite import Action, FactKind, Spread, SuiteComponent, SuiteFact, SuiteLever
from .batch_growth import NOISE
from .figures import retained, service_figure, service_held, stage_ledgers
from .reading import SuiteProcess
from .spreads import spread

WORTH_A_ROW = NOISE  # bytes: below it, a page more or less in the allocator decides
WORTH_SHARE = 0.01  # of what the component holds: a longer list would hide what matters

Kind = Literal["import", "dtype", "twin", "allocator", "growth", "variant", "option", "model"]
_KIND_OF: dict[Action, Kind] = {
    "remove import": "import",
    "narrow weights": "dtype",
    "share equal tensors": "twin",
    "trim allocator": "allocator",
    "freeze objects": "allocator",
    "set variable": "allocator",
    "limit growth": "growth",
    "limit size": "growth",
    "use variant": "variant",
    "move import": "import",
    "set option": "option",
    "run model": "model",
    "bound dict": "growth",
}


@dataclass(frozen=True)
class ComponentEvidence:
    """What is known about one component.

    Attributes:
        component: its profile.
        processes: the processes started for it alone.
        used_by_others: modules used by the other components of the suite, by component.
        imported_by_others: packages imported by the other components, by component.
        together: the processes that ran all components as they are.
        changed: the processes that ran all components with one change, by that change.
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
        measure: what a budget limits, and what a change saves in the service: "rss" or "unevictable".
        moves: import statements of the program that a trial moved, by "file:line".
        forks: what workers copy that are forked once the component has been made; None if that was not measured.
    """

    component: SuiteComponent
    processes: Sequence[SuiteProcess]
    used_by_others: dict[str, frozenset[str]]
    imported_by_others: dict[str, frozenset[str]]
    together: Sequence[SuiteProcess] = ()
    changed: Mapping[SuiteChange, Sequence[SuiteProcess]] = field(default_factory=dict)
    spec: str = ""
    measure: str = "rss"
    moves: Mapping[str, SuiteMove] = field(default_factory=dict)
    forks: SuiteForks | None = None

    def of(self, purpose: str, variant: str | None = None) -> list[SuiteProcess]:
        """Returns the processes of one purpose that succeeded."""
        return [
            process
            for process in self.processes
            if process.run.purpose == purpose
            and process.run.outcome == "ok"
            and process.report is not None
            and (variant is None or process.run.variant == variant)
        ]

    def in_service(self, change: SuiteChange) -> tuple[int | None, int | None]:
        """Returns what a change saves with all components in one process: of what they hold, and of the peak.

        Either is None if it was not measured, or is below the differences between runs.
        """
        return self._saving(change, service_held), self._saving(change, service_figure)

    def _saving(self, change: SuiteChange, figure: Callable[[SuiteProcess, str], int | None]) -> int | None:
        before, after = (
            spread(size for one in runs if (size := figure(one, self.measure)) is not None)
            for runs in (self.together, self.changed.get(change, ()))
        )
        return _clear_saving(before, after)

    def unevictable(self, after: Sequence[SuiteProcess]) -> list[SuiteFact]:
        """Returns by how much the memory changes that the kernel cannot evict, in a process of the component's own."""
        old, new = (
            spread(size for one in runs if (size := service_held(one, "unevictable")) is not None)
            for runs in (self.of("resident"), after)
        )
        if old is None or new is None or not any(stage_ledgers(one) for one in after):
            return []
        return [fact("unevictable", new.median_bytes - old.median_bytes)]

    @property
    def noise(self) -> int:
        """The difference between the runs of the component as it is, in bytes."""
        before = self.component.held
        return 0 if before is None else width(before)


def _clear_saving(before: Spread | None, after: Spread | None) -> int | None:
    if before is None or after is None:
        return None
    saved = before.median_bytes - after.median_bytes
    # Two runs show about half of how far runs differ.
    return saved if abs(saved) > width(before) * (2 if before.runs == 2 else 1) else None


def kind_of(action: Action) -> Kind:
    """Returns what an action is about."""
    return _KIND_OF[action]


def used_modules(processes: Sequence[SuiteProcess]) -> frozenset[str] | None:
    """Returns the modules that a component's requests used; None if no process watched them to the end."""
    use = next((process.own.use for process in processes if process.own.use is not None), None)
    return None if use is None else frozenset({*use.ran, *use.read})


def lever_if_worthwhile(
    one: ComponentEvidence,
    action: Action,
    subject: str,
    *,
    low: int,
    high: int,
    basis: Literal["measured", "computed"],
    phase: str,
    evidence: list[SuiteFact],
    after: int | None = None,
    in_service: int | None = None,
    in_service_peak: int | None = None,
    applicable: bool = True,
) -> Iterator[SuiteLever]:
    """Yields the lever if it saves enough; clamps its range to what the component holds."""
    before = one.component.held
    if before is None:
        return
    now = before.median_bytes
    low, high = max(0, min(low, now)), min(high, now)
    if (low + high) // 2 < max(WORTH_A_ROW, round(now * WORTH_SHARE)):
        return
    yield SuiteLever(
        component=one.component.name,
        action=action,
        subject=subject,
        lever="",
        kind=_KIND_OF[action],
        now_bytes=now,
        saves_low_bytes=low,
        saves_high_bytes=high,
        after_bytes=now - (low + high) // 2 if after is None else after,
        basis=basis,
        phase=phase,
        evidence=evidence,
        in_service_bytes=in_service,
        in_service_peak_bytes=in_service_peak,
        applicable=applicable,
    )


def fact(kind: FactKind, *sizes: int, names: Sequence[str] = (), counts: Sequence[int] = ()) -> SuiteFact:
    """Makes a fact from its kind and the figures that docs/suite.md lists for it."""
    return SuiteFact(kind=kind, text="", bytes=list(sizes), names=list(names), counts=list(counts))


def spread_fact(kind: Literal["before", "after"], figure: Spread) -> SuiteFact:
    """Makes a fact from a figure measured in several runs: the smallest and the largest value, or the only one."""
    return fact(kind, *sorted({figure.low_bytes, figure.high_bytes}), counts=[figure.runs])


def service_spread(one: ComponentEvidence, change: SuiteChange, in_service: int | None) -> list[SuiteFact]:
    """Returns why the saving of a change in the service is missing, if it was measured."""
    before = retained(one.together)
    if before is None or in_service is not None or not one.changed.get(change):
        return []
    return [fact("service spread", width(before))]


def width(figure: Spread) -> int:
    """Returns the difference between the largest and the smallest value."""
    return figure.high_bytes - figure.low_bytes
