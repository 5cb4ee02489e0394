"""Results for the documentation: a JSON file with the rows of each benchmark, and where they were measured."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.harness import HEAD, Row, cells


def save(path: Path, found: Mapping[str, Sequence[Row]]) -> None:
    """Write the rows of some benchmarks to the file, in place of those that it has of the same ones.

    Args:
        path: the file; it is made if there is none.
        found: the rows by the name of the benchmark.
    """
    kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    where = {"python": platform.python_version(), "system": platform.system(), "processors": os.cpu_count()}
    for name, rows in found.items():
        kept[name] = {**where, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(dict(sorted(kept.items())), indent=1) + "\n", encoding="utf-8")


def load(path: Path, name: str) -> list[Row]:
    """The rows of one benchmark.

    Raises:
        KeyError: if the file has none of it.
    """
    kept = json.loads(path.read_text(encoding="utf-8"))
    if name not in kept:
        raise KeyError(f"no results of {name} in {path}; run `python -m benchmarks --save {path} {name}`")
    return [Row(**row) for row in kept[name]["rows"]]


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a table in Markdown."""
    lines = [HEAD, ("---", "--:", "--:", "--:", "--:", "---"), *map(cells, rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
