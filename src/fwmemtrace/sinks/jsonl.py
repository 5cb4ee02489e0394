"""Writes one JSON object per line, for `jq` and log shippers."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from ..errors import SinkError
from ..records import CaptureChunk, Record
from ..values import fitted


def as_json_object(record: Record) -> dict[str, object]:
    """Return the fields of a record by name, after the name of its class as `record`.

    The bytes of a capture are replaced by their number: they belong in a trace file or next to it.
    """
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    if isinstance(record, CaptureChunk):
        fields["data"] = len(record.data)
    return {"record": type(record).__name__, **fields}


class JsonLinesSink:
    """Writes each record as one line of JSON in one `write`.

    Args:
        path: the file; an existing file is replaced.

    Raises:
        SinkError: if the file cannot be created.
    """

    def __init__(self, path: str | os.PathLike[str] = "trace.jsonl") -> None:
        self._encode = msgspec.json.Encoder().encode
        self._first = Path(path).absolute()
        self._open(self._first)

    def _open(self, path: Path) -> None:
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise SinkError(f"{path} cannot be written: {error.strerror}") from error

    def write(self, record: Record) -> None:
        fields = as_json_object(record)
        try:
            line = self._encode(fields)
        except Exception:  # a value that JSON cannot hold, such as a lone surrogate
            line = self._encode(fitted(fields))
        self._file.write(line + b"\n")

    def after_fork(self, pid: int) -> None:
        self._file.close()
        self._open(self._first.with_name(f"{self._first.stem}.{pid}{self._first.suffix}"))

    def close(self) -> None:
        self._file.close()
