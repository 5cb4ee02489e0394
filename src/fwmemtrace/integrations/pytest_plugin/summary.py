"""What the plugin prints at the end: the tests that took most memory, and the total of each process."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from ...units import format_bytes
from .figures import CHANGE, FIGURES, PEAK, TOTAL, TOTALS, Total
from .options import Options


class _Test(NamedTuple):
    name: str
    change: int
    peak: int


class MemorySummary:
    """Collects the figures of all tests, also from workers of pytest-xdist, and prints them."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self._config = config
        self._options = options
        self._tests: list[_Test] = []
        config.stash[TOTALS] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found: dict[str, Any] = {name: value for name, value in report.user_properties if name in FIGURES}
        if report.when == "call" and CHANGE in found:
            self._tests.append(_Test(report.nodeid, found[CHANGE], found[PEAK]))

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        total = getattr(node, "workeroutput", {}).get(TOTAL)
        if total is not None:
            self._config.stash[TOTALS].append(Total(*total))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._options.shown or not self._tests:
            return
        write = terminalreporter.write_line
        terminalreporter.section("memory by test (fwmemtrace)")
        heaviest = sorted(self._tests, key=lambda test: (test.peak, test.change), reverse=True)
        write(f"{'peak':>10}  {'change':>10}  test")
        for test in heaviest[: self._options.top]:
            peak, change = format_bytes(test.peak, signed=True), format_bytes(test.change, signed=True)
            write(f"{peak:>10}  {change:>10}  {test.name}")
        left = len(self._tests) - self._options.top
        if left > 0:
            write(f"and {left} more {'test' if left == 1 else 'tests'} (--fwmemtrace-top)")
        for total in self._config.stash[TOTALS]:
            write(
                f"RSS: {format_bytes(total.start)} at the start, {format_bytes(total.end)} at the end, "
                f"{format_bytes(total.peak)} at its highest" + (f"; trace: {total.path}" if total.path else "")
            )
