"""Finds what the RSS of a process at its peak came from: imports, functions of the program's own, or phases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from .. import results
from ..paths import OUTSIDE, PhasePath, is_inside, read, write
from .joint_causes import find_caller, find_loop, is_below, is_named
from .memory_kinds import added_memory, find_kinds
from .phase_tree import own_changes, phase_tree
from .rise_steps import split_by_line, split_by_phase

_PROGRAM_PHASES = ("", "import", "main")  # no phases of the program's own: `run` makes them
_MIN_SHARE = 0.02  # of the peak: what is smaller explains nothing
_MIN_PART = 0.05  # of a function with the loop that calls it: a loop with less is not told
_NEARLY_ALL = 0.9  # of a cause: what has to come in a phase for it to be that of the cause
_MOST = 0.5  # of a cause: what one package or model has to account for to stand for all of it


def is_own_phase(path: str) -> bool:
    """Returns whether a phase is one of the program's own; the outermost ones of `run` are not."""
    return path not in _PROGRAM_PHASES


def find_causes(report: results.TraceReport, process: results.Process) -> list[results.Cause]:
    """Returns what the peak came from, the largest first; small causes are left out.

    Args:
        report: of this process alone.
        process: the process.
    """
    whole = process.peak_bytes
    rises = [rise for one in report.rises or [] for rise in one.stacks]
    causes = [*_imports(report), *(_code(rises) if rises else _phases(report))]
    causes += _remainder(report, whole - process.before_session_bytes, causes)
    causes.append(results.Cause(kind="before session", path="", bytes=process.before_session_bytes, share=0))
    for cause in causes:
        cause.bytes = min(cause.bytes, whole)
        cause.share = cause.bytes / whole if whole else 0.0
    worth = [cause for cause in causes if max(cause.bytes, cause.kept_bytes or 0) >= _MIN_SHARE * whole]
    causes = sorted(worth, key=lambda cause: -cause.bytes)
    find_kinds([cause for cause in causes if cause.kind in ("code", "phase")], report)
    new_threads = _new_threads(report)
    for cause in causes:
        if cause.kind in ("code", "phase"):
            cause.threads = min(cause.threads, new_threads) if cause.threads > 1 < new_threads else 0
            _add_calls(cause, report)
            _add_tensors(cause, report)
    return causes


def _imports(report: results.TraceReport) -> list[results.Cause]:
    """Returns all imports as one cause."""
    rows = report.imports or []
    total = sum(row.own_bytes for row in rows)
    if total <= 0:
        return []
    lines: dict[tuple[str, int], results.ImportedPackages] = {}
    phases: dict[str, int] = {}
    for row in rows:
        own = row.nearest_own
        line = lines.setdefault(
            ("", 0) if own is None else (own.file, own.line),
            results.ImportedPackages(nearest_own=own, bytes=0, packages={}),
        )
        package = row.module.partition(".")[0]
        line.bytes += row.own_bytes
        line.packages[package] = line.packages.get(package, 0) + row.own_bytes
        phases[row.phase] = phases.get(row.phase, 0) + row.own_bytes
    for line in lines.values():
        line.packages = dict(sorted(line.packages.items(), key=lambda item: -item[1]))
    phase = max(phases, key=lambda path: phases[path])
    return [
        results.Cause(
            kind="imports",
            path=phase,
            bytes=total,
            share=0,
            imports=sorted(lines.values(), key=lambda line: -line.bytes),
        )
    ]


def _code(rises: Iterable[results.Rise]) -> list[results.Cause]:
    """Returns a cause for each function of the program's own, and for each package that none of these called."""
    grouped: dict[tuple[str, str], list[results.Rise]] = {}
    for rise in rises:
        if rise.line is not None:
            key = rise.line.file, function_name(rise.line.function)
        elif rise.package:
            key = "", rise.package
        else:  # the tracer itself
            continue
        grouped.setdefault(key, []).append(rise)
    _join_callers(grouped)
    causes = []
    caller = find_caller(grouped, function_name)
    if caller is not None:
        causes.append(_joint_code(grouped, caller))
    elif (loop := find_loop(grouped, function_name)) is not None:
        causes.append(_with_loop(*(grouped.pop(key) for key in loop)))
    return [*causes, *(step for group in grouped.values() if group for step in _steps(group))]


def _steps(group: Sequence[results.Rise]) -> Iterator[results.Cause]:
    """Yields the causes that the rises of one function are: one for each phase, and for each step of a module."""
    for rises in split_by_phase(group):
        whole = _code_of(rises)
        lines = sorted(map(_code_of, split_by_line(rises)), key=lambda step: -step.bytes)
        if len(lines) > 1 and whole.location is not None and not is_named(whole.location.function):
            yield from lines
            continue
        if len(lines) > 1:
            whole.parts = _parts(lines)
        yield whole


def _joint_code(grouped: dict[tuple[str, str], list[results.Rise]], caller: results.Frame) -> results.Cause:
    """Returns a cause for what a function and those that it called made, and takes their rises away."""
    parts = []
    joined = []
    for key, group in grouped.items():
        below = [rise for rise in group if is_below(rise, caller, function_name)]
        if below:
            parts.append(_code_of(below))
            joined += below
            grouped[key] = [rise for rise in group if rise not in below]
    cause = _code_of(joined)
    cause.location = caller
    cause.parts = _parts(sorted(parts, key=lambda part: -part.bytes))
    return cause


def _with_loop(made: Sequence[results.Rise], loop: Sequence[results.Rise]) -> results.Cause:
    """Returns a cause for what a function made, with what was seen in the loop that calls it."""
    cause = _code_of([*made, *loop])
    parts = [_code_of(made), _code_of(loop)]
    cause.location = parts[0].location
    if parts[1].bytes >= _MIN_PART * cause.bytes:
        cause.parts = _parts(parts)
    return cause


