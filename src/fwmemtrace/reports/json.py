"""The JSON report: the results as they are, for other programs."""

from __future__ import annotations

from typing import Any

import msgspec

from .. import results
from .base import Options
from .visible import visible_json
from .worded import worded


class JsonReport:
    """Writes the version 1 JSON report; every key is in docs/report.schema.json."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        """Returns one JSON object, indented."""
        return write_json(worded(report))


def write_json(value: Any) -> str:
    """Returns results as JSON, indented, with escapes for what a terminal would obey."""
    return visible_json(msgspec.json.format(msgspec.json.encode(value), indent=2)) + "\n"


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of the report, generated from its types."""
    made = msgspec.json.schema(results.TraceReport)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made
