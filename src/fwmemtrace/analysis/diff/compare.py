"""Puts two sides next to each other, and finds the differences that exceed noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from statistics import median_low

from ... import results
from ...paths import OUTSIDE, PhasePath, in_tree_order, write
from ...results.diff import BeforeAfter, Comparison, KindChange, PhaseChange, ProcessChange, StackChange
from .differences import differences
from .figures import Line, PhaseFigures, figures_of, kind_noise, process_noise
from .renamed import match_phases
from .sides import Key, ProcessView, RunOfTrace, name_of, processes_by_key
from .stacks import stack_changes

_MEASURED_LEAST = 500_000  # bytes; a spread of few runs may be small by chance
_MEASURED_FACTOR = 1.5


def compare(before: Sequence[RunOfTrace], after: Sequence[RunOfTrace]) -> Comparison:
    """Compare two traces, or two groups of runs of one program.

    Args:
        before: the first trace; several are runs of the same program, and figures are medians.
        after: the second trace, in the same way.
    """
    old, new = processes_by_key(before), processes_by_key(after)
    processes, stacks = [], []
    for key in dict.fromkeys([*new, *old]):
        process, its_stacks = _process(key, old.get(key, []), new.get(key, []))
        processes.append(process)
        stacks += its_stacks
    stacks.sort(key=lambda change: -abs(change.bytes.change))
    repeated = any(len(views) > 1 for views in (*old.values(), *new.values()))
    return Comparison(
        noise="measured" if repeated else "estimated",
        differences=differences(processes, stacks),
        processes=processes,
        stacks=stacks,
    )


def _process(
    key: Key, old: Sequence[ProcessView], new: Sequence[ProcessView]
) -> tuple[ProcessChange, list[StackChange]]:
    old_figures, new_figures = [figures_of(view) for view in old], [figures_of(view) for view in new]
    first_old = _first_of_each(old_figures)
    first_new = _first_of_each(new_figures)
    matched = match_phases(first_old, first_new) if old and new else {}

    def both(of: Callable[[results.Process], int]) -> tuple[BeforeAfter, int]:
        a, b = [of(view.process) for view in old], [of(view.process) for view in new]
        return BeforeAfter(_median(a), _median(b)), _spread(a, b)

    before, _ = both(lambda process: process.before_session_bytes)
    end, spread_end = both(lambda process: process.end_bytes)
    peak, spread_peak = both(lambda process: process.peak_bytes)
    estimate = process_noise(max(peak.before or 0, peak.after or 0))
    change = ProcessChange(
        name=name_of(key),
        status="added" if not old else "removed" if not new else "kept",
        pids=BeforeAfter(old[0].process.pid if old else None, new[0].process.pid if new else None),
        runs=BeforeAfter(len(old), len(new)),
        before_session_bytes=before,
        end_bytes=end,
        peak_bytes=peak,
        noise_bytes=_noise(len(old) + len(new), max(spread_end, spread_peak), estimate),
        phases=_phases(old_figures, new_figures, matched),
    )
    return change, stack_changes(change.name, old, new, matched)


def _first_of_each(runs: Sequence[Mapping[PhasePath, PhaseFigures]]) -> dict[PhasePath, PhaseFigures]:
    found: dict[PhasePath, PhaseFigures] = {}
    for run in runs:
        for path, figures in run.items():
            found.setdefault(path, figures)
    return found


def _phases(
    old: Sequence[Mapping[PhasePath, PhaseFigures]],
    new: Sequence[Mapping[PhasePath, PhaseFigures]],
    matched: Mapping[PhasePath, PhasePath],
) -> list[PhaseChange]:
    taken = set(matched.values())
    of_new = [path for path in _first_of_each(new) if path]
    only_old = [path for path in _first_of_each(old) if path and path not in taken]
    paths = [*in_tree_order(dict.fromkeys([*of_new, *only_old])), OUTSIDE]
    rows = []
    for path in paths:
        old_path = matched.get(path, path)
        rows.append(
            _phase(
                path,
                old_path,
                [run[old_path] for run in old if old_path in run],
                [run[path] for run in new if path in run],
            )
        )
    return rows


def _phase(
    path: PhasePath, old_path: PhasePath, old: Sequence[PhaseFigures], new: Sequence[PhaseFigures]
) -> PhaseChange:
    def both(name: str) -> BeforeAfter:
        return BeforeAfter(
            _median([phase.figures[name] for phase in old if name in phase.figures]),
            _median([phase.figures[name] for phase in new if name in phase.figures]),
        )

    runs = len(old) + len(new)
    spread = _spread(
        [phase.figures.get("own_bytes", 0) for phase in old], [phase.figures.get("own_bytes", 0) for phase in new]
    )
    kinds = _kinds(old, new, lambda phase: {(category, ""): size for category, size in phase.kinds.items()})
    lines = _kinds(old, new, lambda phase: phase.lines)
    moved = old_path != path
    return PhaseChange(
        path=write(path),
        status="removed" if not new else "added" if not old else "renamed" if moved else "kept",
        renamed_from=write(old_path) if moved else None,
        calls=both("calls"),
        wall_ns=both("wall_ns"),
        delta_bytes=both("delta_bytes"),
        own_bytes=both("own_bytes"),
        peak_bytes=both("peak_bytes"),
        above_start_bytes=both("above_start_bytes"),
        native_live_bytes=both("native_live_bytes"),
        python_heap_bytes=both("python_heap_bytes"),
        tensor_bytes=both("tensor_bytes"),
        noise_bytes=_noise(runs, spread, max((phase.noise_bytes for phase in (*old, *new)), default=0)),
        kinds=kinds,
        lines=[line for line in lines if abs(line.bytes.change) > line.noise_bytes],
        concurrent=any(phase.concurrent for phase in (*old, *new)),
    )


def _kinds(
    old: Sequence[PhaseFigures], new: Sequence[PhaseFigures], of: Callable[[PhaseFigures], Mapping[Line, int]]
) -> list[KindChange]:
    """Return kinds of memory or lines of the ledger, the largest change first."""
    before = [of(phase) for phase in old if phase.kinds]
    after = [of(phase) for phase in new if phase.kinds]
    changes = []
    for line in dict.fromkeys(line for sizes in (*after, *before) for line in sizes):
        a, b = [sizes.get(line, 0) for sizes in before], [sizes.get(line, 0) for sizes in after]
        estimate = kind_noise(line[0], max(map(abs, [*a, *b])))
        changes.append(
            KindChange(
                category=line[0],
                owner=line[1],
                bytes=BeforeAfter(_median(a), _median(b)),
                noise_bytes=_noise(len(old) + len(new), _spread(a, b), estimate),
            )
        )
    return sorted(changes, key=lambda change: -abs(change.bytes.change))


def _median(sizes: Sequence[int]) -> int | None:
    return median_low(sizes) if sizes else None


def _spread(old: Sequence[int], new: Sequence[int]) -> int:
    """Return the larger of the ranges of both sides."""
    return max((max(sizes) - min(sizes) for sizes in (old, new) if sizes), default=0)


def _noise(runs: int, spread: int, estimate: int) -> int:
    """Return what a difference has to exceed: by the spread of repeats if there are any, else as estimated."""
    return estimate if runs <= 2 else max(_MEASURED_LEAST, round(spread * _MEASURED_FACTOR))
