"""Folds the readings of tracemalloc of one process by phase path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from heapq import nlargest
from typing import ClassVar, TypeVar

from .. import results
from ..paths import PhasePath
from ..records import HeapRow, PackageRow, PythonHeap, Record, StackRow

Key = TypeVar("Key", bound=Hashable)
_DEFAULT_TOP = 20


class _SiteTotals:
    """One line, package or stack over the calls of a phase: changes add up, sizes come from the latest reading."""

    __slots__ = ("count", "delta_bytes", "delta_count", "size_bytes")

    def __init__(self) -> None:
        self.size_bytes = self.delta_bytes = self.count = self.delta_count = 0

    def add(self, row: HeapRow | PackageRow | StackRow) -> None:
        self.size_bytes = row.size_bytes
        self.count = row.count
        self.delta_bytes += row.delta_bytes
        self.delta_count += row.delta_count


class _PathTotals:
    """What the phases of one path add up to."""

    def __init__(self) -> None:
        self.delta_bytes = 0
        self.peak_bytes = 0
        self.detailed_calls = 0
        self.lines: defaultdict[tuple[str, int], _SiteTotals] = defaultdict(_SiteTotals)
        self.packages: defaultdict[str, _SiteTotals] = defaultdict(_SiteTotals)
        self.stacks: defaultdict[tuple[tuple[str, int], ...], _SiteTotals] = defaultdict(_SiteTotals)
        self.latest: PythonHeap | None = None

    def add(self, record: PythonHeap) -> None:
        self.delta_bytes += record.after_bytes - record.before_bytes
        self.peak_bytes = max(self.peak_bytes, record.peak_bytes)
        if not record.detailed:
            return
        self.detailed_calls += 1
        self.latest = record
        for line in record.top:
            self.lines[line.file, line.line].add(line)
        for package in record.packages:
            self.packages[package.package].add(package)
        for stack in record.stacks:
            self.stacks[tuple((file, line) for file, line in stack.frames)].add(stack)


class PythonHeapFold:
    """Adds up the readings of each path: changes are sums over the calls, peaks are maxima.

    The growth of a line is the sum over the calls that list it. A call lists the lines that changed most in it, so
    small growth spread over many calls may be missing from the sum, while `delta_bytes` of the phase is exact.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (PythonHeap,)

    def __init__(self) -> None:
        self._paths: defaultdict[PhasePath, _PathTotals] = defaultdict(_PathTotals)

    def add(self, record: Record, path: PhasePath) -> None:
        """Add a record; kinds that are not in `takes` are ignored."""
        if isinstance(record, PythonHeap):
            self._paths[path].add(record)

    def result(self, top: int = _DEFAULT_TOP) -> dict[PhasePath, results.PythonHeap]:
        """Return a row for each path.

        Args:
            top: the largest number of lines, packages and stacks in a row.
        """
        return {path: _row(totals, top) for path, totals in self._paths.items()}


def _row(totals: _PathTotals, top: int) -> results.PythonHeap:
    latest = totals.latest
    return results.PythonHeap(
        delta_bytes=totals.delta_bytes,
        peak_bytes=totals.peak_bytes,
        top=[_site(file, line, site) for (file, line), site in _largest(totals.lines.items(), top)],
        detailed_calls=totals.detailed_calls,
        largest=[_site(row.file, row.line, row) for row in latest.largest[:top]] if latest else [],
        packages=[_package(name, site) for name, site in _largest(totals.packages.items(), top)],
        stacks=[_stack(frames, site) for frames, site in _largest(totals.stacks.items(), top)],
        largest_packages=[_package(row.package, row) for row in latest.largest_packages[:top]] if latest else [],
        largest_stacks=[_stack(row.frames, row) for row in latest.largest_stacks[:top]] if latest else [],
    )


def _site(file: str, line: int, figures: _SiteTotals | HeapRow) -> results.HeapSite:
    return results.HeapSite(file=file, line=line, **_fields(figures))


def _package(name: str, figures: _SiteTotals | PackageRow) -> results.HeapPackage:
    return results.HeapPackage(package=name, **_fields(figures))


def _stack(frames: Iterable[tuple[str, int]], figures: _SiteTotals | StackRow) -> results.HeapStack:
    return results.HeapStack(
        stack=[results.HeapLine(file=file, line=line) for file, line in frames], **_fields(figures)
    )


def _fields(row: _SiteTotals | HeapRow | PackageRow | StackRow) -> dict[str, int]:
    return {
        "size_bytes": row.size_bytes,
        "delta_bytes": row.delta_bytes,
        "count": row.count,
        "delta_count": row.delta_count,
    }


def _largest(sums: Iterable[tuple[Key, _SiteTotals]], top: int) -> list[tuple[Key, _SiteTotals]]:
    changed = ((key, site) for key, site in sums if site.delta_bytes or site.delta_count)
    return nlargest(top, changed, key=lambda pair: (pair[1].delta_bytes > 0, abs(pair[1].delta_bytes)))
