"""Writes one JSON object per line, for `jq` and log shippers."""

from __future__ import annotations

import os

import msgspec

from ..records import CaptureChunk, Record
from ..values import fitted
from .file_names import absolute, create, worker_path

_encode = msgspec.json.Encoder().encode


def as_json_object(record: Record) -> dict[str, object]:
    """Return the fields of a record by name, after the name of its class as `record`.

    The bytes of a capture are replaced by their number: they belong in a trace file or next to it.
    """
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    if isinstance(record, CaptureChunk):
        fields["data"] = len(record.data)
    return {"record": type(record).__name__, **fields}


def as_json(record: Record) -> bytes:
    """Return a record as a JSON object on one line, without a line break, for sinks that send records elsewhere.

    Args:
        record: any record. The bytes of a capture are replaced by their number.
    """
    fields = as_json_object(record)
    try:
        return _encode(fields)
    except Exception:  # a value that JSON cannot hold, such as a lone surrogate
        return _encode(fitted(fields))


class JsonLinesSink:
    """Writes each record as one line of JSON in one `write`. A record for which there is no room is lost and counted.

    Args:
        path: the file. If it exists, the new one gets a number behind its name, such as `trace-2.jsonl`.
        overwrite: whether an existing file is replaced instead.

    Attributes:
        lost: the number of records for which there was no room.

    Raises:
        SinkError: if the file cannot be created.
    """

    options = ("overwrite",)

    def __init__(self, path: str | os.PathLike[str] = "trace.jsonl", *, overwrite: bool = False) -> None:
        self._file = create(absolute(path), overwrite=overwrite)
        self._first = self._file.path
        self.lost = 0

    def write(self, record: Record) -> None:
        if not self._file.append(as_json(record) + b"\n"):
            self.lost += 1

    def after_fork(self, pid: int) -> None:
        self._file.forget()
        self._file = create(worker_path(self._first, pid) if self._file.is_new else self._first)
        self.lost = 0

    def close(self) -> None:
        self._file.close()
