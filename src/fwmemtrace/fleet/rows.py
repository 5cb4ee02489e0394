"""Turns the report of a process into rows of the dataset's tables."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from .. import results
from ..records import SessionBegin

_HOUR_NS = 3_600_000_000_000
_NO_NAME = "unknown"


class ProcessRows(NamedTuple):
    """The rows of one process.

    Attributes:
        process: the key of the process, the same each time that its trace is read.
        service: the name of its service.
        day: the day on which its session began, in UTC, such as "2026-11-27".
        tables: rows by table; `part` is still missing.
    """

    process: str
    service: str
    day: str
    tables: Mapping[str, Sequence[dict[str, Any]]]


def rows_of(session: SessionBegin, report: results.TraceReport) -> ProcessRows:
    """Return the rows of a process.

    Args:
        session: the record that began its session.
        report: the report of this process alone.
    """
    (info,) = (process for process in report.trace.processes if process.pid == session.pid)
    key = f"{session.session_id}/{session.pid}/{session.started_unix_ns}"
    owner = {
        "process": hashlib.sha256(key.encode()).hexdigest()[:24],
        "host": host_of(session),
        "instance": info.instance,
        "version": info.labels.get("service.version", ""),
    }
    day = datetime.fromtimestamp(info.started_unix_ns / 1e9, UTC).date().isoformat()
    tables = {
        "processes": [{**owner, **_process(session, info, report.timeline)}],
        "phases": [{**owner, **_phase(row)} for row in report.phases if row.resident is not None],
        "imports": [{**owner, **_import(row)} for row in report.imports or ()],
        "owners": [
            {**owner, **_owned(item)}
            for moment in report.composition or ()
            if moment.moment == "largest"
            for item in moment.items
        ],
    }
    return ProcessRows(owner["process"], info.service or _NO_NAME, day, tables)


def host_of(session: SessionBegin) -> str:
    """Return the machine of a process: by OpenTelemetry's resource attributes, or else by its own name.

    In a container that name is the container's, so the node's goes before it.
    """
    labels = session.labels
    return labels.get("host.name") or labels.get("k8s.node.name") or session.host or _NO_NAME


def _process(session: SessionBegin, info: results.Process, timeline: Sequence[results.TimelinePoint]) -> dict[str, Any]:
    group = info.cgroup
    used = None if group is None else group.limit_current_bytes or group.current_bytes
    return {
        "session": session.session_id,
        "pid": info.pid,
        "parent_pid": info.parent_pid,
        "python": info.python,
        "command": " ".join(info.command),
        "labels": list(info.labels.items()),
        "started_unix_ns": info.started_unix_ns,
        "wall_ns": info.wall_ns,
        "closed": info.ended == "closed",
        "last_phase": info.last_phase,
        "before_bytes": info.before_session_bytes,
        "end_bytes": info.end_bytes,
        "peak_bytes": info.peak_bytes,
        "limit_bytes": None if group is None else group.limit_bytes,
        "limit_used_bytes": used,
        "growth_bytes_per_hour": growth_per_hour(timeline),
    }


def growth_per_hour(timeline: Sequence[results.TimelinePoint]) -> float:
    """Return how fast RSS grew over the second half of a timeline, in bytes per hour; 0 for too few points."""
    half = timeline[-1].at_ns / 2 if timeline else 0
    late = [point for point in timeline if point.at_ns >= half]
    if len(late) < 4 or late[-1].at_ns == late[0].at_ns:
        return 0.0
    middle = sum(point.at_ns for point in late) / len(late)
    mean = sum(point.rss_bytes for point in late) / len(late)
    spread = sum((point.at_ns - middle) ** 2 for point in late)
    rising = sum((point.at_ns - middle) * (point.rss_bytes - mean) for point in late)
    return rising / spread * _HOUR_NS


def _phase(row: results.PhaseRow) -> dict[str, Any]:
    resident = row.resident
    assert resident is not None
    return {
        "path": row.path,
        "name": row.name,
        "parent": row.parent,
        "calls": row.calls,
        "errors": row.errors,
        "wall_ns": row.wall_ns,
        "before_bytes": resident.before_bytes,
        "after_bytes": resident.after_bytes,
        "delta_bytes": resident.delta_bytes,
        "peak_bytes": resident.peak_bytes,
    }


def _import(row: results.Import) -> dict[str, Any]:
    return {
        "module": row.module,
        "package": row.module.partition(".")[0],
        "own_bytes": row.own_bytes,
        "cumulative_bytes": row.cumulative_bytes,
        "wall_ns": row.wall_ns,
    }


def _owned(item: results.LedgerItem) -> dict[str, Any]:
    return {
        "category": item.category,
        "owner": item.owner,
        "bytes": item.bytes,
        "evictable_bytes": item.evictable_bytes,
    }
