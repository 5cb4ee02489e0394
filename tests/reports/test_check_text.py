"""The text of `check`: figures below each other, and red only where a limit is exceeded."""

from __future__ import annotations

from fwmemtrace.reports.check_report import check_text
from fwmemtrace.results.check import BudgetCheck, CheckReport, Contributor

CHECK = BudgetCheck(
    path="",
    name="",
    pid=7,
    kind="process",
    metric="peak RSS",
    actual_bytes=90_000_000,
    limit_bytes=60_000_000,
    exceeded=True,
    source="--budget 60MB",
    contributors=[
        Contributor(bytes=70_500_000, category="native heap", owner="malloc"),
        Contributor(bytes=1_200_000, category="file", owner="torch"),
    ],
)


def test_figures_are_below_each_other() -> None:
    text = check_text(CheckReport(trace="trace.bin", exceeded=True, checks=[CHECK]))
    assert text == (
        "process 7: peak RSS 90.0 MB exceeds 60.0 MB by 30.0 MB (--budget 60MB)\n"
        "  70.5 MB malloc: in use\n"
        "   1.2 MB file-backed: torch\n"
    )


def test_colours_are_asked_for() -> None:
    exceeded = check_text(CheckReport(trace="trace.bin", exceeded=True, checks=[CHECK]), colour=True)
    fine = check_text(CheckReport(trace="trace.bin", exceeded=False, checks=[]), colour=True)
    assert exceeded.startswith("\x1b[1;31mprocess 7: ")
    assert exceeded.count("\x1b[0m") == 1
    assert fine == "\x1b[32mOK: within limits\x1b[0m\n"
