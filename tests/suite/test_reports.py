"""The report of a suite, rendered again from its trace."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fwmemtrace

pytestmark = pytest.mark.slow

SECTIONS = [
    "Summary",
    "Timeline of snapshots",
    "Component profiles",
    "Shared and own memory",
    "Top allocations",
    "Decision matrix",
    "Recommendations",
]


def test_the_first_sentence_names_the_largest_holder(faults):
    text = fwmemtrace.read(faults.trace).report("markdown")
    summary = text.partition("## Summary\n\n")[2]
    assert summary.startswith("`retains` holds the most memory: 1")


def test_markdown_has_every_section_in_order(faults):
    text = fwmemtrace.read(faults.trace).report("markdown")
    heads = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert [head for head in heads if head in SECTIONS] == SECTIONS


def test_text_has_every_section_and_every_component(faults):
    text = fwmemtrace.read(faults.trace).report("text", width=100)
    for title in [*SECTIONS, *(component["name"] for component in faults.suite["components"])]:
        assert f"\n{title}\n" in f"\n{text}"


def test_recommendations_follow_the_matrix(faults):
    text = fwmemtrace.read(faults.trace).report("markdown")
    advice = text.partition("## Recommendations\n\n")[2].splitlines()
    expected = [
        f"{number}. {lever['component']}: {lever['lever']}, saves "
        for number, lever in enumerate(faults.suite["matrix"], 1)
    ]
    plain = [line.replace("`", "") for line in advice]
    assert [line for line, start in zip(plain, expected, strict=False) if not line.startswith(start)] == []
    assert len(expected) >= 5


def test_the_same_trace_gives_the_same_report(faults):
    command = [sys.executable, "-m", "fwmemtrace", "report", str(faults.trace), "--format", "json"]
    again = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert again == faults.output


def test_what_is_needed_beyond_a_budget_is_never_negative(tmp_path, faults):
    report = fwmemtrace.read(faults.trace)
    tight, wide = report.summary(budget="100MB").suite.budget, report.summary(budget="10GB").suite.budget
    assert tight.need_bytes == tight.peak_bytes - 100_000_000 > 0
    assert wide.need_bytes == 0
    spare = report.report("markdown", budget="10GB").partition("is within the budget of 10.00 GB, with ")[2]
    assert "to spare" in spare
    assert "-" not in spare.partition("to spare")[0]


def test_failures_are_listed_with_pass_and_phase(failures):
    text = fwmemtrace.read(failures.trace).report("markdown")
    assert "8 of 10 components failed: " in text
    assert "`is killed`, light probes: was killed in `first request`: killed by SIGKILL" in text


def test_imports_are_those_of_the_service(faults):
    modules = [row.module for row in fwmemtrace.read(faults.trace).summary().imports]
    assert len(modules) == len({*modules}) > 1
