"""Writes OpenTelemetry profiles as an OTLP receiver takes them: a resource a process, a profile for each metric.

The message is `ExportProfilesServiceRequest` of opentelemetry-proto, whose package is v1development: it may change. It
has the same fields as `ProfilesData`. The numbers here are those of the fields.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path

from .. import results
from .._version import __version__
from ..analysis.library_builds import LibraryBuild, library_builds
from ..analysis.stack_table import StackTable
from ..paths import write
from ..reports.visible import visible
from .base import TraceLike
from .protobuf import integer, message, packed
from .stacks import shown_frame, tables_of

_PHASE = "fwmemtrace.phase.path"  # as in the spans of `integrations.opentelemetry`
_FRAME_TYPE, _BUILD_ID = "profile.frame.type", "process.executable.build_id.gnu"  # semantic conventions


class OtlpProfilesExporter:
    """Writes the format of OpenTelemetry's profiles signal."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write the profiles.

        Raises:
            FwmemtraceError: if the trace has no stacks.
            OSError: if the file cannot be written.
        """
        tables = {table.pid: table for table in tables_of(trace)}
        builds = {name: build for process in trace.processes for name, build in library_builds(process.records).items()}
        dictionary = _Dictionary(builds)
        resources = []
        for traced in trace.processes:
            if traced.pid in tables:
                process = traced.report().trace.processes[0]
                resources.append(_resource_profiles(process, tables[traced.pid], dictionary))
        out_path.write_bytes(b"".join(message(1, one) for one in resources) + message(2, dictionary.encoded()))


def _resource_profiles(process: results.Process, table: StackTable, dictionary: _Dictionary) -> bytes:
    scope = message(1, b"fwmemtrace") + message(2, __version__.encode())
    samples = [
        (integer(1, dictionary.stack(stack.frames)) + packed(2, dictionary.phase(write(path))), values)
        for (path, stack), values in table.rows.items()
    ]
    profiles = []
    for at, metric in enumerate(table.metrics):
        named = integer(1, dictionary.string(metric.name)) + integer(2, dictionary.string(_unit(metric.unit)))
        content = message(1, named)
        content += b"".join(message(2, place + packed(4, [values[at]])) for place, values in samples if values[at])
        content += _fixed64(3, process.started_unix_ns) + integer(4, process.wall_ns)
        content += message(7, sha256(f"{process.pid} {metric.name} ".encode() + content).digest()[:16])
        profiles.append(message(2, content))
    return message(1, _resource(process)) + message(2, message(1, scope) + b"".join(profiles))


def _resource(process: results.Process) -> bytes:
    """Return the attributes of a process, by OpenTelemetry's semantic conventions."""
    texts = {
        "service.name": process.service or "unknown_service",
        "service.instance.id": process.instance,
        "process.command_line": " ".join(process.command),
        "process.runtime.name": "cpython",
        "process.runtime.version": process.python,
        **process.labels,
    }
    attributes = [(visible(key), message(1, _text(visible(text)))) for key, text in texts.items() if text]
    attributes.append(("process.pid", integer(3, process.pid)))
    return b"".join(message(1, message(1, _text(key)) + message(2, value)) for key, value in attributes)


class _Dictionary:
    """What the profiles refer to by number. Number 0 of each table stands for nothing."""

    def __init__(self, builds: Mapping[str, LibraryBuild]) -> None:
        self._builds = builds
        self._strings = {"": 0}
        # The messages of each table, in their order, by their content.
        self._mappings, self._locations, self._functions, self._attributes, self._stacks = ({b"": 0} for _ in range(5))

    def stack(self, frames: Iterable[tuple[str, str, int, str | None]]) -> int:
        """Return the number of a stack, innermost frame first."""
        return _number(self._stacks, packed(1, [self._location(*frame) for frame in frames]))

    def phase(self, path: str) -> list[int]:
        """Return the numbers of the attributes of a phase; none for no phase."""
        return [self._attribute(_PHASE, visible(path))] if path else []

    def string(self, text: str) -> int:
        """Return the number of a text."""
        return self._strings.setdefault(text, len(self._strings))

    def encoded(self) -> bytes:
        """Return the whole dictionary."""
        tables = [(1, self._mappings), (2, self._locations), (3, self._functions), (4, {b"": 0})]
        tables += [(6, self._attributes), (7, self._stacks)]
        strings = b"".join(message(5, _text(text)) for text in self._strings)
        return strings + b"".join(message(field, one) for field, table in tables for one in table)

    def _location(self, function: str, file: str, line: int, library: str | None) -> int:
        frame = shown_frame(function, file, line, library)
        name = self.string(frame.name)
        of_function = integer(1, name) + integer(2, name) + integer(3, self.string(frame.file))
        of_line = integer(1, _number(self._functions, of_function)) + integer(2, frame.line)
        mapping = integer(1, self._mapping(library)) if library else b""
        kind = self._attribute(_FRAME_TYPE, "native" if library else "cpython")
        return _number(self._locations, mapping + message(3, of_line) + packed(4, [kind]))

    def _mapping(self, library: str) -> int:
        path, build = self._builds.get(library, LibraryBuild(library, ""))
        identity = packed(5, [self._attribute(_BUILD_ID, build)]) if build else b""
        return _number(self._mappings, integer(4, self.string(visible(path))) + identity)

    def _attribute(self, key: str, value: str) -> int:
        return _number(self._attributes, integer(1, self.string(key)) + message(2, message(1, _text(value))))


def _number(table: dict[bytes, int], content: bytes) -> int:
    return table.setdefault(content, len(table))


def _unit(unit: str) -> str:
    return {"bytes": "By", "count": "1"}.get(unit, unit)  # as UCUM has them


def _text(text: str) -> bytes:
    return text.encode("utf-8", "backslashreplace")


def _fixed64(field: int, value: int) -> bytes:
    return bytes([field << 3 | 1]) + value.to_bytes(8, "little")
