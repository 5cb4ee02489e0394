"""Folds the Python heap's records of one process by phase path."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from heapq import nlargest
from typing import ClassVar, TypeVar

from .. import results
from ..paths import PhasePath
from ..records import HeapRow, PackageRow, PythonHeap, Record, StackRow

Key = TypeVar("Key", bound=Hashable)
_ROWS = 20


class _Sum:
    """One line, package or stack over the runs of a phase: growth adds up, what is there is the latest reading."""

    __slots__ = ("count", "delta_bytes", "delta_count", "size_bytes")

    def __init__(self) -> None:
        self.size_bytes = self.delta_bytes = self.count = self.delta_count = 0

    def add(self, row: HeapRow | PackageRow | StackRow) -> None:
        self.size_bytes = row.size_bytes
        self.count = row.count
        self.delta_bytes += row.delta_bytes
        self.delta_count += row.delta_count


class _Path:
    """What is known of the phases of one path."""

    def __init__(self) -> None:
        self.delta_bytes = 0
        self.peak_bytes = 0
        self.calls = 0
        self.detailed_calls = 0
        self.lines: defaultdict[tuple[str, int], _Sum] = defaultdict(_Sum)
        self.packages: defaultdict[str, _Sum] = defaultdict(_Sum)
        self.stacks: defaultdict[tuple[tuple[str, int], ...], _Sum] = defaultdict(_Sum)
        self.latest: PythonHeap | None = None

    def add(self, record: PythonHeap) -> None:
        self.calls += 1
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
    """Takes the records of one process, each with the path of the phase that its span names.

    Over the runs of a path deltas add up and peaks take the largest. A row's growth is the sum over the runs that list
    it: a run lists the lines that moved most in it, so small growth spread over many runs may be missing from the sum,
    while `delta_bytes` of the phase is exact.
    """

    takes: ClassVar[tuple[type[Record], ...]] = (PythonHeap,)

    def __init__(self) -> None:
        self._paths: defaultdict[PhasePath, _Path] = defaultdict(_Path)

    def add(self, record: Record, path: PhasePath) -> None:
        """Take a record; those of other kinds are passed over."""
        if isinstance(record, PythonHeap):
            self._paths[path].add(record)

    def result(self, top: int = _ROWS) -> dict[PhasePath, results.PythonHeap]:
        """What the report says of each path.

        Args:
            top: rows in each list.
        """
        return {path: _result(found, top) for path, found in self._paths.items()}


def _result(found: _Path, top: int) -> results.PythonHeap:
    latest = found.latest
    return results.PythonHeap(
        delta_bytes=found.delta_bytes,
        peak_bytes=found.peak_bytes,
        top=[_site(file, line, total) for (file, line), total in _largest(found.lines.items(), top)],
        detailed_calls=found.detailed_calls,
        largest=[_site(row.file, row.line, row) for row in latest.largest[:top]] if latest else [],
        packages=[_package(name, total) for name, total in _largest(found.packages.items(), top)],
        stacks=[_stack(frames, total) for frames, total in _largest(found.stacks.items(), top)],
        largest_packages=[_package(row.package, row) for row in latest.largest_packages[:top]] if latest else [],
        largest_stacks=[_stack(row.frames, row) for row in latest.largest_stacks[:top]] if latest else [],
    )


def _site(file: str, line: int, total: _Sum | HeapRow) -> results.HeapSite:
    return results.HeapSite(file=file, line=line, **_fields(total))


def _package(name: str, total: _Sum | PackageRow) -> results.HeapPackage:
    return results.HeapPackage(package=name, **_fields(total))


def _stack(frames: Iterable[tuple[str, int]], total: _Sum | StackRow) -> results.HeapStack:
    return results.HeapStack(stack=[results.HeapLine(file=file, line=line) for file, line in frames], **_fields(total))


def _fields(row: _Sum | HeapRow | PackageRow | StackRow) -> dict[str, int]:
    return {
        "size_bytes": row.size_bytes,
        "delta_bytes": row.delta_bytes,
        "count": row.count,
        "delta_count": row.delta_count,
    }


def _largest(sums: Iterable[tuple[Key, _Sum]], top: int) -> list[tuple[Key, _Sum]]:
    moved = ((key, total) for key, total in sums if total.delta_bytes or total.delta_count)
    return nlargest(top, moved, key=lambda pair: (pair[1].delta_bytes > 0, abs(pair[1].delta_bytes)))
