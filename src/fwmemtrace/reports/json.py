"""The JSON report: the results as they are, for other people's scripts."""

from __future__ import annotations

from typing import Any

import msgspec

from .. import results
from .base import Options


class JsonReport:
    """Writes the version 1 JSON report; every key is in docs/report.schema.json."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def schema() -> dict[str, Any]:
    """The JSON Schema of the report, made from the types it is made of."""
    made = msgspec.json.schema(results.TraceReport)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made
