"""Showing a part of the phases."""

from __future__ import annotations

import pytest

from fwmemtrace import results
from fwmemtrace.errors import SettingsError
from fwmemtrace.reports.selection import Selection, select

MB = 10**6


def row(path: str, delta: int, above: int = 0, calls: int = 1) -> results.PhaseRow:
    resident = results.Resident(
        before_bytes=MB, after_bytes=MB + delta, delta_bytes=delta, peak_bytes=MB + max(delta, above)
    )
    return results.PhaseRow(path=path, pid=1, calls=calls, errors=0, wall_ns=1, resident=resident)


REPORT = results.TraceReport(
    trace=results.TraceInfo(
        complete=True,
        lost_records=0,
        damaged_bytes=0,
        notes=[],
        processes=[
            results.Process(
                pid=1, parent_pid=0, python="", platform="", command=[], started_unix_ns=0, ended="closed",
                last_phase=None, peak_source="kernel", probes=[], wall_ns=1, before_session_bytes=0, end_bytes=0,
                peak_bytes=0, outside_phases_bytes=0, overlap_bytes=0, lost_records=0,
            )
        ],
    ),
    phases=[
        row("main", 10 * MB),
        row("main/small", 1000),
        row("main/small/large", 0, above=5 * MB),
        row("main/other", 9 * MB, calls=7),
        row("end", 20 * MB),
        row("", 0),
    ],
    ledger=[
        results.Ledger(path=path, pid=1, rss_delta_bytes=0, unexplained_bytes=0, items=[]) for path in ("main", "end")
    ],
)  # fmt: skip


@pytest.mark.parametrize(
    ("selection", "paths"),
    [
        (Selection(), ["main", "main/small", "main/small/large", "main/other", "end", ""]),
        (Selection(depth=1), ["main", "end", ""]),
        (Selection(phase="main/small"), ["main/small", "main/small/large"]),
        (Selection(phase="main", depth=2), ["main", "main/small", "main/other"]),
        (Selection(min_bytes=5 * MB), ["main", "main/small", "main/small/large", "main/other", "end", ""]),
        (Selection(min_bytes=6 * MB), ["main", "main/other", "end", ""]),
        (Selection(sort="change"), ["end", "main", "main/other", "main/small", "main/small/large", ""]),
        (Selection(sort="calls"), ["main", "main/other", "main/small", "main/small/large", "end", ""]),
    ],
)
def test_a_selection_keeps_what_is_around_and_the_tree(selection: Selection, paths: list[str]) -> None:
    assert [phase.path for phase in select(REPORT, selection).phases] == paths


def test_other_tables_have_the_same_phases() -> None:
    assert [entry.path for entry in select(REPORT, Selection(phase="end")).ledger or []] == ["end"]


@pytest.mark.parametrize("selection", [Selection(phase="mian"), Selection(sort="size")])
def test_unknown_names_are_errors(selection: Selection) -> None:
    with pytest.raises(SettingsError, match="unknown"):
        select(REPORT, selection)
