"""Traces that were made to harm their reader: it comes to an end, with errors of its own at most."""

from __future__ import annotations

import io
import struct
from zlib import crc32

import pytest

import fwmemtrace
from fwmemtrace.analysis.open_phases import LONGEST_NAME, MOST_LEVELS, MOST_PATHS, OTHERS, UNNAMED
from fwmemtrace.records import (
    CaptureChunk,
    ModuleImport,
    Note,
    Overhead,
    PhaseBegin,
    PhaseEnd,
    Record,
    RssChange,
    SampledStack,
    SessionBegin,
    SessionEnd,
    UnmeasuredCalls,
)
from fwmemtrace.tracefile.decode import FrameDecoder
from fwmemtrace.tracefile.encode import frame, header
from fwmemtrace.tracefile.layout import FRAME_CRC, FRAME_HEAD

PROBES = ["resident", "imports", "mappings", "native", "python_heap", "objects", "tensors", "collector"]
BEGIN = SessionBegin(
    schema=1, session_id="s", pid=7, parent_pid=1, version="0", python="3.11", platform="linux", command=["x"],
    started_unix_ns=1, time_ns=1, rss_bytes=100, peak_rss_bytes=100, peak_source="kernel", probes=PROBES, settings={},
)  # fmt: skip
END = SessionEnd(10**9, 200, 300, 0)


@pytest.fixture
def read(tmp_path):
    def read_records(*records: Record, raw: bytes = b"") -> fwmemtrace.Trace:
        path = tmp_path / "t.bin"
        path.write_bytes(header(7) + b"".join(map(frame, [BEGIN, *records])) + raw + frame(END))
        return fwmemtrace.read(path)

    return read_records


def render(trace: fwmemtrace.Trace) -> None:
    for format in ("text", "markdown", "json"):
        trace.report(format, budget=1)


def nested(levels: int, name: str = "f") -> list[Record]:
    begins = [PhaseBegin(span, span - 1, name, 1, span, 100 + span) for span in range(1, levels + 1)]
    return [*begins, *(PhaseEnd(span, 10**6 - span, 200, 300) for span in range(levels, 0, -1))]


def raw_frame(kind: int, payload: bytes) -> bytes:
    body = FRAME_HEAD.pack(len(payload), kind) + payload
    return body + FRAME_CRC.pack(crc32(body))


def test_empty_names_are_shown_as_such(read):
    trace = read(*nested(3, ""))
    render(trace)
    assert [row.path for row in trace.phases] == [UNNAMED, f"{UNNAMED}/{UNNAMED}", "/".join([UNNAMED] * 3), ""]


def test_deep_recursion_counts_for_the_deepest_row(read):
    trace = read(*nested(MOST_LEVELS + 500))
    render(trace)
    rows = trace.phases
    assert len(rows) == MOST_LEVELS + 1
    assert all(row.calls == 1 for row in rows)
    assert any("500 calls are nested more than" in note for note in trace.summary().trace.notes)


def test_imports_and_overhead_of_calls_without_a_row_count_for_the_phase_around_them(read):
    records = nested(MOST_LEVELS + 1)
    module = ModuleImport(MOST_LEVELS + 1, "m", None, "x:1", 0, 1, 5, 7, 7, 1, 1)
    trace = read(
        *records[: MOST_LEVELS + 1], module, Overhead(MOST_LEVELS + 1, "native", 1, 1), *records[MOST_LEVELS + 1 :]
    )
    deepest = trace.phases[-2].path
    imported = {row.path: row.imported_bytes for row in trace.summary().import_phases or []}
    assert imported[deepest] == 7


def test_long_nested_names_take_little_room(read):
    trace = read(*nested(2000, "n" * 1000))
    assert len(trace.report("json")) < 10_000_000
    assert len(read(*nested(3, "n" * 1_000_000)).phases[0].name) == LONGEST_NAME


@pytest.mark.slow
def test_too_many_phases_share_rows(read):
    spans = range(1, MOST_PATHS + 101)
    records = [
        record for span in spans for record in (PhaseBegin(span, 0, f"{span}", 1, 1, 1), PhaseEnd(span, 2, 3, 3))
    ]
    trace = read(*records)
    rows = {row.path: row.calls for row in trace.phases}
    assert (len(rows), rows[OTHERS]) == (MOST_PATHS + 2, 100)
    assert sum(rows.values()) == len(spans) + 1


def test_figures_without_sense_can_be_reported(read):
    for low, high in ((0, 0), (-(2**63), -1), (2**63, 2**64 - 1)):
        records = [PhaseBegin(1, 0, "a", 1, high, low), RssChange(low, low, high, 1, 1), PhaseEnd(1, low, low, high)]
        render(read(*records, SessionEnd(low, low, low, 0)))


def test_a_deep_stack_and_a_long_chain_of_imports(read):
    stack = SampledStack(1, [(f"f{line}", "x.py", line) for line in range(20_000)])
    imports = [ModuleImport(0, f"m{n + 1}", f"m{n}", "x:1", n, 1, n, 5, 5, 5, 5, file="x.py") for n in range(2000)]
    render(read(stack, RssChange(5, 10**7, 10**7, 1, 1), *imports))


def test_messagepack_nested_too_deeply_is_damage(read):
    payload = b"\x99\x01\x00\xa1a\x01\x02\x03\xc0" + b"\x91" * 100_000 + b"\xc0"
    trace = read(*nested(1), raw=raw_frame(PhaseBegin.kind, payload))
    assert trace["f"].calls == 1
    assert trace.summary().trace.damaged_bytes == len(payload) + FRAME_HEAD.size + FRAME_CRC.size


@pytest.mark.parametrize("offset", [-1, 1, 2**40, 2**63])
def test_a_capture_in_the_wrong_places_is_no_capture(read, offset):
    trace = read(CaptureChunk("memray", offset, 2, b"xx"))
    render(trace)
    with pytest.raises(fwmemtrace.CaptureError, match="no memray capture"), trace.capture():
        pass


@pytest.mark.parametrize("path", [[], [""], ["x"] * 100_000, ["y" * 1_000_000], ["a", "", "b"]])
def test_counted_calls_have_paths_like_others(read, path):
    trace = read(*nested(1), UnmeasuredCalls(path, 3, 5, {}))
    rows = [row for row in trace.phases if row.unmeasured_calls]
    assert [row.calls for row in rows] == ([3] if path else [])
    assert all(len(row.path) <= MOST_LEVELS * 2 + 2 * LONGEST_NAME for row in rows)
    render(trace)


def test_notes_are_limited(read):
    trace = read(*(Note(1, "x", f"note {number}") for number in range(1000)))
    assert trace.summary().trace.notes[-1] == "trace: 500 further notes are left out"


class _Counted(io.BytesIO):
    """Counts the bytes that are read."""

    total = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.total += len(data)
        return data


def test_damage_that_looks_like_large_frames_is_read_once():
    damage = b"\x90\x00" * 200_000 + struct.pack("<IH", 10_000_000, 2) * 10_000
    file = _Counted(frame(BEGIN) + damage + frame(BEGIN) + frame(END) * 100)
    frames = FrameDecoder(file)
    assert len(list(frames)) >= 100
    assert len(damage) <= frames.damaged_bytes < len(damage) + 1000
    assert file.total == len(file.getvalue())
