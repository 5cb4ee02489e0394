"""Reads the source lines that figures of a report refer to, where their files are on this machine."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from .. import results
from ..capture.own_frames import is_program_code

_AROUND = 6  # lines before and after each
_MOST_FILES = 60
_MOST_LINES = 120  # of each file that are referred to
_LONGEST_LINE = 500  # characters
_MOST_BYTES = 2_000_000  # a larger file is no source that anybody reads
# Comments and strings, the quotes of those that may go on in the next line as a group.
_STRINGS = re.compile(
    r"""#[^\n]*|(\"{3}|'{3})(?:\\.|(?!\1).)*(?:\1|\Z)|"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?""", re.DOTALL
)
_SUFFIX = ".py"  # no other file gets into a report, whatever a trace names


def source_files(
    report: results.TraceReport, details: Iterable[results.ProcessDetails], folder: Path
) -> list[results.SourceFile]:
    """Return excerpts of the program's own files, the ones with the most bytes first.

    Args:
        report: whose lines are wanted.
        details: the stacks of its captures.
        folder: where relative paths are looked up too: that of the trace, which is often the program's.
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
        excerpt = _excerpts(file, folder, sorted(wanted), started)
        if excerpt is not None:
            found.append(excerpt)
    return found


def _lines(report: results.TraceReport, details: Iterable[results.ProcessDetails]) -> Iterator[tuple[str, int, int]]:
    """Yield files and lines with their bytes."""
    for row in report.phases:
        if row.python_heap is not None:
            for site in (*row.python_heap.top, *row.python_heap.largest):
                yield site.file, site.line, site.delta_bytes
        for allocations in (row.native, row.heap):
            for stack in allocations.top if allocations is not None else ():
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


def _excerpts(file: str, folder: Path, wanted: list[int], started_unix_ns: int) -> results.SourceFile | None:
    found = _read(file) or _read(str(folder / file))
    if found is None:
        return None
    lines, changed_ns = found
    first: list[int] = []
    excerpts: list[str] = []
    end = 0
    for line in wanted:
        start, stop = max(line - _AROUND, 1), min(line + _AROUND, len(lines))
        if start > len(lines):
            continue
        if first and start <= end + 1:
            excerpts[-1] = _text(lines[first[-1] - 1 : stop])
        else:
            first.append(start)
            excerpts.append(_text(lines[start - 1 : stop]))
        end = stop
    if not first:
        return None
    inside = open_quotes("\n".join(lines[: first[-1]]), first)
    return results.SourceFile(
        file=file, changed=changed_ns > started_unix_ns, first=first, text=excerpts, inside=inside
    )


def _text(lines: Iterable[str]) -> str:
    return "\n".join(line if len(line) <= _LONGEST_LINE else f"{line[: _LONGEST_LINE - 1]}…" for line in lines)


def open_quotes(text: str, at: Iterable[int]) -> list[str]:
    """Return the quotes of the string that is open where each of these lines begins, "" for none."""
    quotes: dict[int, str] = {}
    line, counted = 1, 0
    for found in _STRINGS.finditer(text):
        if found[1] is not None:
            line += text.count("\n", counted, found.start())
            lines = found[0].count("\n")
            quotes |= dict.fromkeys(range(line + 1, line + lines + 1), found[1])
            line, counted = line + lines, found.end()
    return [quotes.get(number, "") for number in at]


def _read(file: str) -> tuple[list[str], int] | None:
    """Return the lines of a source file, and when it was changed last."""
    if not file.endswith(_SUFFIX):
        return None
    try:
        info = os.stat(file)
        if not stat.S_ISREG(info.st_mode) or info.st_size > _MOST_BYTES:
            return None
        with open(file, encoding="utf-8", errors="replace") as text:
            return text.read().splitlines(), info.st_mtime_ns
    except (OSError, ValueError):  # not on this machine, or no path at all, such as one with a null character
        return None
