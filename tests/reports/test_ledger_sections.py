"""The ledger of a phase in reports: what is unexplained, and what was not read."""

from __future__ import annotations

from builders import process_result
from fwmemtrace import results
from fwmemtrace.reports.blocks import Table, plain
from fwmemtrace.reports.ledger_sections import ledger_sections

MB = 10**6


def _rows(ledger: results.Ledger) -> list[list[str]]:
    process = process_result(pid=1, probes=["mappings"], end_bytes=100 * MB, peak_bytes=100 * MB)
    info = results.TraceInfo(complete=True, lost_records=0, damaged_bytes=0, notes=[], processes=[process])
    report = results.TraceReport(trace=info, phases=[], ledger=[ledger])
    _, section = ledger_sections(report, process, [], 5)
    table = next(block for block in section.blocks if isinstance(block, Table))
    return [[plain(cell) for cell in row] for row in table.rows]


def test_memory_that_became_private_is_shown_though_rss_stayed() -> None:
    item = results.LedgerItem(category="python heap", owner="objects in arenas", bytes=0, private_bytes=50 * MB)
    ledger = results.Ledger(
        path="work",
        pid=1,
        rss_delta_bytes=0,
        unexplained_bytes=0,
        items=[item],
        calls=1,
        read_calls=1,
        private_bytes=52 * MB,
    )
    assert _rows(ledger) == [
        ["+50.0 MB", "96.2%", "Python heap: objects"],
        ["+2.0 MB", "3.8%", "unexplained"],
    ]


def _ledger(**figures: int) -> results.Ledger:
    item = results.LedgerItem(category="native heap", owner="malloc", bytes=3 * MB)
    return results.Ledger(path="request", pid=1, rss_delta_bytes=60 * MB, items=[item], **figures)


def test_calls_that_were_not_read_have_a_row_of_their_own() -> None:
    rows = _rows(_ledger(unexplained_bytes=57 * MB, unread_bytes=56 * MB, calls=61, read_calls=2))
    assert rows[1:] == [["+1.0 MB", "1.7%", "unexplained"], ["+56.0 MB", "93.3%", "not read: 59 of 61 calls"]]


def test_no_such_row_where_all_calls_are_covered() -> None:
    rows = _rows(_ledger(unexplained_bytes=57 * MB, calls=61, read_calls=2, spanned_calls=59))
    assert [row[2] for row in rows] == ["malloc: in use", "unexplained"]
