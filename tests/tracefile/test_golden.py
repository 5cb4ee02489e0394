"""Traces of all format versions stay readable, and give the report that they have always given."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

import fwmemtrace
from fwmemtrace.tracefile.layout import FORMAT_VERSION
from fwmemtrace.tracefile.reader import open_trace_file

GOLDEN = Path(__file__).parents[1] / "golden"
TRACES = sorted(GOLDEN.glob("trace-v*.bin"))


def test_the_current_version_has_a_golden_trace() -> None:
    assert GOLDEN / f"trace-v{FORMAT_VERSION}.bin" in TRACES


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_an_old_trace_is_read_whole(path: Path) -> None:
    file = open_trace_file(path)
    records = list(file)
    assert (file.health.damaged_bytes, file.health.unknown_records) == (0, 0)
    assert file.pid == 4242
    assert len(records) > 10


@pytest.mark.parametrize("path", TRACES, ids=lambda path: path.stem)
def test_an_old_trace_gives_the_same_report(path: Path) -> None:
    expected = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    report = json.loads(fwmemtrace.read(path).report("json", budget="50MB"))
    assert missing(expected, report) == []


def test_the_golden_trace_has_the_records_of_its_script() -> None:
    made = runpy.run_path(str(GOLDEN / "make.py"))
    path = GOLDEN / f"trace-v{FORMAT_VERSION}.bin"
    assert list(open_trace_file(path)) == made["records"]()


def missing(expected: Any, found: Any, where: str = "") -> list[str]:
    """Return the differences of `found` from `expected`; keys that were added since do not count."""
    if isinstance(expected, dict):
        return [
            problem
            for key, value in expected.items()
            for problem in (missing(value, found[key], f"{where}.{key}") if key in found else [f"{where}.{key}"])
        ]
    if isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        return [
            problem
            for number, (one, other) in enumerate(zip(expected, found, strict=True))
            for problem in missing(one, other, f"{where}[{number}]")
        ]
    return [] if expected == found else [f"{where}: {expected!r} became {found!r}"]
