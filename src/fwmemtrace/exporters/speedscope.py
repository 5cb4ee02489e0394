"""Writes a file for speedscope.app: one profile for each process and metric, with stacks rooted at phases."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .._version import __version__
from ..analysis.stack_table import Metric, StackTable
from ..reports.visible import visible
from .base import TraceLike
from .stacks import ShownFrame, chosen_metric, shown_frames, tables_of

_SCHEMA = "https://www.speedscope.app/file-format-schema.json"


class SpeedscopeExporter:
    """Writes speedscope's own file format."""

    def export(self, trace: TraceLike, out_path: Path) -> None:
        """Write the file.

        Raises:
            FwmemtraceError: if the trace has no stacks.
            OSError: if the file cannot be written.
        """
        tables = tables_of(trace)
        frames: dict[ShownFrame, int] = {}
        profiles = [
            _profile(table, metric, frames)
            for table in tables
            for metric in table.sums()
            if any(True for _ in table.values_of(metric.name))
        ]
        first = chosen_metric(tables, None).title
        active = next((at for at, profile in enumerate(profiles) if profile["name"].endswith(f": {first}")), 0)
        content = {
            "$schema": _SCHEMA,
            "exporter": f"fwmemtrace@{__version__}",
            "name": visible(trace.processes[0].path.name),
            "activeProfileIndex": active,
            "shared": {"frames": [_frame(frame) for frame in frames]},
            "profiles": profiles,
        }
        with out_path.open("w", encoding="utf-8") as file:
            json.dump(content, file)


def _profile(table: StackTable, metric: Metric, frames: dict[ShownFrame, int]) -> dict[str, Any]:
    samples, weights = [], []
    rows = sorted(table.values_of(metric.name), key=lambda row: row[0])  # phases stay together in "time order"
    for path, stack, value in rows:
        samples.append([frames.setdefault(frame, len(frames)) for frame in shown_frames(path, stack)])
        weights.append(value)
    return {
        "type": "sampled",
        "name": f"process {table.pid}: {metric.title}",
        "unit": "bytes" if metric.unit == "bytes" else "none",
        "startValue": 0,
        "endValue": sum(weights),
        "samples": samples,
        "weights": weights,
    }


def _frame(frame: ShownFrame) -> dict[str, Any]:
    return {
        "name": frame.name,
        **({"file": frame.file} if frame.file else {}),
        **({"line": frame.line} if frame.line else {}),
    }
