"""The tables of a dataset: their columns, with units in their names.

Each row belongs to a process, and each process to a part.

A part is what was written at once; its name is in every row, so that rows of a part that was never finished, or that
has been compacted into another one, are recognised.
"""

from __future__ import annotations

import pyarrow as pa

_PROCESS = [("part", pa.string()), ("process", pa.string())]
# Of every process again in each table: a question about phases by version needs no join then.
_OWNER = [("host", pa.string()), ("instance", pa.string()), ("version", pa.string())]

TABLES: dict[str, pa.Schema] = {
    "processes": pa.schema(
        [
            *_PROCESS,
            *_OWNER,
            ("session", pa.string()),
            ("pid", pa.int64()),
            ("parent_pid", pa.int64()),
            ("python", pa.string()),
            ("command", pa.string()),
            ("labels", pa.map_(pa.string(), pa.string())),
            ("started_unix_ns", pa.int64()),
            ("wall_ns", pa.int64()),
            ("closed", pa.bool_()),
            ("last_phase", pa.string()),
            ("before_bytes", pa.int64()),
            ("end_bytes", pa.int64()),
            ("peak_bytes", pa.int64()),
            ("limit_bytes", pa.int64()),
            ("limit_used_bytes", pa.int64()),
            ("growth_bytes_per_hour", pa.float64()),
        ]
    ),
    "phases": pa.schema(
        [
            *_PROCESS,
            *_OWNER,
            ("path", pa.string()),
            ("name", pa.string()),
            ("parent", pa.string()),
            ("calls", pa.int64()),
            ("errors", pa.int64()),
            ("wall_ns", pa.int64()),
            ("before_bytes", pa.int64()),
            ("after_bytes", pa.int64()),
            ("delta_bytes", pa.int64()),
            ("peak_bytes", pa.int64()),
        ]
    ),
    "imports": pa.schema(
        [
            *_PROCESS,
            *_OWNER,
            ("module", pa.string()),
            ("package", pa.string()),
            ("own_bytes", pa.int64()),
            ("cumulative_bytes", pa.int64()),
            ("wall_ns", pa.int64()),
        ]
    ),
    "owners": pa.schema(
        [
            *_PROCESS,
            *_OWNER,
            ("category", pa.string()),
            ("owner", pa.string()),
            ("bytes", pa.int64()),
            ("evictable_bytes", pa.int64()),
        ]
    ),
}
