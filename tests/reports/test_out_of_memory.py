"""The first sentence about a process that ran out of memory, and when there is none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

import fwmemtrace
from builders import session_begin
from fwmemtrace.records import (
    AddressSpaceLimit,
    CgroupReading,
    PhaseBegin,
    PhaseEnd,
    Record,
    RssChange,
    Sample,
    SampledStack,
    SessionEnd,
)
from fwmemtrace.tracefile.encode import frame, header

MB = 10**6
SECOND = 10**9
BEGIN = session_begin(10 * MB)
STACK = SampledStack(1, [("fill", "service.py", 8)])
OUTER, INNER = PhaseBegin(1, 0, "serve", 7, 2, 10 * MB), PhaseBegin(2, 1, "load", 7, 3, 10 * MB)


def rise(height_mb: int, seconds: int = 1) -> list[Record]:
    """RSS rises from 10 MB to this, evenly; the address space is 100 MB larger."""
    steps = 50
    made: list[Record] = [STACK]
    before = 10 * MB
    for step in range(1, steps + 1):
        rss, now = 10 * MB + (height_mb - 10) * MB * step // steps, 10 + seconds * SECOND * step // steps
        made += [RssChange(now, rss, rss - before, 7, 1), Sample(now, rss, rss + 100 * MB)]
        before = rss
    return made


def end(error: str | None, span: int) -> PhaseEnd:
    return PhaseEnd(span, 3 * SECOND, 12 * MB, 12 * MB, error)


CLOSED = SessionEnd(4 * SECOND, 12 * MB, 400 * MB, 0)
AS = AddressSpaceLimit(5, 500 * MB, 110 * MB)
OWN = CgroupReading(SECOND, 380 * MB, None, 400 * MB)
AROUND = CgroupReading(SECOND, 380 * MB, None, 900 * MB, "/outer", 880 * MB)


def first_sentence(folder: Path, records: Sequence[Record]) -> str:
    path = folder / "trace.bin"
    path.write_bytes(header(42) + b"".join(map(frame, [BEGIN, *records])))
    lines = fwmemtrace.read(path).report("text", width=2000).splitlines()
    return next(line.strip() for line in lines[lines.index("Summary") + 1 :] if line.strip(" ─-"))


@pytest.mark.parametrize(
    ("records", "ran", "limit"),
    [
        ([AS, *rise(390)], "most likely ran", "address space used 490.0 MB of its limit of 500.0 MB (RLIMIT_AS)."),
        ([*rise(380), OWN], "most likely ran", "the control group used 380.0 MB of its limit of 400.0 MB."),
        ([*rise(380), AROUND], "most likely ran", "group /outer around it used 880.0 MB of its limit of 900.0 MB."),
        ([AS, *rise(300), end("MemoryError", 2), end("MemoryError", 1), CLOSED], "ran", "used 400.0 MB of its limit"),
        ([AS, *rise(300), end("numpy._core._exceptions._ArrayMemoryError", 2), CLOSED], "ran", "of 500.0 MB"),
    ],
)
def test_what_filled_the_memory_where_how_fast_and_the_limit(
    tmp_path: Path, records: list[Record], ran: str, limit: str
) -> None:
    said = first_sentence(tmp_path, [OUTER, INNER, *records])
    assert said.startswith(f"Process 42 {ran} out of memory in serve/load: ")
    assert "came while fill (service.py:8) ran, rising by " in said
    assert "MB/s at the end" in said
    assert limit in said


def test_a_load_long_ago_has_not_filled_it(tmp_path: Path) -> None:
    load = SampledStack(2, [("load", "service.py", 3)])
    records = [
        load, RssChange(5, 250 * MB, 240 * MB, 7, 2), Sample(6, 250 * MB, 300 * MB),
        Sample(3600 * SECOND, 250 * MB, 300 * MB), STACK,
        RssChange(3601 * SECOND, 390 * MB, 140 * MB, 7, 1), Sample(3601 * SECOND, 390 * MB, 440 * MB),
        CgroupReading(3601 * SECOND, 390 * MB, None, 400 * MB),
    ]  # fmt: skip
    said = first_sentence(tmp_path, [OUTER, *records])
    assert "in serve: 140.0 MB of the peak RSS of 390.0 MB came while fill" in said
    assert "rising by 140.0 MB/s" in said


@pytest.mark.parametrize(
    "records",
    [
        [*rise(200, 60), CgroupReading(SECOND, 200 * MB, None, 400 * MB)],
        [AS, *rise(200, 60)],
        [AS, *rise(390), end(None, 2), end(None, 1), CLOSED],
        [AS, *rise(300), end("MemoryError", 2), end(None, 1), CLOSED],  # it was handled
        [AS, *rise(300), end("MemoryError", 2), PhaseBegin(3, 1, "again", 7, 4 * SECOND, 12 * MB), CLOSED],
        [*rise(300), end("torch.OutOfMemoryError", 2), end("torch.OutOfMemoryError", 1), CLOSED],
        [AS, AddressSpaceLimit(6, None, 110 * MB), *rise(390)],
    ],
)
def test_nothing_is_said_of_a_process_that_did_not_run_out(tmp_path: Path, records: list[Record]) -> None:
    assert "out of memory" not in first_sentence(tmp_path, [OUTER, INNER, *records])