def _parts(causes: Iterable[results.Cause]) -> list[results.CausePart]:
    return [
        results.CausePart(location=cause.location, bytes=cause.bytes) for cause in causes if cause.location is not None
    ]


def _code_of(group: Sequence[results.Rise]) -> results.Cause:
    """Returns the cause that these rises are, with the line of the largest."""
    largest = max(group, key=lambda rise: rise.at_peak_bytes)
    total = sum(rise.at_peak_bytes for rise in group)
    packages: dict[str, int] = {}
    for rise in group:
        packages[rise.package] = packages.get(rise.package, 0) + rise.at_peak_bytes
    package = max(packages, key=lambda name: packages[name])
    line = largest.line
    return results.Cause(
        kind="code",
        path=_path_of(group),
        bytes=total,
        share=0,
        location=line and results.Frame(function=function_name(line.function), file=line.file, line=line.line),
        package=package if packages[package] >= _MOST * total else "",
        duration_ns=max(rise.last_ns for rise in group) - min(rise.first_ns for rise in group),
        last_ns=max(rise.last_ns for rise in group),
        kept_bytes=sum(rise.kept_bytes for rise in group),
        threads=max(rise.threads for rise in group),
    )


def _path_of(group: Sequence[results.Rise]) -> str:
    """Returns the innermost phase that nearly all of the rises came in; inner phases are part of it."""
    sums: dict[PhasePath, int] = {}
    for rise in group:
        names = read(rise.path)
        for length in range(len(names) + 1):
            sums[names[:length]] = sums.get(names[:length], 0) + rise.at_peak_bytes
    return write(max((path for path in sums if sums[path] >= _NEARLY_ALL * sums[OUTSIDE]), key=len))


def _new_threads(report: results.TraceReport) -> int:
    """Returns how many more threads there were at the last reading than at the first."""
    threads = {one.moment: one.threads for one in report.composition or []}
    return threads.get("end", 0) - threads.get("begin", 0)


def _join_callers(grouped: dict[tuple[str, str], list[results.Rise]]) -> None:
    """Joins what a phase's caller seems to have made in it with what was made inside.

    A function is seen to run only from its first line on, so a part of its rise is charged to the line that calls it.
    """
    for key in sorted(grouped, key=lambda key: sum(rise.at_peak_bytes for rise in grouped[key])):
        small = grouped[key]
        paths = {rise.path for rise in small}
        if len(paths) > 1 or not is_own_phase(*paths):
            continue
        for other, large in grouped.items():
            callers = {(frame.file, function_name(frame.function)) for rise in large for frame in rise.stack}
            if other != key and key in callers and {rise.path for rise in large} == paths:
                large += small
                del grouped[key]
                break


def function_name(qualified: str) -> str:
    """Returns the function that a comprehension or lambda is in; others by their qualified names.

    >>> function_name("Guard.load.<locals>.<listcomp>"), function_name("make.<locals>.inner")
    ('Guard.load', 'make.<locals>.inner')
    """
    parts = qualified.split(".")
    while len(parts) > 1 and parts[-1].startswith("<"):
        parts.pop()
    return ".".join(parts)


def _phases(report: results.TraceReport) -> list[results.Cause]:
    """Returns a cause for each phase of the program's own, less what was imported in it."""
    imported: dict[str, int] = {}
    for row in report.imports or []:
        imported[row.phase] = imported.get(row.phase, 0) + row.own_bytes
    return [
        results.Cause(kind="phase", path=path, bytes=size - imported.get(path, 0), share=0)
        for path, size in own_changes(phase_tree(report.phases))
        if is_own_phase(path)
    ]


def _remainder(report: results.TraceReport, whole: int, causes: list[results.Cause]) -> list[results.Cause]:
    """Returns the kind of memory that explains most of what the causes leave open, if that is more than any of them."""
    known = [max(0, cause.bytes) for cause in causes]
    added = added_memory(report)
    if not added:
        return []
    (category, owner), size = max(added.items(), key=lambda item: item[1])
    size = min(size, whole - sum(known))
    if size <= max(known, default=0):
        return []
    return [results.Cause(kind="memory", path="", bytes=size, share=0, category=category, owner=owner)]


def _add_calls(cause: results.Cause, report: results.TraceReport) -> None:
    """Adds how often the cause's phase was called, and whether it grows from call to call."""
    for phase in report.phases:
        if phase.path == cause.path and is_own_phase(phase.path):
            cause.calls = phase.calls
    names = read(cause.path)
    grown = [trend for trend in report.growth or [] if trend.path and is_inside(names, trend.names)]
    for trend in grown:
        if trend.metric == "rss" and trend.verdict == "growing":
            cause.bytes_per_call = trend.slope_bytes_per_call
    cause.held_by = next((held for trend in grown for held in trend.held_by if held.root), None)


def _add_tensors(cause: results.Cause, report: results.TraceReport) -> None:
    """Adds whose tensors the cause mostly is."""
    names = read(cause.path)
    for phase in report.phases:
        tensors = phase.tensors
        if tensors is None or phase.names != names:
            continue
        groups = [group for group in tensors.groups if group.device == "cpu" and group.delta_bytes > 0]
        if sum(group.delta_bytes for group in groups) < _MOST * cause.bytes:
            continue
        model = next((storage.model for storage in tensors.top if storage.model), "")
        largest = max(groups, key=lambda group: group.delta_bytes)
        cause.tensors = model if model and largest.role != "other" else largest.library
