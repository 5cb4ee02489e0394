"""Writes a profile for pprof: every stack once, leaf first, with its phase and process as labels.

The message is `Profile` of pprof's profile.proto, compressed by gzip. The numbers here are those of its fields.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Mapping
from pathlib import Path

from ..analysis.library_builds import LibraryBuild, library_builds
from ..analysis.stack_table import Metric, StackTable
from ..paths import write
from ..reports.visible import visible
from .base import TraceLike
from .protobuf import integer, message, packed
from .stacks import NO_PHASE, ShownFrame, chosen_metric, shown_frame, tables_of

_PAGE = 0x1000  # addresses of mappings are made up: a capture has none


class PprofExporter:
    """Writes the format of `go tool pprof`, Grafana Pyroscope, Parca and others."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write the profile.

        Raises:
            FwmemtraceError: if the trace has no stacks.
            OSError: if the file cannot be written.
        """
        tables = tables_of(trace)
        builds = {name: build for process in trace.processes for name, build in library_builds(process.records).items()}
        profile = _Profile(builds)
        metrics = list(dict.fromkeys(metric for table in tables for metric in table.sums()))
        for table in tables:
            profile.add(table, metrics)
        process = trace.processes[0].report().trace.processes[0]
        comment = visible(" ".join(process.command))
        content = profile.encoded(
            metrics, chosen_metric(tables, None), process.started_unix_ns, process.wall_ns, comment
        )
        with gzip.open(out_path, "wb") as file:
            file.write(content)


class _Profile:
    """A profile while it is put together. The tables of pprof refer to each other by number."""

    def __init__(self, builds: Mapping[str, LibraryBuild]) -> None:
        self._builds = builds
        self._strings = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._mappings: dict[str, int] = {}
        self._locations: dict[tuple[int, int, int], int] = {}
        self._samples: list[bytes] = []

    def add(self, table: StackTable, metrics: Iterable[Metric]) -> None:
        """Add the stacks of a process."""
        at = {metric.name: number for number, metric in enumerate(table.metrics)}
        places = [at.get(metric.name) for metric in metrics]
        for (path, stack), values in table.rows.items():
            locations = [self._location(_frame(*frame), frame[3]) for frame in stack.frames]
            sizes = [0 if place is None else values[place] for place in places]
            phase = message(3, self._label("phase", visible(write(path)) if path else NO_PHASE))
            pid = message(3, integer(1, self._string("pid")) + integer(3, table.pid))
            self._samples.append(packed(1, locations) + packed(2, sizes) + phase + pid)

    def encoded(
        self, metrics: Iterable[Metric], default: Metric, time_ns: int, duration_ns: int, comment: str
    ) -> bytes:
        """Return the whole profile."""
        types = [self._value_type(metric.name, metric.unit) for metric in metrics]
        period = self._value_type("space", "bytes")
        comment_at, default_at = self._string(comment), self._string(default.name)
        mappings = [self._mapping(library, number) for library, number in self._mappings.items()]
        functions = [
            integer(1, number)
            + integer(2, self._string(name))
            + integer(3, self._string(name))
            + integer(4, self._string(file))
            for (name, file), number in self._functions.items()
        ]
        locations = [
            integer(1, number) + integer(2, mapping) + message(4, integer(1, function) + integer(2, line))
            for (mapping, function, line), number in self._locations.items()
        ]
        repeated = [(1, types), (2, self._samples), (3, mappings), (4, locations), (5, functions)]
        content = b"".join(message(field, one) for field, many in repeated for one in many)
        content += b"".join(message(6, text.encode()) for text in self._strings)
        content += integer(9, time_ns) + integer(10, duration_ns) + message(11, period) + integer(12, 1)
        return content + packed(13, [comment_at]) + integer(14, default_at)

    def _string(self, text: str) -> int:
        return self._strings.setdefault(text, len(self._strings))

    def _value_type(self, name: str, unit: str) -> bytes:
        return integer(1, self._string(name)) + integer(2, self._string(unit))

    def _label(self, key: str, value: str) -> bytes:
        return integer(1, self._string(key)) + integer(2, self._string(value))

    def _location(self, frame: ShownFrame, library: str | None) -> int:
        function = self._functions.setdefault((frame.name, frame.file), len(self._functions) + 1)
        mapping = self._mappings.setdefault(library, len(self._mappings) + 1) if library else 0
        return self._locations.setdefault((mapping, function, frame.line), len(self._locations) + 1)

    def _mapping(self, library: str, number: int) -> bytes:
        path, build = self._builds.get(library, LibraryBuild(library, ""))
        start = number * 2 * _PAGE
        named = integer(7, 1) + integer(8, 1) + integer(9, 1)  # has functions, file names and line numbers
        place = integer(1, number) + integer(2, start) + integer(3, start + _PAGE)
        return place + integer(5, self._string(visible(path))) + integer(6, self._string(build)) + named


def _frame(function: str, file: str, line: int, library: str | None) -> ShownFrame:
    """Return a frame under a name that pprof shows: it takes what is between "<" and ">" for a template of C++."""
    frame = shown_frame(function, file, line, library)
    if library is not None or "<" not in function:
        return frame
    name = frame.name.replace("<", "[").replace(">", "]")
    return frame._replace(name=f"{name} {frame.file.rpartition('/')[2]}" if name == "[module]" else name)
