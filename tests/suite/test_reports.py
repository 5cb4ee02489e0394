"""The suite's report, made again from its trace."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fwmemtrace

pytestmark = pytest.mark.slow

SECTIONS = [
    "Executive summary",
    "Snapshots timeline",
    "Component profiles",
    "Shared and own",
    "Top allocations",
    "Decision matrix",
    "Recommendations by priority",
]


def test_the_first_sentence_names_the_biggest_holder(faults):
    text = fwmemtrace.read(faults.trace).report("markdown")
    summary = text.partition("## Executive summary\n\n")[2]
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
    advice = text.partition("## Recommendations by priority\n\n")[2].splitlines()
    expected = [
        f"{number}. `{lever['component']}`: {lever['lever']}" for number, lever in enumerate(faults.suite["matrix"], 1)
    ]
    assert [line for line, start in zip(advice, expected, strict=False) if not line.startswith(start)] == []
    assert len(expected) >= 5


def test_the_same_trace_gives_the_same_report(faults):
    command = [sys.executable, "-m", "fwmemtrace", "report", str(faults.trace), "--format", "json"]
    again = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert again == faults.output


def test_a_budget_that_is_exceeded_is_status_1_and_never_a_negative_need(tmp_path, faults):
    report = fwmemtrace.read(faults.trace)
    tight, wide = report.summary(budget="100MB").suite.budget, report.summary(budget="10GB").suite.budget
    assert tight.need_bytes == tight.peak_bytes - 100_000_000 > 0
    assert wide.need_bytes == 0
    assert "with" in report.report("markdown", budget="10GB").partition("keeps the budget of 10.00 GB")[2]
    assert "-" not in report.report("markdown", budget="10GB").partition("keeps the budget")[2].partition("to spare")[0]


def test_failures_are_told_in_words(failures):
    text = fwmemtrace.read(failures.trace).report("markdown")
    assert "8 components of 10 did not come through" in text
    assert "`is killed`, the light probes: was killed in its phase `first request`" in text
