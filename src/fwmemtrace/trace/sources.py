"""Reads the source lines that figures of a report refer to, where their files are on this machine."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator

from .. import results
from ..capture.own_frames import is_program_code

_AROUND = 6  # lines before and after each
_MOST_FILES = 60
_MOST_LINES = 120  # of each file that are referred to
_MOST_BYTES = 2_000_000  # a larger file is no source that anybody reads


def source_files(report: results.TraceReport, details: Iterable[results.ProcessDetails]) -> list[results.SourceFile]:
    """Return excerpts of the program's own files, the ones with the most bytes first.

    Args:
        report: whose lines are wanted.
        details: the stacks of its captures.
    """
    weights: dict[str, dict[int, int]] = {}
    for file, line, size in _lines(report, details):
        if line > 0 and is_program_code(file):
            lines = weights.setdefault(file, {})
            lines[line] = lines.get(line, 0) + abs(size)
    started = min((process.started_unix_ns for process in report.trace.processes), default=0)
    found = []
    for file in sorted(weights, key=lambda name: -sum(weights[name].values()))[:_MOST_FILES]:
        lines = weights[file]
        wanted = sorted(lines, key=lambda line: -lines[line])[:_MOST_LINES]
        excerpt = _excerpts(file, sorted(wanted), started)
        if excerpt is not None:
            found.append(excerpt)
    return found


def _lines(report: results.TraceReport, details: Iterable[results.ProcessDetails]) -> Iterator[tuple[str, int, int]]:
    """Yield files and lines with their bytes."""
    for row in report.phases:
        if row.python_heap is not None:
            for site in (*row.python_heap.top, *row.python_heap.largest):
                yield site.file, site.line, site.delta_bytes
        if row.native is not None:
            for stack in row.native.top:
                for frame in stack.stack:
                    yield frame.file, frame.line, stack.live_bytes
    for rises in report.rises or []:
        for rise in rises.stacks:
            for frame in rise.stack:
                yield frame.file, frame.line, rise.bytes
    for module in report.imports or []:
        if module.nearest_own is not None:
            yield module.nearest_own.file, module.nearest_own.line, module.own_bytes
    for process in details:
        tree = process.native
        if tree is not None:
            for frame_number, (file, line) in enumerate(zip(tree.file, tree.line, strict=True)):
                if tree.kind[frame_number] == 1:
                    yield tree.strings[file], line, 1


def _excerpts(file: str, wanted: list[int], started_unix_ns: int) -> results.SourceFile | None:
    try:
        stat = os.stat(file)
        if stat.st_size > _MOST_BYTES:
            return None
        with open(file, encoding="utf-8", errors="replace") as text:
            lines = text.read().splitlines()
    except (OSError, ValueError):  # not on this machine, or no path at all, such as "<string>"
        return None
    first: list[int] = []
    excerpts: list[str] = []
    end = 0
    for line in wanted:
        start, stop = max(line - _AROUND, 1), min(line + _AROUND, len(lines))
        if start > len(lines):
            continue
        if first and start <= end + 1:
            excerpts[-1] = "\n".join(lines[first[-1] - 1 : stop])
        else:
            first.append(start)
            excerpts.append("\n".join(lines[start - 1 : stop]))
        end = stop
    if not first:
        return None
    changed = stat.st_mtime_ns > started_unix_ns
    return results.SourceFile(file=file, changed=changed, first=first, text=excerpts)
