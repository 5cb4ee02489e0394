"""What the processes of one component say of it, put together."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ... import results
from ...capture.stacks import informative_frames
from ...records import SuiteMember
from ...results.suite import (
    Spread,
    SuiteArrayTotals,
    SuiteComponent,
    SuiteDisturbance,
    SuiteFailure,
    SuiteGrowth,
    SuiteHolder,
    SuitePackage,
    SuitePhase,
    SuiteSite,
    SuiteVariant,
)
from ..growth import ENOUGH_CALLS, judge, warm_up_of
from .reading import SuiteProcess
from .spreads import middle, saving, spread
from .stages import AFTER_GC, AFTER_TRIM, AGAIN, BATCH, IMPORT, STAGES, in_a_stage

_TRIALS = ("deferred", "arenas")  # what breaks in them is no fault of the component
_SITES = 5  # of each kind
_PACKAGES = 12
NOISE = 1_000_000  # bytes over a whole batch that say nothing


def component_profile(member: SuiteMember, processes: Sequence[SuiteProcess]) -> SuiteComponent:
    """Put together what is known of a component.

    Args:
        member: what it is.
        processes: those that were started for it alone, in their order.
    """
    made = SuiteComponent(name=member.name, outcome="ok", requests=member.batch)
    if member.problem:
        made.outcome = "raised"
        made.failures = [
            SuiteFailure(purpose="reading", variant="", outcome="raised", phase="", message=member.problem)
        ]
        return made
    if not processes:
        made.outcome = "not run"
        return made
    made.failures = [
        _failure(process) for process in processes if process.run.outcome != "ok" and process.run.purpose not in _TRIALS
    ]
    made.pids = _pids(processes)
    light = [process for process in processes if process.run.purpose == "resident"]
    failed = [process for process in light if process.run.outcome != "ok"]
    if failed:
        made.outcome = failed[0].run.outcome
    whole = [process for process in light if process.report is not None]
    starts = [start for process in whole if (start := start_of(process)) is not None]
    made.start_bytes = min(starts, default=0)
    made.held, made.peak = held(whole), peak(whole)
    made.phases = _phases(whole)
    made.packages = _packages(whole)
    made.growth = growth(whole, member.batch)
    made.sites = _sites(processes)
    made.arrays = _arrays(processes)
    made.variants = [_variant(name, processes, made.held) for name in member.variants]
    made.disturbances = _disturbances(processes, whole)
    return made


def row_of(process: SuiteProcess, path: str) -> results.PhaseRow | None:
    """The row of one phase in a process's own report."""
    if process.report is None:
        return None
    return next((row for row in process.report.phases if row.path == path and row.resident is not None), None)


def resident(process: SuiteProcess, path: str) -> results.Resident | None:
    """RSS over one phase of a process."""
    row = row_of(process, path)
    return None if row is None or row.open_calls else row.resident


def start_of(process: SuiteProcess) -> int | None:
    """RSS before the component's import."""
    row = row_of(process, IMPORT)
    return row.resident.before_bytes if row is not None and row.resident is not None else None


def held(processes: Sequence[SuiteProcess]) -> Spread | None:
    """RSS after the requests and a garbage collection, less that before the import; over the runs that got there."""
    return _over_start(processes, lambda process: _after(process, AFTER_GC))


def peak(processes: Sequence[SuiteProcess]) -> Spread | None:
    """The largest peak RSS of the stages, less RSS before the import."""
    return _over_start(processes, _peak)


def whole_peak(process: SuiteProcess) -> int | None:
    """The largest peak RSS of any phase of a process, less RSS before the first import."""
    start = start_of(process)
    if start is None or process.report is None:
        return None
    rows = [row.resident for row in process.report.phases if row.path and row.resident is not None]
    return max((row.peak_bytes for row in rows), default=start) - start


def _over_start(processes: Sequence[SuiteProcess], figure: Callable[[SuiteProcess], int | None]) -> Spread | None:
    found = []
    for process in processes:
        start, value = start_of(process), figure(process)
        if start is not None and value is not None:
            found.append(value - start)
    return spread(found)


