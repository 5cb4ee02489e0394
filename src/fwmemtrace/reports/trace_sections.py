"""The sections of a trace's report, in their order. A new one is written in a file of its own and named here."""

from __future__ import annotations

from collections.abc import Iterator

from .. import results
from .allocations import allocation_sections
from .blocks import Bytes, Code, Column, Count, Duration, Inline, Listing, Prose, Section, Sentence, Table, plain
from .growth_section import growth_sections
from .heap_section import heap_sections
from .import_section import import_sections
from .ledger_sections import ledger_sections, processes_sections, workers_blocks
from .phase_table import attribute_tables, phase_table
from .rises_section import rises_sections
from .summary import process_sentences, summary_section
from .timeline import timeline_sections

_LEAST_SLACK = 4 * 1024 * 1024  # bytes; less is below what figures are read for
_DISTURBING = 0.02  # of the peak RSS: a smaller overhead changes no conclusion
_TOOLS = {"native": "memray", "python_heap": "tracemalloc"}


def trace_sections(report: results.TraceReport, *, top: int, timeline: bool = True) -> list[Section]:
    """Returns the whole report but its notes.

    Args:
        report: the results.
        top: rows of each table of top allocations.
        timeline: whether to show RSS over time.
    """
    sections = [summary_section(report), *processes_sections(report)]
    for process in report.trace.processes:
        for section in _process(report, process, top, timeline=timeline):
            if len(report.trace.processes) > 1 and section.level == 2:
                section.title = f"{plain(section.title)} (pid {process.pid})"
            sections.append(section)
    sections += import_sections(report, top)
    sections += closing_sections(report)
    return sections


def closing_sections(report: results.TraceReport) -> Iterator[Section]:
    """Yields what is about the session as a whole: workers, the cost of the probes, further runs."""
    workers = workers_blocks(report.workers or [])
    if workers:
        yield Section("workers", "Workers", workers)
    yield from _overhead(report)
    yield from _runs(report)


def _process(report: results.TraceReport, process: results.Process, top: int, *, timeline: bool) -> Iterator[Section]:
    phases = [phase for phase in report.phases if phase.pid == process.pid]
    if timeline:
        yield from timeline_sections(report, process)
    yield Section(
        f"phases-{process.pid}",
        "Phases",
        [
            Prose("process", [*process_sentences(process), *disturbed_sentences(report, process)]),
            phase_table(process, phases),
            *attribute_tables(phases),
        ],
    )
    yield from rises_sections(report, process, top)
    yield from ledger_sections(report, process, phases, top)
    yield from growth_sections(report, process)
    yield from heap_sections(process, phases)
    yield from allocation_sections(process, phases, top)


def disturbed_sentences(report: results.TraceReport, process: results.Process) -> Iterator[Sentence]:
    """Yields what makes RSS figures inexact, where it matters: the kernel's counters, the overhead of probes."""
    if process.counter_slack_bytes > max(_LEAST_SLACK, _DISTURBING * process.peak_bytes):
        yield [
            "RSS and its peaks may be off by up to ",
            Bytes(process.counter_slack_bytes),
            ": the kernel counts pages apart for each processor. PSS, USS and the ledger are exact.",
        ]
    for cost in report.overhead:
        if cost.pid == process.pid and cost.during_bytes > _DISTURBING * process.peak_bytes:
            tool = _TOOLS.get(cost.probe)
            name: list[Inline] = [Code(cost.probe), *([f" ({tool})"] if tool else [])]
            least = "" if process.ended == "closed" else "at least "
            yield [
                "RSS figures include the overhead of ",
                *name,
                f": {least}",
                Bytes(cost.during_bytes, signed=True),
                ". Read RSS from a run without it.",
            ]


def _overhead(report: results.TraceReport) -> Iterator[Section]:
    """What the probes themselves cost."""
    several = len(report.trace.processes) > 1
    rows: list[list[Sentence]] = [
        [cost.probe, *([str(cost.pid)] if several else []), Duration(cost.wall_ns), Bytes(cost.rss_bytes, signed=True)]
        for cost in report.overhead
        if cost.wall_ns or cost.rss_bytes
    ]
    if not rows:
        return
    titles = [*(["pid"] if several else []), "time", "RSS"]
    table = Table("probes", [Column("probe"), *(Column(title, "right") for title in titles)], rows)
    what = "Time spent at phase boundaries, start and stop, and RSS that stayed."
    yield Section("overhead", "Profiler overhead", [Prose("basis", [what]), table])


def _runs(report: results.TraceReport) -> Iterator[Section]:
    """Which figures are of further runs of the program."""
    if not report.runs:
        return
    rows: list[list[Sentence]] = [
        [", ".join(run.tables), Code(run.file), str(run.pid), Bytes(run.peak_bytes)] for run in report.runs
    ]
    columns = [Column("figures of"), Column("trace"), Column("pid", "right"), Column("peak RSS", "right")]
    what = "These figures are of further runs of the program. All others, and all RSS, are of the first run."
    yield Section("runs", "Runs", [Prose("basis", [what]), Table("runs", columns, rows)])


def notes(report: results.TraceReport) -> list[Section]:
    """Returns what probes, sinks and readers noted, and what is missing from the trace."""
    info = report.trace
    items: list[Sentence] = []
    if info.damaged_bytes:
        were = (
            " byte of the trace is damaged and was"
            if info.damaged_bytes == 1
            else " bytes of the trace are damaged and were"
        )
        items.append([Count(info.damaged_bytes), f"{were} skipped."])
    if info.lost_records:
        items.append(
            [Count(info.lost_records), " record was lost." if info.lost_records == 1 else " records were lost."]
        )
    if info.dropped_records:
        were = " record of the middle was" if info.dropped_records == 1 else " records of the middle were"
        items.append(
            [
                Count(info.dropped_records),
                f"{were} dropped to keep the trace below ",
                Code("max_trace_size"),
                ". Calls of phases are counted all the same, but their memory is not in this report.",
            ]
        )
    items += info.notes
    return [Section("notes", "Notes", [Listing("notes", items, ordered=False)])] if items else []
