"""Records round trip through a trace file, and damage costs only the records it hits."""

from __future__ import annotations

import io
import os
from pathlib import Path
from zlib import crc32

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fwmemtrace
from fwmemtrace.errors import TraceFileError
from fwmemtrace.paths import encodable
from fwmemtrace.records import HeapRow, Note, PhaseBegin, PhaseEnd, PythonHeap, Record, Sample, kinds
from fwmemtrace.sinks.trace_file import TraceFileSink
from fwmemtrace.tracefile.decode import FrameDecoder
from fwmemtrace.tracefile.encode import frame, header
from fwmemtrace.tracefile.layout import FORMAT_VERSION, FRAME_CRC, FRAME_HEAD, HEADER, MAGIC

sizes = st.integers(0, 2**62)
attributes = st.none() | st.dictionaries(
    st.text(max_size=8), st.text(max_size=8) | st.integers(-(2**62), 2**62) | st.booleans() | st.floats(allow_nan=False)
)
records = st.one_of(
    st.builds(PhaseBegin, sizes, sizes, st.text(min_size=1, max_size=300), sizes, sizes, sizes, attributes),
    st.builds(PhaseEnd, sizes, sizes, sizes, sizes, st.none() | st.text(max_size=20)),
    st.builds(Sample, sizes, sizes, sizes),
    st.builds(Note, sizes, st.text(max_size=10), st.text(max_size=1000)),
)


ANY_TEXT = st.text(st.characters(exclude_categories=()), min_size=1, max_size=8)


@given(ANY_TEXT, ANY_TEXT)
def test_texts_that_utf_8_cannot_encode_are_escaped(name: str, value: str) -> None:
    read, _ = decode(frame(PhaseBegin(1, 0, name, 1, 2, 3, {name: value, "n": 1})))
    assert read == [PhaseBegin(1, 0, encodable(name), 1, 2, 3, {encodable(name): encodable(value), "n": 1})]


def test_undecodable_arguments_of_a_program_do_not_cost_the_trace() -> None:
    row = HeapRow("caf\udce9.py", 7, 1, 2, 3, 4)
    read, _ = decode(frame(PythonHeap(1, 2, 3, 4, [row])))
    assert read == [PythonHeap(1, 2, 3, 4, [HeapRow("caf\\udce9.py", 7, 1, 2, 3, 4)])]


def decode(data: bytes) -> tuple[list[Record], FrameDecoder]:
    frames = FrameDecoder(io.BytesIO(data))
    return list(frames), frames


@given(st.lists(records, max_size=30))
def test_every_record_round_trips(written: list[Record]) -> None:
    read, frames = decode(b"".join(map(frame, written)))
    assert read == written
    assert (frames.damaged_bytes, frames.unknown) == (0, 0)


@given(st.lists(records, min_size=1, max_size=12), st.data())
def test_a_truncated_file_keeps_every_whole_frame(written: list[Record], data: st.DataObject) -> None:
    frames = [frame(record) for record in written]
    whole = b"".join(frames)
    cut = data.draw(st.integers(0, len(whole)))
    kept = 0
    while kept < len(frames) and sum(map(len, frames[: kept + 1])) <= cut:
        kept += 1
    read, found = decode(whole[:cut])
    assert read == written[:kept]
    assert found.damaged_bytes == cut - sum(map(len, frames[:kept]))


@given(st.lists(records, min_size=2, max_size=10), st.data())
def test_a_flipped_byte_costs_one_record(written: list[Record], data: st.DataObject) -> None:
    frames = [frame(record) for record in written]
    hit = data.draw(st.integers(0, len(frames) - 1))
    damaged = bytearray(frames[hit])
    damaged[data.draw(st.integers(0, len(damaged) - 1))] ^= data.draw(st.integers(1, 255))
    read, found = decode(b"".join([*frames[:hit], bytes(damaged), *frames[hit + 1 :]]))
    assert read == written[:hit] + written[hit + 1 :]
    assert found.damaged_bytes == len(damaged)


@given(st.lists(records, min_size=1, max_size=5), st.binary(max_size=400), st.lists(records, min_size=1, max_size=5))
def test_junk_between_frames_is_skipped(before: list[Record], junk: bytes, after: list[Record]) -> None:
    read, found = decode(b"".join(map(frame, before)) + junk + b"".join(map(frame, after)))
    assert read == before + after
    assert found.damaged_bytes == len(junk)