def _after(process: SuiteProcess, path: str) -> int | None:
    found = resident(process, path)
    return None if found is None else found.after_bytes


def _peak(process: SuiteProcess) -> int | None:
    peaks = [found.peak_bytes for stage in STAGES if (found := resident(process, stage)) is not None]
    return max(peaks, default=None)


def _failure(process: SuiteProcess) -> SuiteFailure:
    run = process.run
    return SuiteFailure(
        purpose=run.purpose, variant=run.variant, outcome=run.outcome, phase=run.phase, message=run.message
    )


def _pids(processes: Sequence[SuiteProcess]) -> dict[str, list[int]]:
    pids: dict[str, list[int]] = {}
    for process in processes:
        if process.run.pid:
            purpose = process.run.purpose + (f": {process.run.variant}" if process.run.variant else "")
            pids.setdefault(purpose, []).append(process.run.pid)
    return pids


def _phases(light: Sequence[SuiteProcess]) -> list[SuitePhase]:
    made = []
    for path in (*STAGES, AFTER_TRIM, AGAIN):
        found = [(process, rss) for process in light if (rss := resident(process, path)) is not None]
        if not found:
            continue
        deltas = [rss.delta_bytes for _, rss in found]
        delta, after = spread(deltas), spread(rss.after_bytes for _, rss in found)
        highest = spread(rss.peak_bytes for _, rss in found)
        if delta is None or after is None or highest is None:
            continue
        process = found[middle(deltas)][0]
        row = row_of(process, path)
        phase = SuitePhase(path=path, delta=delta, after=after, peak=highest, wall_ns=0 if row is None else row.wall_ns)
        ledger = _ledger(process, path)
        if ledger is not None:
            phase.holders = [
                SuiteHolder(category=item.category, owner=item.owner, bytes=item.bytes) for item in ledger.items
            ]
            phase.unexplained_bytes = ledger.unexplained_bytes
        made.append(phase)
    return made


def _ledger(process: SuiteProcess, path: str) -> results.Ledger | None:
    rows = process.report.ledger if process.report is not None else None
    return next((row for row in rows or [] if row.path == path), None)


def _packages(light: Sequence[SuiteProcess]) -> list[SuitePackage] | None:
    imports = next((process.report.imports for process in reversed(light) if process.report is not None), None)
    if imports is None:
        return None
    packages: dict[str, SuitePackage] = {}
    for row in imports:
        if not in_a_stage(row.phase):
            continue
        name = row.module.partition(".")[0]
        package = packages.setdefault(name, SuitePackage(package=name, bytes=0, modules=0))
        package.bytes += row.own_bytes
        package.modules += 1
    return sorted(packages.values(), key=lambda package: -package.bytes)[:_PACKAGES]


def growth(light: Sequence[SuiteProcess], batch: int) -> SuiteGrowth | None:
    """How RSS went over the requests of the batch, in the run that lies in the middle; pages of files left out."""
    with_requests = [process for process in light if process.own.requests]
    if not with_requests:
        return None
    gains = [process.own.requests[-1] - process.own.requests[0] for process in with_requests]
    process = with_requests[middle(gains)]
    requests = process.own.requests
    steady = requests[warm_up_of(len(requests)) :]
    if len(steady) < ENOUGH_CALLS:
        return SuiteGrowth(requests=len(requests), bytes_per_request=0.0, verdict="too few calls")
    judged = judge([float(figure) for figure in steady], 1.0, NOISE)
    gained = requests[-1] - requests[0]
    # A weight file is touched row by row as requests come: that ends with the file, and the kernel can have it back.
    files = min(max(_from_files(process), 0), max(gained, 0))
    if judged.verdict in ("flat", "too few calls") or gained - files < NOISE:
        return SuiteGrowth(requests=batch, bytes_per_request=0.0, verdict="flat", file_bytes=files)
    # A slope says nothing of what has stopped: what it gained, over the requests, does.
    per_request = judged.trend.slope if judged.verdict == "growing" else gained / len(requests)
    share = (gained - files) / gained
    return SuiteGrowth(requests=batch, bytes_per_request=per_request * share, verdict=judged.verdict, file_bytes=files)


