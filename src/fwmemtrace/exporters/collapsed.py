"""Writes collapsed stacks, `phase;function;function bytes`, as flamegraph.pl, inferno and many others read them."""

from __future__ import annotations

from pathlib import Path

from .base import TraceLike
from .stacks import ShownFrame, chosen_metric, shown_frames, tables_of


class CollapsedExporter:
    """Writes one line for each stack.

    Args:
        metric: what the numbers are, such as "alloc_space"; by default live bytes, else rises of RSS.
    """

    def __init__(self, metric: str | None = None) -> None:
        self._metric = metric

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write the file.

        Raises:
            FwmemtraceError: if the trace has no stacks, or lacks the metric.
            OSError: if the file cannot be written.
        """
        tables = tables_of(trace)
        metric = chosen_metric(tables, self._metric)
        lines: dict[str, int] = {}
        for table in tables:
            process = [f"process {table.pid}"] if len(tables) > 1 else []
            if metric in table.metrics:
                for path, stack, value in table.values_of(metric.name):
                    line = ";".join([*process, *map(_word, shown_frames(path, stack))])
                    lines[line] = lines.get(line, 0) + value
        with out_path.open("w", encoding="utf-8") as file:
            file.writelines(f"{line} {value}\n" for line, value in lines.items())


def _word(frame: ShownFrame) -> str:
    place = f" ({frame.file.rpartition('/')[2]}:{frame.line})" if frame.file and frame.line else ""
    return f"{frame.name}{place}".replace(";", ",")  # which would end the frame
