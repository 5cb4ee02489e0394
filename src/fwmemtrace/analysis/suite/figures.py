"""RSS figures of a component's processes, each less RSS before the component's import.

What a process needs includes the private memory of those that it started, as it is after the requests.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ... import results
from ...paths import read, write
from ...results.suite import Spread
from .reading import SuiteProcess
from .spreads import spread
from .stages import AFTER_GC, AFTER_TRIM, AGAIN, IMPORT, INIT, SHARED, STAGES

_AFTERWARDS = (AFTER_TRIM, AGAIN)  # phases in which the suite tries something, once a component has done its work


def row_of(process: SuiteProcess, path: str) -> results.PhaseRow | None:
    """Returns the row of one phase in the process's own report."""
    if process.report is None:
        return None
    return next((row for row in process.report.phases if row.path == path and row.resident is not None), None)


def resident(process: SuiteProcess, path: str) -> results.Resident | None:
    """Returns RSS over one phase; None if the phase did not end."""
    row = row_of(process, path)
    return None if row is None or row.open_calls else row.resident


def ledger_of(process: SuiteProcess, path: str) -> results.Ledger | None:
    """Returns the ledger of one phase."""
    rows = process.report.ledger if process.report is not None else None
    return next((row for row in rows or [] if row.path == path), None)


def stage_ledgers(process: SuiteProcess) -> list[results.Ledger]:
    """Returns the ledgers of the stages, whose changes add up to what the component holds."""
    rows = process.report.ledger if process.report is not None else None
    return [row for row in rows or [] if row.path in STAGES]


def start_of(process: SuiteProcess) -> int | None:
    """Returns RSS before the component's import."""
    row = row_of(process, IMPORT)
    return row.resident.before_bytes if row is not None and row.resident is not None else None


def workers_bytes(process: SuiteProcess, component: str | None = None) -> int:
    """Returns the private memory of the processes that a process started, or that one of its components did."""
    return sum(one.private_bytes for one in process.own.workers if component in (None, one.component))


def added_bytes(process: SuiteProcess, components: Sequence[str]) -> dict[str, int]:
    """Returns what each component that ran in a process added to those before it, with its workers' private memory.

    The suite file itself is imported before all of them; its import counts for the first.

    Args:
        process: a process of the service.
        components: their names, in the order of the service.
    """
    first = resident(process, IMPORT)
    before = 0 if first is None else first.delta_bytes
    added = {}
    for name in components:
        rss = resident(process, write((name,)))
        if rss is not None:
            added[name] = before + rss.delta_bytes + workers_bytes(process, name)
            before = 0
    return added


def retained(processes: Sequence[SuiteProcess]) -> Spread | None:
    """Returns RSS after the requests and a garbage collection, over the runs that reached it."""
    return _over_start(processes, _held)


def peak(processes: Sequence[SuiteProcess]) -> Spread | None:
    """Returns the peak RSS of the stages."""
    return _over_start(processes, _peak)


def whole_peak(process: SuiteProcess) -> int | None:
    """Returns the peak RSS of all phases of one process, those of the components in it included."""
    start = start_of(process)
    if start is None or process.report is None:
        return None
    return max(_peaks(process.report.phases), default=start) - start + workers_bytes(process)


def _peaks(rows: Sequence[results.PhaseRow]) -> Iterator[int]:
    """Yields the peaks of all phases; where equal arrays were shared, as if no second copy had been loaded."""
    freed = {
        read(row.path)[:-1]: min(row.resident.delta_bytes, 0)
        for row in rows
        if row.name == SHARED and row.resident is not None
    }
    for row in rows:
        names = read(row.path)
        if not row.path or row.resident is None or names[0] in _AFTERWARDS:
            continue
        if row.name != SHARED and names not in freed:
            yield row.resident.peak_bytes + (freed.get(names[:-1], 0) if row.name == INIT else 0)


def service_held(process: SuiteProcess, measure: str) -> int | None:
    """Returns what a process holds in the end, less RSS before the first import; see `service_figure`."""
    start, held = start_of(process), _held(process)
    if start is None or held is None:
        return None
    return held - start + workers_bytes(process) - (evictable_bytes(process) if measure == "unevictable" else 0)


def evictable_bytes(process: SuiteProcess) -> int:
    """Returns the clean pages of files that a process holds in the end, of those that it mapped itself.

    Those of the processes that it started are included.
    """
    own = sum(item.evictable_bytes for row in outermost_ledgers(process) for item in row.items)
    return own + sum(workers.clean_bytes for workers in process.own.workers)


def service_figure(process: SuiteProcess, measure: str) -> int | None:
    """Returns what a budget limits in a process: its peak less RSS before the first import.

    Args:
        process: a process with one component or with several.
        measure: "rss", or "unevictable" to leave out the clean pages of files that it holds in the end, which the
            kernel can evict.
    """
    highest = whole_peak(process)
    if highest is None or measure == "rss":
        return highest
    return highest - evictable_bytes(process)


def outermost_ledgers(process: SuiteProcess) -> list[results.Ledger]:
    """Returns the ledgers of the phases that lie in no other one: their changes add up to what the process holds."""
    rows = process.report.ledger if process.report is not None else None
    return [row for row in rows or [] if row.path and len(read(row.path)) == 1 and row.path not in _AFTERWARDS]


def wall_of(process: SuiteProcess) -> int:
    """Returns the wall time of the stages in nanoseconds."""
    return sum(row.wall_ns for stage in STAGES if (row := row_of(process, stage)) is not None)


def _over_start(processes: Sequence[SuiteProcess], figure: Callable[[SuiteProcess], int | None]) -> Spread | None:
    values = []
    for process in processes:
        start, value = start_of(process), figure(process)
        if start is not None and value is not None:
            values.append(value - start + workers_bytes(process))
    return spread(values)


def _held(process: SuiteProcess) -> int | None:
    rss = resident(process, AFTER_GC)
    return None if rss is None else rss.after_bytes


def _peak(process: SuiteProcess) -> int | None:
    peaks = [rss.peak_bytes for stage in STAGES if (rss := resident(process, stage)) is not None]
    return max(peaks, default=None)
