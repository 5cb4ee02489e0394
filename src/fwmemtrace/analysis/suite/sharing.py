"""All components in one process: what each adds to those before it, and which imports they share."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low

from ...paths import write
from ...results.suite import SuiteComponent, SuiteShare, SuiteShared, SuiteSharing
from .figures import added_bytes, resident, retained, start_of, whole_peak, workers_bytes
from .packages import imported_packages
from .reading import SuiteProcess
from .spreads import middle
from .stages import AFTER_GC, BATCH

_WORTH_A_ROW = 500_000


def share(
    components: Sequence[SuiteComponent], alone: Sequence[SuiteProcess | None], runs: Sequence[SuiteProcess]
) -> SuiteSharing | None:
    """Compares each component in a process of its own with all of them in one.

    Args:
        components: the components in the order of the service.
        alone: for each component, the process whose imports are used.
        runs: the processes that ran all of them.

    Returns:
        None if there is no such process.
    """
    started = [run for run in runs if start_of(run) is not None]
    if not started:
        return None
    whole = [run for run in started if resident(run, AFTER_GC) is not None]
    # Of several runs, the one in the middle: the decision matrix has its figure too.
    together = whole[middle([held.median_bytes for run in whole if (held := retained([run]))])] if whole else started[0]
    start, end = start_of(together) or 0, resident(together, AFTER_GC)
    packages = [_import_sizes(process) for process in alone]
    added = added_bytes(together, [component.name for component in components])
    order: list[SuiteShare] = []
    for position, component in enumerate(components):
        if component.held is None and component.name not in added:
            continue
        before: set[str] = set().union(*packages[:position])
        order.append(
            SuiteShare(
                name=component.name,
                alone_bytes=0 if component.held is None else component.held.median_bytes,
                marginal_bytes=added.get(component.name, 0),
                shared_bytes=sum(size for name, size in packages[position].items() if name in before),
                failed=component.outcome != "ok" or resident(together, write((component.name, BATCH))) is None,
            )
        )
    return SuiteSharing(
        order=order,
        sum_of_parts_bytes=sum(part.alone_bytes for part in order),
        together_bytes=sum(added.values()) if end is None else end.after_bytes - start + workers_bytes(together),
        together_peak_bytes=median_low([whole_peak(run) or 0 for run in whole or started]),
        shared=_shared(components, packages),
    )


def _import_sizes(process: SuiteProcess | None) -> dict[str, int]:
    return {row.package: row.bytes for row in imported_packages(process) or ()}


def _shared(components: Sequence[SuiteComponent], packages: Sequence[dict[str, int]]) -> list[SuiteShared]:
    users: dict[str, list[int]] = {}
    for position, sizes in enumerate(packages):
        for name in sizes:
            users.setdefault(name, []).append(position)
    shared = [
        SuiteShared(
            package=name,
            # Components may import different modules of a package: they share at most the smallest part.
            bytes=min(packages[position][name] for position in positions),
            components=[components[position].name for position in positions],
        )
        for name, positions in users.items()
        if len(positions) > 1
    ]
    return sorted((row for row in shared if row.bytes >= _WORTH_A_ROW), key=lambda row: -row.bytes)
