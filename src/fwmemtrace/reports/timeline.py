"""RSS over time: a curve for formats that draw, a table of the moments at which it moved most for the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .. import results
from .blocks import Bytes, Chart, Code, Column, Duration, Section, Sentence, Table

_SAMPLES = 24  # rows of the table: nobody reads more
_MIN_MOVE = 0.005  # of the highest RSS: a smaller change is not worth a row


def timeline_sections(report: results.TraceReport, process: results.Process) -> Iterator[Section]:
    """Yields the timeline of a process, if it has samples."""
    mine = [point for point in report.timeline if point.pid == process.pid]
    points = sorted(mine, key=lambda point: point.at_ns)  # a reading is recorded when its phase's probes are done
    if not points:
        return
    levels = [("peak", process.peak_bytes)]
    if report.budget is not None:
        levels.append(("budget", report.budget.limit_bytes))
    columns = [Column("at", "right"), Column("RSS", "right"), Column("change", "right"), Column("phase")]
    yield Section(
        f"timeline-{process.pid}",
        "Timeline",
        [Chart("curve", process, points, levels), Table("samples", columns, list(_rows(points)))],
    )


def _rows(points: Sequence[results.TimelinePoint]) -> Iterator[list[Sentence]]:
    before: int | None = None
    for point in thin(points, _SAMPLES):
        change = None if before is None else Bytes(point.rss_bytes - before, signed=True)
        phase = Code(point.phase) if point.phase else "outside any phase"
        yield [Duration(point.at_ns), Bytes(point.rss_bytes), change, phase]
        before = point.rss_bytes


def thin(points: Sequence[results.TimelinePoint], limit: int) -> list[results.TimelinePoint]:
    """Returns the first point, the last, and between them those to which RSS moved most, in order of time."""
    least = max(point.rss_bytes for point in points) * _MIN_MOVE
    moves = {at: abs(points[at].rss_bytes - points[at - 1].rss_bytes) for at in range(1, len(points) - 1)}
    largest = sorted((at for at in moves if moves[at] >= least), key=lambda at: moves[at], reverse=True)
    kept = sorted({0, len(points) - 1, *largest[: limit - 2]})
    return [points[at] for at in kept]
