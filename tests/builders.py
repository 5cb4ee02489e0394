"""Records and results as they are in a trace and a report, with figures that a test changes where it matters."""

from __future__ import annotations

from typing import Any

from fwmemtrace import results
from fwmemtrace.records import SessionBegin


def process_result(**changes: Any) -> results.Process:
    fields: dict[str, Any] = {
        "pid": 7,
        "parent_pid": 1,
        "python": "3.11.7",
        "platform": "linux",
        "command": ["python", "service.py"],
        "started_unix_ns": 0,
        "ended": "closed",
        "last_phase": None,
        "peak_source": "kernel",
        "probes": ["resident"],
        "wall_ns": 1,
        "before_session_bytes": 0,
        "end_bytes": 0,
        "peak_bytes": 0,
        "outside_phases_bytes": 0,
        "overlap_bytes": 0,
        "lost_records": 0,
    }
    return results.Process(**{**fields, **changes})


def session_begin(rss_bytes: int) -> SessionBegin:
    return SessionBegin(
        schema=1,
        session_id="x",
        pid=42,
        parent_pid=41,
        version="0",
        python="3.13.5",
        platform="linux",
        command=["python", "service.py"],
        started_unix_ns=0,
        time_ns=0,
        rss_bytes=rss_bytes,
        peak_rss_bytes=rss_bytes,
        peak_source="kernel",
        probes=["resident"],
        settings={},
    )
