"""The JSON report: the results as they are, for other programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from .. import results
from .advice import advice_of
from .base import Options
from .blocks import plain
from .holder_words import holder_words
from .suite.words import fill_texts


class JsonReport:
    """Writes the version 1 JSON report; every key is in docs/report.schema.json."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        """Returns one JSON object, indented."""
        report = msgspec.structs.replace(report, advice=advice_of(report))
        if report.growth is not None:
            report = msgspec.structs.replace(report, growth=_worded(report.growth))
        if report.suite is not None:
            report = msgspec.structs.replace(report, suite=fill_texts(report.suite))
        return msgspec.json.format(msgspec.json.encode(report), indent=2).decode() + "\n"


def _worded(growth: Sequence[results.Growth]) -> list[results.Growth]:
    """The same trends, with their holders as sentences too."""
    return [
        msgspec.structs.replace(
            trend,
            held_by=[msgspec.structs.replace(one, words=plain(holder_words(one))) for one in trend.held_by],
        )
        for trend in growth
    ]


def schema() -> dict[str, Any]:
    """Returns the JSON Schema of the report, generated from its types."""
    made = msgspec.json.schema(results.TraceReport)
    made["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    return made
