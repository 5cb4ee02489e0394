"""Compares stacks: where RSS rose, what is live of native memory, and what grew on the Python heap."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import median_low
from typing import Literal, NamedTuple, TypeAlias

from ... import results
from ...capture.own_frames import is_ours
from ...paths import PhasePath, write
from ...results.diff import BeforeAfter, StackChange
from .sides import ProcessView

Metric: TypeAlias = Literal["rises", "native live", "python heap"]

_LEAST = 500_000  # a smaller change is not kept
_STARTER = "<frozen runpy>"  # runs the program, as `python -m` does


class _Key(NamedTuple):
    path: PhasePath
    metric: Metric
    stack: tuple[tuple[str, str], ...]  # function and last two parts of the file, innermost first


_Found: TypeAlias = dict[_Key, tuple[int, list[results.Frame]]]


def stack_changes(
    process: str, old: Sequence[ProcessView], new: Sequence[ProcessView], matched: Mapping[PhasePath, PhasePath]
) -> list[StackChange]:
    """Return the stacks of a process that changed, the largest change first.

    Args:
        process: its name.
        old: its runs in the first trace.
        new: its runs in the second trace.
        matched: the old path of each phase of the second trace that has one.
    """
    renamed = {old_path: new_path for new_path, old_path in matched.items()}
    before = [_found(view, renamed) for view in old]
    after = [_found(view, {}) for view in new]
    keys = dict.fromkeys(key for found in (*after, *before) for key in found)
    changes = []
    for key in keys:
        sizes = BeforeAfter(before=_median(before, key), after=_median(after, key))
        if abs(sizes.change) >= _LEAST:
            stack = next(found[key][1] for found in (*after, *before) if key in found)
            changes.append(
                StackChange(path=write(key.path), process=process, metric=key.metric, bytes=sizes, stack=stack)
            )
    return sorted(changes, key=lambda change: -abs(change.bytes.change))


def _median(side: Sequence[_Found], key: _Key) -> int | None:
    if not any(other.metric == key.metric for found in side for other in found):
        return None  # the probe was not on, or nothing was seen
    return median_low([found[key][0] if key in found else 0 for found in side])


def _found(view: ProcessView, renamed: Mapping[PhasePath, PhasePath]) -> _Found:
    found: _Found = {}
    for path, metric, size, stack in _stacks(view):
        place = tuple((frame.function, "/".join(frame.file.split("/")[-2:])) for frame in stack)
        key = _Key(renamed.get(path, path), metric, place)
        known = found.get(key)
        found[key] = (size + (0 if known is None else known[0]), stack)
    return found


def _stacks(view: ProcessView) -> Iterator[tuple[PhasePath, Metric, int, list[results.Frame]]]:
    if view.rises is not None:
        for rise in view.rises.stacks:
            yield rise.names, "rises", rise.bytes, _from_own_line(rise)
    for row in view.phases:
        if row.native is not None:
            for site in row.native.top:
                yield row.names, "native live", site.live_bytes, site.stack
        if row.python_heap is not None:
            for line in row.python_heap.top:
                frame = results.Frame(function="", file=line.file, line=line.line)
                yield row.names, "python heap", line.delta_bytes, [frame]


def _from_own_line(rise: results.Rise) -> list[results.Frame]:
    """Return the stack from the program's own line outwards.

    Which function of a library or of the tracer was running at the moment of the look is accidental.
    """
    start = rise.stack.index(rise.line) if rise.line is not None and rise.line in rise.stack else 0
    return [frame for frame in rise.stack[start:] if not is_ours(frame.file) and frame.file != _STARTER]
