"""The control group in reports: its usage, its limit, and a process that may have exceeded it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fwmemtrace
from builders import session_begin
from fwmemtrace.records import CgroupReading, PhaseBegin, Record, SessionEnd
from fwmemtrace.tracefile.encode import frame, header

MB = 1_000_000
OWN = [CgroupReading(1, 50 * MB, 60 * MB, 200 * MB), CgroupReading(3, 40 * MB, 70 * MB, 200 * MB)]
NO_LIMIT = [CgroupReading(1, 50 * MB, 60 * MB, None)]
NO_PEAK = [CgroupReading(1, 50 * MB, None, 200 * MB), CgroupReading(3, 40 * MB, None, 200 * MB)]
AROUND = [
    CgroupReading(1, 50 * MB, 60 * MB, 150 * MB, "/outer", 140 * MB),
    CgroupReading(3, 55 * MB, 61 * MB, 150 * MB, "/outer", 130 * MB),
]


def trace(folder: Path, readings: list[CgroupReading], *, closed: bool) -> fwmemtrace.Trace:
    records: list[Record] = [
        session_begin(10 * MB),
        PhaseBegin(1, 0, "load", 7, 2, 11 * MB),
        *readings,
        *([SessionEnd(9, 12 * MB, 12 * MB, 0)] if closed else []),
    ]
    path = folder / "trace.bin"
    path.write_bytes(header(42) + b"".join(map(frame, records)))
    return fwmemtrace.read(path)


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        (OWN, "Its control group used at most 70.0 MB since its creation, page cache included; its limit is 200.0 MB."),
        (
            NO_PEAK,
            "Its control group used at most 50.0 MB when it was read, page cache included; its limit is 200.0 MB.",
        ),
        (
            AROUND,
            "150.0 MB, set by the group /outer around it, which used at most 140.0 MB when it was read.",
        ),
    ],
)
def test_usage_and_limit(tmp_path: Path, readings: list[CgroupReading], words: str) -> None:
    made = trace(tmp_path, readings, closed=True)
    assert words in made.report("text", width=1000)
    assert words in made.report("markdown").replace("`", "")
    assert "kernel kills" not in made.report("text", width=1000)


def test_a_control_group_without_a_limit_is_not_worth_a_sentence(tmp_path: Path) -> None:
    assert "control group" not in trace(tmp_path, NO_LIMIT, closed=True).report("text", width=1000)


@pytest.mark.parametrize(
    ("readings", "words"),
    [
        (OWN, "Its control group has a limit of 200.0 MB and used at most 50.0 MB when it was read."),
        (
            AROUND,
            "The control group /outer around it has a limit of 150.0 MB and used at most 140.0 MB when",
        ),
    ],
)
def test_the_limit_of_a_process_that_may_have_been_killed(
    tmp_path: Path, readings: list[CgroupReading], words: str
) -> None:
    text = trace(tmp_path, readings, closed=False).report("text", width=1000)
    assert "The session of process 42 was not closed: its records end in load" in text
    assert words in text
    assert "The kernel kills a process that exceeds the limit" in text


@pytest.mark.parametrize("readings", [NO_LIMIT, []])
def test_no_limit_is_mentioned_if_there_is_none(tmp_path: Path, readings: list[CgroupReading]) -> None:
    assert "kernel kills" not in trace(tmp_path, readings, closed=False).report("text", width=1000)


def test_the_json_report_names_the_group_whose_limit_it_is(tmp_path: Path) -> None:
    report = json.loads(trace(tmp_path, AROUND, closed=True).report("json"))
    assert report["trace"]["processes"][0]["cgroup"] == {
        "current_bytes": 55 * MB,
        "peak_bytes": 61 * MB,
        "limit_bytes": 150 * MB,
        "limit_group": "/outer",
        "limit_current_bytes": 140 * MB,
    }
