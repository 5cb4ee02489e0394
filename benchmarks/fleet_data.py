"""Generates the dataset of a fleet from one real session, with planted facts.

Planted: phase 7 takes 30 MB more from version 1.1 on; the processes of host 13 peak 200 MB above the others; those of
host 21 grow by 100 MB an hour.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.fleet.dataset import Dataset
from fwmemtrace.fleet.rows import rows_of
from fwmemtrace.fleet.tables import TABLES

_SERVICE = "shop"
_GROWN_PHASE, _OUTLIER, _GROWING = 7, 13, 21


def generate(root: Path, hosts: int, days: int, phases: int) -> None:
    """Write a dataset.

    Args:
        root: where.
        hosts: how many, with a process each day.
        days: how many.
        phases: rows of each process.
    """
    rows = _real_rows(root.with_suffix(".bin"), phases)
    paths = [str(row["path"]) for row in rows["phases"]][:phases]
    paths += [f"more {number}" for number in range(phases - len(paths))]
    dataset = Dataset(str(root))
    for day in range(days):
        made = _Day(day, hosts, "1.0" if day < days // 2 else "1.1")
        tables = {
            "phases": made.phases(paths),
            "imports": made.repeated("imports", rows["imports"]),
            "owners": made.repeated("owners", rows["owners"]),
            "processes": made.processes(),
        }
        dataset.write_tables(_SERVICE, f"2026-10-{day + 1:02}", made.part, tables)


def _real_rows(path: Path, phases: int) -> Any:
    with fwmemtrace.session(path, service=_SERVICE, probes=["imports", "mappings"]):
        __import__("sqlite3"), __import__("xml.dom.minidom"), __import__("multiprocessing.pool")
        for number in range(phases):
            with phase(f"phase {number % 997}"), phase(f"inner {number % 13}"):
                pass
    (process,) = fwmemtrace.read(path).processes
    session = process.session()
    assert session is not None
    return rows_of(session, process.report(0)).tables


class _Day:
    """The rows of one day."""

    def __init__(self, day: int, hosts: int, version: str) -> None:
        import numpy

        self._numpy = numpy
        self._random = numpy.random.default_rng(day)
        self._day = day
        self._hosts = hosts
        self._each = numpy.arange(hosts)
        self._version = version
        self.part = f"day-{day:02}"

    def phases(self, paths: list[str]) -> Any:
        """Return the rows of all processes."""
        numpy, count = self._numpy, self._hosts * len(paths)
        by_path = numpy.tile(numpy.arange(len(paths)), self._hosts)
        rise = self._random.normal(50e6, 1e6, count)
        if self._version == "1.1":
            rise[by_path == _GROWN_PHASE] += 30e6
        before = numpy.full(count, 100_000_000)
        names = _repeated(paths, by_path)
        return _table(
            "phases",
            **self._owner(numpy.repeat(self._each, len(paths))),
            path=names,
            name=names,
            calls=numpy.full(count, 10),
            errors=numpy.zeros(count, numpy.int64),
            wall_ns=numpy.full(count, 10**6),
            before_bytes=before,
            after_bytes=before + 1000,
            delta_bytes=numpy.full(count, 1000),
            peak_bytes=(before + rise).astype(numpy.int64),
        )

    def processes(self) -> Any:
        """Return a row for each host."""
        numpy, each = self._numpy, self._each
        peaks = self._random.normal(300e6, 5e6, self._hosts) + (each == _OUTLIER) * 200e6
        peaks = peaks.astype(numpy.int64)
        return _table(
            "processes",
            **self._owner(each),
            pid=each,
            started_unix_ns=numpy.full(self._hosts, self._day * 86_400 * 10**9),
            wall_ns=numpy.full(self._hosts, 10**12),
            closed=[True] * self._hosts,
            end_bytes=peaks - 1000,
            peak_bytes=peaks,
            limit_bytes=numpy.full(self._hosts, 600_000_000),
            limit_used_bytes=peaks,
            growth_bytes_per_hour=numpy.where(each == _GROWING, 100e6, 1e3),
        )

    def repeated(self, name: str, rows: list[dict[str, Any]]) -> Any:
        """Return rows of a real process for every host."""
        names = [key for key in TABLES[name].names if key in rows[0]]
        cells = {key: [row[key] for row in rows] * self._hosts for key in names}
        return _table(name, **{**cells, **self._owner(self._numpy.repeat(self._each, len(rows)))})

    def _owner(self, places: Any) -> dict[str, Any]:
        hosts = [f"host {host:04}" for host in range(self._hosts)]
        return {
            "part": [self.part] * len(places),
            "process": _repeated([f"{self._day:02}-{host}" for host in hosts], places),
            "host": _repeated(hosts, places),
            "instance": _repeated(hosts, places),
            "version": [self._version] * len(places),
        }


def _repeated(values: list[str], places: Any) -> Any:
    import pyarrow as pa

    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int32()), pa.array(values)).cast(pa.string())


def _table(table: str, /, **columns: Any) -> Any:
    """Return a table with nulls for columns that are not given."""
    import pyarrow as pa

    schema, count = TABLES[table], len(columns["part"])
    arrays = [
        pa.nulls(count, field.type) if field.name not in columns else pa.array(columns[field.name], field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)
