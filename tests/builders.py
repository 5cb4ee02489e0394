"""Results as analysis gives them, with figures that a test changes where it matters."""

from __future__ import annotations

from typing import Any

from fwmemtrace import results


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
