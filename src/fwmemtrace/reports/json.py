"""The JSON report: the results as they are, for other programs."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec

from .. import results
from .base import Options
from .worded import worded

_BEYOND_ASCII = re.compile(r"[^\x00-\x7e]")


class JsonReport:
    """Writes the version 1 JSON report; every key is in docs/report.schema.json."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        """Returns one JSON object, indented."""
        text = msgspec.json.format(msgspec.json.encode(worded(report)), indent=2).decode()
        return _BEYOND_ASCII.sub(_escaped, text) + "\n"


def _escaped(found: re.Match[str]) -> str:
    """What a terminal would obey instead of showing it, as an escape; anything else as it is."""
    return found[0] if found[0].isprintable() else json.dumps(found[0])[1:-1].replace("\x7f", "\\u007f")


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of the report, generated from its types."""
    made = msgspec.json.schema(results.TraceReport)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made
