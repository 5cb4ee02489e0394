"""The places that memory comes from, as rows of figures and a place, for every report that lists them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .. import results
from ..capture.stacks import informative_frames
from ..units import format_bytes, format_count

_FRAMES = 3  # of a stack, the innermost ones that say something
_WORTH_TELLING = 0.1  # of the peak
_LEAST = 4096  # bytes: what is smaller explains nothing


@dataclass(frozen=True, slots=True)
class Site:
    """One row: the figures, and where they belong."""

    figures: list[str]
    place: str


def tables(phase: results.PhaseRow, top: int) -> list[tuple[str, list[Site]]]:
    """The tables of top allocations of a phase that have a row, each with its title."""
    found = [
        ("native memory still live, by whose Python code asked", _native_packages(phase, top)),
        ("native memory still live, by whose C or C++ code asked", _native_libraries(phase, top)),
        ("native memory still live, by stack", _native(phase, top)),
        ("native memory at the phase's peak, by stack", _at_peak(phase, top)),
        ("native memory that outlived the phase, by the phase that freed it", _freed_later(phase, top)),
        ("Python heap growth, by line", _python_heap(phase, top)),
        ("objects, by type", _objects(phase, top)),
        ("live tensors and arrays, each storage once", _tensors(phase, top)),
        ("the garbage collector", _collector(phase)),
    ]
    return [(title, rows) for title, rows in found if rows]


def _native(phase: results.PhaseRow, top: int) -> list[Site]:
    if phase.native is None:
        return []
    return _by_place((site.live_bytes, site) for site in phase.native.top if site.live_bytes >= _LEAST)[:top]


def _at_peak(phase: results.PhaseRow, top: int) -> list[Site]:
    """What was live at the peak, where that is not nearly the same as what stayed."""
    native = phase.native
    if native is None or native.peak_bytes - native.live_bytes < _WORTH_TELLING * native.peak_bytes:
        return []
    return _by_place((site.at_peak_bytes, site) for site in native.at_peak if site.at_peak_bytes >= _LEAST)[:top]


def _by_place(sites: Iterable[tuple[int, results.NativeSite]]) -> list[Site]:
    """A row a place, with the bytes and allocations of all stacks that differ in frames only which are not shown."""
    rows: dict[str, tuple[int, int]] = {}
    for size, site in sites:
        place = _stack(site)
        before, allocations = rows.get(place, (0, 0))
        rows[place] = before + size, allocations + site.allocations
    ordered = sorted(rows.items(), key=lambda row: -row[1][0])
    return [Site([format_bytes(size), f"{format_count(count)} x"], place) for place, (size, count) in ordered]


def _freed_later(phase: results.PhaseRow, top: int) -> list[Site]:
    if phase.native is None:
        return []
    freed = sorted(phase.native.freed_later.items(), key=lambda item: -item[1])
    return [Site([format_bytes(size)], path or "outside any phase") for path, size in freed[:top] if size >= _LEAST]


def _native_packages(phase: results.PhaseRow, top: int) -> list[Site]:
    return [] if phase.native is None else _groups(phase.native.by_package, top)


def _native_libraries(phase: results.PhaseRow, top: int) -> list[Site]:
    return [] if phase.native is None else _groups(phase.native.by_library, top)


def _groups(sizes: dict[str, int], top: int) -> list[Site]:
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    return [Site([format_bytes(size)], name or "many small stacks") for name, size in largest[:top] if size >= _LEAST]


def _stack(site: results.NativeSite) -> str:
    """What asked, the Python frames around it, the program's own line if that is further out, operator and library."""
    shown = informative_frames(site.stack, _FRAMES)
    frames = [_frame(frame, site.library) for frame in shown]
    if site.caller is not None and site.caller not in shown:
        frames.append(f"... {_frame(site.caller, None)}")
    asked = [name for name in (site.operator, site.library) if name]
    return " < ".join(frames or ["no frame"]) + (f"  [{', '.join(asked)}]" if asked else "")


def _frame(frame: results.Frame, library: str | None) -> str:
    if frame.file and frame.line:
        return f"{frame.function} {short(frame.file)}:{frame.line}"
    return frame.function if frame.library in (None, library) else f"{frame.function} ({frame.library})"


def _python_heap(phase: results.PhaseRow, top: int) -> list[Site]:
    if phase.python_heap is None:
        return []
    return [
        Site(
            [format_bytes(row.delta_bytes, signed=True), f"{format_count(row.delta_count, signed=True)} x"],
            f"{short(row.file)}:{row.line}",
        )
        for row in phase.python_heap.top[:top]
        if row.delta_bytes > 0
    ]


def _objects(phase: results.PhaseRow, top: int) -> list[Site]:
    if phase.objects is None:
        return []
    return [
        Site([format_count(row.delta_count, signed=True), format_bytes(row.delta_bytes, signed=True)], row.type)
        for row in phase.objects.top[:top]
        if row.delta_count > 0
    ]


def _tensors(phase: results.PhaseRow, top: int) -> list[Site]:
    if phase.tensors is None:
        return []
    groups = sorted(phase.tensors.groups, key=lambda group: -group.size_bytes)
    return [
        Site(
            [format_bytes(group.size_bytes), format_bytes(group.delta_bytes, signed=True), format_count(group.count)],
            f"{group.library} {group.dtype} on {group.device}, {group.role}, {group.backing}",
        )
        for group in groups[:top]
    ]


def _collector(phase: results.PhaseRow) -> list[Site]:
    found = phase.collector
    if found is None:
        return []
    rows = []
    if found.returned_objects or found.returned_bytes > 0:
        rows.append(
            Site(
                [format_bytes(found.returned_bytes), format_count(found.returned_objects)],
                "RSS and objects that only a full collection gave back",
            )
        )
    if found.uncollectable:
        rows.append(Site(["", format_count(found.uncollectable)], "objects that it could not free"))
    return rows


def short(file: str) -> str:
    """A file's path from its package on, which is what a reader knows it by.

    >>> short("/venv/lib/python3.11/site-packages/torch/nn/modules/linear.py")
    'torch/nn/modules/linear.py'
    """
    for marker in ("/site-packages/", "/dist-packages/"):
        if marker in file:
            return file.rpartition(marker)[2]
    parts = file.split("/")
    for number, part in enumerate(parts):
        if part.startswith("python3.") and number + 1 < len(parts):
            return "/".join(parts[number + 1 :])
    return "/".join(parts[-2:]) if len(parts) > 2 else file
