"""The HTML report: one file that needs nothing else, with its data, its script and its style."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ... import results
from ..base import Options
from ..blocks import Section
from ..disturbance import disturbed_sentences, slack_sentences
from ..heap_section import heap_sections
from ..ledger_sections import processes_sections
from ..suite.sections import suite_sections
from ..summary import next_run_section, summary_section
from ..trace_sections import closing_sections, notes
from .data import page_data
from .page import write_page


class HtmlReport:
    """Writes a page with charts of RSS over time, phases, stacks, imports, tensors and growth."""

    def render(self, report: results.TraceReport, options: Options) -> str:
        """Returns the page without what only a trace knows: single calls, whole trees of stacks, source lines."""
        return self.render_detailed(report, results.Details(processes=[]), options)

    def render_detailed(self, report: results.TraceReport, details: results.Details, options: Options) -> str:
        """Returns the whole page."""
        if report.suite is not None:
            sections = suite_sections(report.suite, top=options.top)
            # Charts have such names too.
            renamed = [replace(section, id=f"suite-{section.id}") for section in sections[1:]]
            first = [sections[0], *(section for section in renamed if section.id == "suite-plan")]
            last = [section for section in renamed if section.id != "suite-plan"]
            return write_page(first, [*last, *notes(report)], [], page_data(report, details), wide=True)
        warnings = [
            sentence
            for process in report.trace.processes
            for sentence in (*slack_sentences(process), *disturbed_sentences(report, process))
        ]
        last = [
            *processes_sections(report),
            *_heaps(report),
            *closing_sections(report),
            *notes(report),
            *next_run_section(report),
        ]
        return write_page([summary_section(report, overhead=False)], last, warnings, page_data(report, details))


def _heaps(report: results.TraceReport) -> Iterator[Section]:
    """Yields the sampled heaps: their bounds and leak candidates, which have no chart."""
    for process in report.trace.processes:
        yield from heap_sections(process, [row for row in report.phases if row.pid == process.pid])
