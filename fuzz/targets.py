"""The readers, each as a function that takes an input of any bytes.

What it raises, other than errors of ours, is a fault.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from random import Random
from types import MappingProxyType

import fwmemtrace
from fwmemtrace.analysis.diff import compare
from fwmemtrace.capture import markers
from fwmemtrace.cli.compared_run import run_of_trace
from fwmemtrace.errors import FwmemtraceError
from fwmemtrace.exporters.dot import DotExporter
from fwmemtrace.paths import read, write
from fwmemtrace.redaction import Redactor
from fwmemtrace.reports import Options
from fwmemtrace.reports.difference import difference_document
from fwmemtrace.reports.share import shareable
from fwmemtrace.reports.terminal import write_text
from fwmemtrace.symbols.debug_files import debug_file_of
from fwmemtrace.symbols.elf_file import ElfFile
from fwmemtrace.system import elf
from fwmemtrace.tracefile.decode import FrameDecoder
from fwmemtrace.tracefile.follow import FollowedFile
from fwmemtrace.tracefile.layout import part_path
from fwmemtrace.tracefile.reader import open_trace_file

from . import inputs

_FOLDER = Path(tempfile.mkdtemp(prefix="fwmemtrace-fuzz-"))
_REDACTOR = Redactor()


def frames(data: bytes) -> None:
    """Decode bytes as the frames of a trace file."""
    decoder = FrameDecoder(io.BytesIO(data))
    list(decoder)
    assert 0 <= decoder.damaged_bytes <= len(data)


def reports(data: bytes) -> None:
    """Write records without sense, chosen by the bytes, and make every report of them."""
    path = _FOLDER / "t.bin"
    path.write_bytes(inputs.trace(inputs.records(Random(data))))
    _report(path)


def traces(data: bytes) -> None:
    """Read bytes as a trace file, and make every report of it."""
    path = _FOLDER / "t.bin"
    path.write_bytes(data)
    with suppress(FwmemtraceError):
        _report(path)


def parts(data: bytes) -> None:
    """Read bytes as a further part of a trace, at once and while it grows."""
    path = _FOLDER / "in-parts.bin"
    path.write_bytes(inputs.trace([inputs.session_in_parts()]))
    followed = FollowedFile(open_trace_file(path))
    Path(part_path(str(path), 2)).write_bytes(data)
    list(followed.new_records())
    with suppress(FwmemtraceError):
        fwmemtrace.read(path).report("json")


def libraries(data: bytes) -> None:
    """Read bytes as a shared library."""
    path = _FOLDER / "libfuzz.so"
    path.write_bytes(data)
    elf._zeroed.cache_clear()
    elf.zeroed_bytes(str(path), 4096)
    elf.build_of(str(path))
    library = ElfFile(str(path))
    library.has_lines()
    debug_file_of(str(path), library)


def texts(data: bytes) -> None:
    """Read bytes as what captures and settings hold as text: paths of phases, markers, mappings; redact them."""
    text = data.decode("utf-8", "replace")
    assert read(write(read(text))) == read(text)
    for reader in (markers.read_name, markers.read_row):
        with suppress(ValueError):
            reader(text)
    _REDACTOR.text(text)
    _REDACTOR.arguments(text.split())


def captures(data: bytes) -> None:
    """Read bytes as a memray capture."""
    path = _FOLDER / "t.memray"
    path.write_bytes(data)
    from fwmemtrace.capture.isolated import IsolatedCapture

    with suppress(FwmemtraceError), IsolatedCapture(path) as capture:
        capture.read()
        capture.summary(top=3)
        for sample in islice(capture.samples(), 20):
            assert sample.stack is not None


def _report(path: Path) -> None:
    trace = fwmemtrace.read(path)
    report = trace.summary(budget=1)
    for format in ("text", "markdown", "json", "html"):
        trace.report(format)
    shareable(report)
    run = run_of_trace(trace)
    write_text(difference_document(compare([run], [run])), Options())
    with suppress(FwmemtraceError):
        DotExporter().export(trace, _FOLDER / "t.dot")


TARGETS: Mapping[str, Callable[[bytes], None]] = MappingProxyType(
    {target.__name__: target for target in (frames, texts, libraries, traces, parts, reports, captures)}
)
