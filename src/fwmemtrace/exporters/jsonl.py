"""Writes the records of a trace as lines of JSON, in the form of the sink `jsonl`, for `jq` and log shippers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from ..records import CaptureChunk, Record
from ..reports.visible import visible_json
from .base import TraceLike


class JsonLinesExporter:
    """Writes one object for each record, with the process it is of as `pid`."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write the file.

        Raises:
            OSError: if the file cannot be written.
        """
        encode = msgspec.json.Encoder(enc_hook=str).encode
        with out_path.open("w", encoding="utf-8", newline="") as file:
            for process in trace.processes:
                for record in process.records:
                    file.write(visible_json(encode(_object(record, process.pid))) + "\n")


def _object(record: Record, pid: int) -> dict[str, Any]:
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    if isinstance(record, CaptureChunk):
        fields["data"] = len(record.data)  # the bytes of a capture belong in a file of their own: `--to memray`
    return {"record": type(record).__name__, "pid": pid, **fields}
