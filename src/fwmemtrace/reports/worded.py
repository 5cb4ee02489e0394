"""The results with the sentences that only reports know, for formats that hand them on as they are."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from .. import results
from .advice import advice_of
from .blocks import plain
from .holder_words import holder_words
from .suite.words import fill_texts


def worded(report: results.TraceReport) -> results.TraceReport:
    """Returns the same report with its sentences."""
    report = msgspec.structs.replace(report, advice=advice_of(report))
    if report.growth is not None:
        report = msgspec.structs.replace(report, growth=_growth(report.growth))
    if report.suite is not None:
        report = msgspec.structs.replace(report, suite=fill_texts(report.suite))
    return report


def _growth(growth: Sequence[results.Growth]) -> list[results.Growth]:
    """Returns the same trends, with their holders as sentences too."""
    return [
        msgspec.structs.replace(
            trend,
            held_by=[msgspec.structs.replace(one, words=plain(holder_words(one))) for one in trend.held_by],
        )
        for trend in growth
    ]