@given(st.binary(max_size=2000))
def test_any_bytes_are_decoded_without_an_error(junk: bytes) -> None:
    _, found = decode(junk)
    assert found.damaged_bytes + found.unknown >= (1 if junk else 0)


def test_a_frame_larger_than_the_read_size_round_trips() -> None:
    written = [Note(1, "x", "y" * 3_000_000), Sample(1, 2, 3)]
    assert decode(b"".join(map(frame, written)))[0] == written


def test_megabytes_of_damage_are_skipped() -> None:
    read, found = decode(frame(Sample(1, 2, 3)) + b"\x07" * 3_000_000 + frame(Sample(4, 5, 6)))
    assert read == [Sample(1, 2, 3), Sample(4, 5, 6)]
    assert found.damaged_bytes == 3_000_000


def raw_frame(kind: int, fields: list[object]) -> bytes:
    """Return a whole frame of any content."""
    payload = msgspec.msgpack.encode(fields)
    body = FRAME_HEAD.pack(len(payload), kind) + payload
    return body + FRAME_CRC.pack(crc32(body))


def test_a_record_of_a_newer_kind_is_counted_and_skipped() -> None:
    read, found = decode(raw_frame(999, [1]) + frame(Sample(1, 2, 3)))
    assert read == [Sample(1, 2, 3)]
    assert (found.unknown, found.damaged_bytes) == (1, 0)


def test_fields_of_a_newer_version_are_ignored() -> None:
    assert decode(raw_frame(Sample.kind, [1, 2, 3, "new"]))[0] == [Sample(1, 2, 3)]


@pytest.mark.parametrize("fields", [["a", 2, 3], [1], [msgspec.msgpack.Ext(1, b"x"), 2, 3]])
def test_a_whole_frame_with_wrong_content_is_damage(fields: list[object]) -> None:
    """That includes extension types, the one way in which MessagePack carries more than plain data."""
    wrong = raw_frame(Sample.kind, fields)
    read, found = decode(wrong + frame(Sample(1, 2, 3)))
    assert read == [Sample(1, 2, 3)]
    assert found.damaged_bytes == len(wrong)


def test_no_two_kinds_share_a_number() -> None:
    classes = [cls for cls in Record.__subclasses__() if cls.__module__.startswith("fwmemtrace.")]
    assert len({cls.kind for cls in classes}) == len(classes)
    assert all(0 < cls.kind < 256 for cls in classes)
    assert set(kinds().values()) == set(classes)


def test_the_file_sink_writes_each_record_at_once(tmp_path: Path) -> None:
    sink = TraceFileSink(tmp_path / "trace.bin")
    assert (tmp_path / "trace.bin").read_bytes() == header(os.getpid())
    sink.write(Sample(1, 2, 3))
    written = header(os.getpid()) + frame(Sample(1, 2, 3))
    found = (tmp_path / "trace.bin").read_bytes()
    assert (found[: len(written)], found[len(written) :].strip(b"\0")) == (written, b"")
    sink.close()
    assert (tmp_path / "trace.bin").read_bytes() == written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"import os\n", "is not a fwmemtrace trace"),
        (MAGIC[:5], "within its header"),
        (HEADER.pack(MAGIC, FORMAT_VERSION + 1, 0xFEFF, 1, 0), f"format version {FORMAT_VERSION + 1}"),
        (HEADER.pack(MAGIC, FORMAT_VERSION, 0xFFFE, 1, 0), "byte order"),
    ],
)
def test_a_file_that_is_no_trace_is_one_clear_error(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "trace.bin"
    path.write_bytes(content)
    with pytest.raises(TraceFileError, match=message) as caught:
        fwmemtrace.read(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_folder_have_their_own_messages(tmp_path: Path) -> None:
    with pytest.raises(TraceFileError, match=r"nothing\.bin: no such file"):
        fwmemtrace.read(tmp_path / "nothing.bin")
    with pytest.raises(TraceFileError, match="is a folder"):
        fwmemtrace.read(tmp_path)
