"""Writes the golden trace of the current format version, and the report that it must always give.

Run `python tests/golden/make.py` once for a new version, and never again for an old one: the committed file stands for
those that users have.
"""

from __future__ import annotations

from pathlib import Path

import fwmemtrace
from fwmemtrace.records import (
    CaptureChunk,
    CgroupReading,
    Footprint,
    HeapRow,
    Note,
    ObjectCensus,
    ObjectRow,
    Overhead,
    PhaseBegin,
    PhaseEnd,
    PythonHeap,
    Record,
    Sample,
    SessionBegin,
    SessionEnd,
)
from fwmemtrace.tracefile.encode import frame, header
from fwmemtrace.tracefile.layout import FORMAT_VERSION

HERE = Path(__file__).parent
PID = 4242


def records() -> list[Record]:
    """Return a record of each kind that sessions of the first version write, with distinct figures."""
    return [
        SessionBegin(
            schema=1,
            session_id="0123456789abcdef",
            pid=PID,
            parent_pid=4241,
            version="0.1.0",
            python="3.11.7",
            platform="linux",
            command=["python", "service.py"],
            started_unix_ns=1_700_000_000_000_000_000,
            time_ns=1_000,
            rss_bytes=10_000_000,
            peak_rss_bytes=11_000_000,
            peak_source="kernel",
            probes=["resident", "python_heap", "objects"],
            settings={"top": "20"},
        ),
        CgroupReading(1_100, 50_000_000, 60_000_000, None),
        Footprint(1, "begin", 1_200, 10_100_000, 90_000_000, 8_000_000, 9_000_000, 0),
        PhaseBegin(1, 0, "init", 77, 2_000, 10_100_000, {"model": "minilm", "layers": 6, "ratio": 0.5, "fast": True}),
        PhaseBegin(2, 1, "load", 77, 3_000, 10_200_000),
        Sample(3_500, 55_000_000, 120_000_000),
        PythonHeap(2, 100, 5_100, 9_000, [HeapRow("service.py", 7, 5_050, 5_000, 51, 50)]),
        ObjectCensus(2, 900, 45_000, 40, 4_000, [ObjectRow("builtins.dict", 90, 9_000, 30, 3_000)]),
        Overhead(2, "objects", 1_500_000, 250_000),
        PhaseEnd(2, 4_000, 40_000_000, 60_000_000, "ValueError"),
        Note(4_100, "native", "memray is not here"),
        PhaseEnd(1, 5_000, 41_000_000, 60_000_000),
        PhaseBegin(3, 0, "request", 77, 6_000, 41_000_000),
        PhaseEnd(3, 7_000, 42_000_000, 42_500_000),
        CaptureChunk("memray", 0, 3, b"abc"),
        SessionEnd(8_000, 42_100_000, 60_000_000, 0, {"objects": 1}),
    ]


if __name__ == "__main__":
    path = HERE / f"trace-v{FORMAT_VERSION}.bin"
    path.write_bytes(header(PID) + b"".join(map(frame, records())))
    report = fwmemtrace.read(path).report("json", budget="50MB")
    path.with_suffix(".json").write_text(report, encoding="utf-8")
    print(path)
