"""Checks the figures of a trace against limits, and says what holds most where one is exceeded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from .. import results
from ..errors import unknown_name
from ..paths import PhasePath, is_inside
from ..results.check import BudgetCheck, Contributor
from ..results.diff import Comparison
from .diff.thresholds import exceeding

_CONTRIBUTORS = 3


@dataclass(frozen=True)
class Limit:
    """A limit and where it was given.

    Attributes:
        size: in bytes.
        source: where, such as "--budget".
        file: the file it was given in; "" for none.
        line: the line in that file; 0 if not known.
    """

    size: int
    source: str
    file: str = ""
    line: int = 0


@dataclass(frozen=True)
class Budgets:
    """All limits of one check.

    Attributes:
        process: of the peak RSS of each process.
        phases: of the peak RSS of phases, by path.
        growth: of the growth of RSS per call of phases, by path.
    """

    process: Limit | None = None
    phases: Mapping[str, Limit] = field(default_factory=dict)
    growth: Mapping[str, Limit] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.process is not None or bool(self.phases) or bool(self.growth)


def unknown_phases(report: results.TraceReport, limits: Budgets) -> list[tuple[str, Limit, str]]:
    """Return the limits of phases that the trace does not have: path, limit, and what to do about it."""
    known = list(dict.fromkeys(phase.path for phase in report.phases if phase.path))
    given = [*limits.phases.items(), *limits.growth.items()]
    return [(path, limit, unknown_name("phase", path, known)) for path, limit in given if path not in known]


def check_limits(report: results.TraceReport, limits: Budgets) -> tuple[list[BudgetCheck], list[str]]:
    """Check every figure that has a limit.

    Args:
        report: the results of the trace.
        limits: the limits; those of unknown phases are left out.

    Returns:
        The checks, and a line for each growth that cannot be judged.
    """
    checks = [] if limits.process is None else _process_checks(report, limits.process)
    for phase in report.phases:
        limit = limits.phases.get(phase.path)
        if limit is not None and phase.resident is not None:
            checks.append(_check("phase", "peak RSS", phase.path, phase.pid, phase.resident.peak_bytes, limit))
    notes = []
    judged = {(growth.path, growth.pid): growth for growth in report.growth or [] if growth.metric == "rss"}
    for phase in report.phases:
        limit = limits.growth.get(phase.path)
        if limit is None:
            continue
        growth = judged.get((phase.path, phase.pid))
        if growth is None or growth.verdict == "too few calls":
            calls = "1 call is" if phase.calls == 1 else f"{phase.calls} calls are"
            notes.append(f"{phase.path}: {calls} too few to judge its growth")
            continue
        slope = round(growth.slope_bytes_per_call) if growth.verdict == "growing" else 0
        checks.append(_check("growth", "RSS growth per call", phase.path, phase.pid, slope, limit))
    for check in checks:
        if check.exceeded:
            check.contributors = _contributors(report, check)
    return checks, notes


def check_baseline(comparison: Comparison, tolerance: float, source: str) -> list[BudgetCheck]:
    """Check that nothing grew by more than a tolerance since a baseline.

    Args:
        comparison: of the baseline with the trace.
        tolerance: bytes if it is an int, else a share; see `exceeding`.
        source: where the baseline was given.
    """
    pids = {process.name: process.pids.after or process.pids.before or 0 for process in comparison.processes}
    checks = []
    for difference in exceeding(comparison, tolerance):
        check = _check(
            "baseline",
            "change",
            difference.path,
            pids[difference.process],
            difference.bytes.after or 0,
            Limit(difference.bytes.before or 0, source),
        )
        check.exceeded = True
        check.contributors = [
            *(Contributor(bytes=kind.bytes.change, category=kind.category) for kind in difference.kinds),
            *(
                Contributor(bytes=stack.bytes.change, location=frame)
                for stack in difference.stacks
                if (frame := next((frame for frame in stack.stack if frame.library is None), None)) is not None
            ),
        ]
        checks.append(check)
    if not checks:
        for process in comparison.processes:
            if process.status == "kept":
                limit = Limit(process.peak_bytes.before or 0, source)
                check = _check("baseline", "change", "", pids[process.name], process.peak_bytes.after or 0, limit)
                check.exceeded = False  # by less than the tolerance
                checks.append(check)
    return checks


def _process_checks(report: results.TraceReport, limit: Limit) -> list[BudgetCheck]:
    if report.suite is not None and report.budget is not None:
        return [_check("service", "peak RSS", "", 0, report.budget.peak_bytes, limit)]
    return [
        _check("process", "peak RSS", "", process.pid, process.peak_bytes, limit) for process in report.trace.processes
    ]


def _check(kind: str, metric: str, path: str, pid: int, actual: int, limit: Limit) -> BudgetCheck:
    return BudgetCheck(
        kind=kind,  # type: ignore[arg-type]
        metric=metric,  # type: ignore[arg-type]
        path=path,
        pid=pid,
        actual_bytes=actual,
        limit_bytes=limit.size,
        exceeded=actual > limit.size,
        source=limit.source,
        source_file=limit.file,
        source_line=limit.line,
    )


def _contributors(report: results.TraceReport, check: BudgetCheck) -> list[Contributor]:
    """Return what holds most: lines of the program's own code first, since these can be changed."""
    if check.kind == "service":
        return []
    if check.kind == "growth":
        grown = [growth for growth in report.growth or [] if (growth.path, growth.pid) == (check.path, check.pid)]
        sites = [site for growth in grown for site in growth.sites]
        if sites:
            return _largest(
                Contributor(bytes=site.delta_bytes, location=results.Frame(function="", file=site.file, line=site.line))
                for site in sites
            )
    lines = _lines(report, check.pid, check.names)
    if check.kind == "process":
        return [*lines, *_largest(_items(_composition(report, check.pid)))]
    ledger = [row.items for row in report.ledger or [] if (row.path, row.pid) == (check.path, check.pid)]
    return [*lines, *_largest(_items(item for items in ledger for item in items))]


def _lines(report: results.TraceReport, pid: int, path: PhasePath) -> list[Contributor]:
    found: dict[tuple[str, int], Contributor] = {}
    for rises in report.rises or []:
        if rises.pid != pid:
            continue
        for rise in rises.stacks:
            if rise.line is None or not is_inside(rise.names, path):
                continue
            key = rise.line.file, rise.line.line
            known = found.setdefault(key, Contributor(bytes=0, location=rise.line))
            known.bytes += rise.bytes if path else rise.at_peak_bytes
    return _largest(found.values())


def _composition(report: results.TraceReport, pid: int) -> Sequence[results.LedgerItem]:
    largest = (moment for moment in report.composition or [] if moment.pid == pid and moment.moment == "largest")
    return next((moment.items for moment in largest), [])


def _items(items: Iterable[results.LedgerItem]) -> Iterable[Contributor]:
    return (Contributor(bytes=item.bytes, category=item.category, owner=item.owner) for item in items)


def _largest(found: Iterable[Contributor]) -> list[Contributor]:
    return sorted((one for one in found if one.bytes > 0), key=lambda one: -one.bytes)[:_CONTRIBUTORS]
