"""What the plugin prints at the end: the tests that took most memory, and the total of each process."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest

from ...units import format_bytes
from .figures import CHANGE, OF_LIMIT, PEAK, SETUP, TOTAL, TOTALS, Total
from .options import Options

_WORTH_A_COLUMN = 1_000_000  # bytes that some test's fixtures add
_CLOSE = 90  # percent of a limit


class _Test(NamedTuple):
    name: str
    change: int
    peak: int
    setup: int
    of_limit: int | None


class MemorySummary:
    """Collects the figures of all tests, also from workers of pytest-xdist, and prints them."""

    def __init__(self, config: pytest.Config, options: Options) -> None:
        self._config = config
        self._options = options
        self._tests: list[_Test] = []
        config.stash[TOTALS] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        found: dict[str, Any] = dict(report.user_properties)
        if report.when == "call" and CHANGE in found:
            test = _Test(report.nodeid, found[CHANGE], found[PEAK], found.get(SETUP, 0), found.get(OF_LIMIT))
            self._tests.append(test)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        total = getattr(node, "workeroutput", {}).get(TOTAL)
        if total is not None:
            self._config.stash[TOTALS].append(Total(*total))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._options.shown or not self._tests:
            return
        terminalreporter.section("memory by test (fwmemtrace)")
        self._write_tests(terminalreporter)
        totals = self._config.stash[TOTALS]
        for total in sorted(totals, key=lambda total: total.worker):
            terminalreporter.write_line(
                f"RSS{f' of {total.worker}' if total.worker else ''}: {format_bytes(total.start)} at the start, "
                f"{format_bytes(total.end)} at the end, {format_bytes(total.peak)} at its highest"
                + (f"; trace: {total.path}" if total.path else "")
            )

    def _write_tests(self, reporter: pytest.TerminalReporter) -> None:
        """Write a line for each of the heaviest tests, in the color of its distance to a limit."""
        setup = any(test.setup >= _WORTH_A_COLUMN for test in self._tests)
        limits = any(test.of_limit is not None for test in self._tests)
        reporter.write_line(
            f"{'peak':>10}  {'change':>10}  {'  in setup  ' if setup else ''}{'of limit  ' if limits else ''}test"
        )
        heaviest = sorted(self._tests, key=lambda test: (max(test.peak, test.setup), test.change), reverse=True)
        for test in heaviest[: self._options.top]:
            sizes = [test.peak, test.change, *([test.setup] if setup else [])]
            reporter.write("".join(f"{format_bytes(size, signed=True):>10}  " for size in sizes))
            if limits:
                share = "" if test.of_limit is None else f"{test.of_limit}%"
                over, close = (test.of_limit or 0) > 100, _CLOSE <= (test.of_limit or 0) <= 100
                reporter.write(f"{share:>8}  ", red=over, yellow=close, bold=over)
            reporter.write_line(test.name)
        left = len(self._tests) - self._options.top
        if left > 0:
            reporter.write_line(f"and {left} more {'test' if left == 1 else 'tests'} (--fwmemtrace-top)")