def _from_files(process: SuiteProcess) -> int:
    """What of the batch's RSS change the ledger counts as clean pages of files."""
    ledger = _ledger(process, BATCH)
    return sum(item.evictable_bytes for item in ledger.items) if ledger is not None else 0


def _sites(processes: Sequence[SuiteProcess]) -> list[SuiteSite]:
    sites: list[SuiteSite] = []
    for process in processes:
        if process.report is None or process.run.purpose not in ("native", "python"):
            continue
        # Native figures leave inner phases out, the others are differences with them in.
        inside = [row for row in process.report.phases if row.path.partition("/")[0] in STAGES]
        rows = [row for row in inside if row.path in STAGES]
        natives = [_native_site(row.path, site) for row in inside if row.native for site in row.native.top]
        heaps = [_heap_site(row.path, site) for row in rows if row.python_heap for site in row.python_heap.top]
        types = [_type_site(row.path, found) for row in rows if row.objects for found in row.objects.top]
        for kind in (natives, heaps, types):
            worth = [site for site in kind if site.bytes > 0]
            sites += sorted(worth, key=lambda site: -site.bytes)[:_SITES]
    return sites


def _native_site(phase: str, site: results.NativeSite) -> SuiteSite:
    shown = informative_frames(site.stack, 2)
    frames = " < ".join(
        f"{frame.function} {frame.file}:{frame.line}" if frame.file else frame.function for frame in shown
    )
    place = frames + (f" [{site.library}]" if site.library else "")
    return SuiteSite(kind="native", phase=phase, bytes=site.live_bytes, count=site.allocations, place=place)


def _heap_site(phase: str, site: results.HeapSite) -> SuiteSite:
    place = f"{site.file}:{site.line}"
    return SuiteSite(kind="python_heap", phase=phase, bytes=site.delta_bytes, count=site.delta_count, place=place)


def _type_site(phase: str, found: results.TypeGrowth) -> SuiteSite:
    return SuiteSite(kind="objects", phase=phase, bytes=found.delta_bytes, count=found.delta_count, place=found.type)


def _arrays(processes: Sequence[SuiteProcess]) -> list[SuiteArrayTotals] | None:
    stock = next((process.own.arrays for process in processes if process.own.arrays is not None), None)
    if stock is None:
        return None
    return [
        SuiteArrayTotals(**{name: getattr(row, name) for name in SuiteArrayTotals.__struct_fields__})
        for row in stock.arrays
    ]


def _variant(name: str, processes: Sequence[SuiteProcess], before: Spread | None) -> SuiteVariant:
    runs = [process for process in processes if process.run.purpose == "variant" and process.run.variant == name]
    made = SuiteVariant(name=name, held=held(runs), peak=peak(runs))
    if before is not None and made.held is not None:
        made.saves_low_bytes, made.saves_high_bytes = saving(before, made.held)
    return made


def _disturbances(processes: Sequence[SuiteProcess], light: Sequence[SuiteProcess]) -> list[SuiteDisturbance]:
    """What each heavy pass added to the same phases of the light ones."""
    truth, truth_peak = held(light), peak(light)
    walls = spread(_wall(process) for process in light if resident(process, AFTER_GC) is not None)
    made = []
    for purpose in ("native", "python"):
        runs = [process for process in processes if process.run.purpose == purpose]
        mine, mine_peak = held(runs), peak(runs)
        if truth is None or truth_peak is None or walls is None or mine is None or mine_peak is None:
            continue
        start = start_of(runs[0]) or 0
        made.append(
            SuiteDisturbance(
                purpose=purpose,
                held_bytes=mine.median_bytes + start,
                added_bytes=mine.median_bytes - truth.median_bytes,
                peak_added_bytes=mine_peak.median_bytes - truth_peak.median_bytes,
                wall_ratio=_wall(runs[0]) / max(walls.median_bytes, 1),
            )
        )
    return made


def _wall(process: SuiteProcess) -> int:
    return sum(row.wall_ns for stage in STAGES if (row := row_of(process, stage)) is not None)
