"""A suite that did not run to its end says so first, with what is missing."""

from __future__ import annotations

import pytest

from fwmemtrace.analysis.suite.build import unfinished
from fwmemtrace.analysis.suite.reading import SuiteProcess, SuiteRecords
from fwmemtrace.records import SuiteBegin, SuiteEnd, SuiteRun
from fwmemtrace.reports.blocks import plain
from fwmemtrace.reports.suite.unfinished import unfinished_sentence

WANTED = ["resident", "use", "trial", "deferred", "together", "plan", "native"]


def begin(purposes=WANTED):
    return SuiteBegin("suite.py", 1, 0, 0, "", 0, 9_000_000, purposes=purposes)


def ran(*purposes):
    runs = [SuiteRun(1, "c", purpose, 0, "", "ok", "", "", 1) for purpose in purposes]
    return [SuiteProcess(run, None, SuiteRecords()) for run in runs]


def words(*arguments):
    found = unfinished(*arguments)
    return None if found is None else plain(unfinished_sentence(found))


def test_a_suite_that_ran_to_its_end_says_nothing():
    assert words(begin(), SuiteEnd("", []), ran("resident")) is None


def test_a_trace_of_an_older_version_says_nothing():
    assert words(begin([]), None, ran("resident")) is None


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (
            SuiteEnd("SIGTERM", ["plan", "native"]),
            "The suite was interrupted by SIGTERM after 2 runs; still to be measured: the plan and native memory.",
        ),
        (
            SuiteEnd("No space left on device", ["trial", "deferred", "plan"]),
            "The suite stopped after 2 runs (No space left on device); still to be measured: trials of changes and the "
            "plan.",
        ),
        (
            None,
            "The suite has not ended after 2 runs: it still runs, was killed, or could not write its trace; still to "
            "be measured: all components in one process, the plan and native memory.",
        ),
    ],
)
def test_what_is_missing_is_said(end, expected):
    assert words(begin(), end, ran("resident", "together")) == expected
