"""What the calls of a phase add up to: trends, and what keeps alive what grows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import results
from ..units import format_bytes, format_count
from .sections import Grid, Section

_TELLING = ("growing", "saturating")


def growth_section(report: results.TraceReport, process: results.Process, suffix: str) -> Section | None:
    """The trends of a process's phases: a row for each that goes up, or a sentence that none does."""
    known = [trend for trend in report.growth or [] if trend.pid == process.pid and trend.verdict != "too few calls"]
    if not known:
        return None
    rising = [trend for trend in known if trend.verdict in _TELLING]
    section = Section(f"Growth over the calls of a phase{suffix}")
    looked_at = len({trend.path for trend in known})
    if not rising:
        few = looked_at == 1
        judged = (
            "the one phase with enough calls to judge is" if few else f"all {looked_at} phases with enough calls are"
        )
        section.sentences.append(f"None: {judged} flat.")
        return section
    section.sentences.append(
        f"{len({trend.path for trend in rising})} of the {looked_at} phases with enough calls to judge go up."
    )
    heads = ["phase", "what", "calls", "per call", "at least", "at most", "verdict"]
    section.grids.append(Grid(heads, [_row(trend) for trend in rising], right=(2, 3, 4, 5)))
    section.items = list(dict.fromkeys(holder.words for trend in rising for holder in trend.held_by))
    return section


def _row(trend: results.Growth) -> Sequence[str]:
    write: Callable[[float], str] = _bytes if trend.unit == "bytes" else _objects
    figures = (trend.slope_bytes_per_call, trend.low, trend.high)
    what = trend.metric.replace("_", " ")
    return [f"`{trend.path}`", what, format_count(trend.calls), *map(write, figures), trend.verdict]


def _bytes(size: float) -> str:
    return format_bytes(size, signed=True)


def _objects(count: float) -> str:
    return f"{count:+.1f}"
