"""The summary of a trace's report, worded from `results.Summary`: the causes first, then what else a reader needs."""

from __future__ import annotations

from collections.abc import Iterator

from .. import results
from ..analysis.causes import is_own_phase
from .blocks import Alarm, Block, Bytes, Code, Command, Inline, Prose, Section, Sentence
from .cause_words import another_cause, cause_at_end, cause_name, first_cause, location_words
from .disturbance import disturbed_sentences
from .out_of_memory_words import out_of_memory_sentence

_MIN_SECOND = 0.05  # of the peak: a smaller second cause is left out
_MIN_EVICTABLE = 0.1  # of the peak
_MIN_OVERHEAD = 0.1  # of the peak: less is shown beside the phases only


def summary_section(report: results.TraceReport, *, overhead: bool = True) -> Section:
    """Returns the section: what holds most of the memory of the largest process, then its figures as a whole.

    Args:
        report: the results.
        overhead: whether to say what probes add to RSS.
    """
    summary = report.summary
    if summary is None:
        return Section("summary", "Summary", [Prose("findings", ["The trace has no process."])])
    return Section(
        "summary",
        "Summary",
        [
            Prose("findings", list(_findings(report, summary))),
            Prose("figures", list(_figures(report, summary, overhead=overhead))),
        ],
    )


def _findings(report: results.TraceReport, summary: results.Summary) -> Iterator[Sentence]:
    if summary.out_of_memory is not None:
        yield out_of_memory_sentence(summary.out_of_memory)
    if summary.incomplete and not _only_workers_ended_early(report.trace):
        yield from _incomplete(report.trace)
    budget = report.budget
    if budget is not None and budget.exceeded:
        yield budget_sentence(budget)
        yield from _what_would_do(budget, summary)
    untouched = summary.untouched
    if untouched is not None and untouched.bytes > summary.peak_bytes:
        yield _untouched(untouched)
    copied = summary.copied
    copied_first = copied is not None and copied.bytes > max((one.bytes for one in summary.causes), default=0)
    if copied is not None and copied_first:
        yield _copied(copied)
    causes = summary.causes
    stayed_known = _process(report, summary).ended == "closed"
    if causes:
        yield first_cause(causes[0], summary.peak_bytes, stayed_known=stayed_known)
    if copied is not None and not copied_first:
        yield _copied(copied)
    least = _MIN_SECOND * summary.peak_bytes
    second = next((cause for cause in causes[1:] if cause.kind != "before session" and cause.bytes >= least), None)
    later = max(causes, key=lambda cause: (cause.kept_bytes or 0) - cause.bytes, default=None)
    if later is not None and (later.kept_bytes or 0) - later.bytes > max(least, second.bytes if second else 0):
        yield cause_at_end(later, summary.end_bytes)
    elif second is not None:
        yield another_cause(second, stayed_known=stayed_known)
    if summary.next_runs:
        yield ["The probe ", Code(summary.next_runs[0].probe), " shows more; see the end of this report."]
    if budget is not None and not budget.exceeded:
        yield budget_sentence(budget)


def _figures(report: results.TraceReport, summary: results.Summary, *, overhead: bool) -> Iterator[Sentence]:
    yield _state(_process(report, summary), summary)
    if _process(report, summary).running:
        yield "It is still running."
    if overhead:
        yield from disturbed_sentences(report, _process(report, summary), share=_MIN_OVERHEAD)
    evictable = summary.evictable_bytes or 0
    if evictable >= _MIN_EVICTABLE * summary.peak_bytes:
        yield ["Of that, ", Bytes(evictable), " are file pages that the kernel can evict."]
    if summary.untouched is not None and summary.untouched.bytes <= summary.peak_bytes:
        yield _untouched(summary.untouched)
    limit = _possible_kill(_process(report, summary))
    if limit is not None:
        yield limit
    if len(report.trace.processes) > 1:
        yield [
            f"The {len(report.trace.processes)} processes of the session had a total RSS of ",
            Bytes(summary.total_bytes),
            " at their last readings; shared pages count in each process.",
        ]
    if _only_workers_ended_early(report.trace):
        yield from _workers_ended_early(report.trace, sampled=any(row.unmeasured_calls for row in report.phases))


def _process(report: results.TraceReport, summary: results.Summary) -> results.Process:
    return next(process for process in report.trace.processes if process.pid == summary.pid)


def _only_workers_ended_early(info: results.TraceInfo) -> bool:
    """Tells whether the first process was closed, and only others were not, as in a pool that its parent terminates."""
    damaged = info.interrupted or info.damaged_bytes or info.lost_records
    return bool(not damaged and info.processes and info.processes[0].ended == "closed")


def _workers_ended_early(info: results.TraceInfo, *, sampled: bool) -> Iterator[Sentence]:
    open_ = [process for process in info.processes if process.ended != "closed"]
    if open_:
        count = f"{len(open_)} worker processes" if len(open_) > 1 else f"Worker process {open_[0].pid}"
        theirs = "their sessions" if len(open_) > 1 else "its session"
        lost = "calls of the last second may not be counted" if sampled else "no record was lost"
        yield f"{count} ended without closing {theirs}, as when a pool terminates its workers; {lost}."
    if info.dropped_records:
        yield "The trace is incomplete; the notes say what is missing."


def _incomplete(info: results.TraceInfo) -> Iterator[Sentence]:
    if info.interrupted:
        yield "This report is partial: reading the capture was interrupted, so native figures are too small."
    open_ = [process for process in info.processes if process.ended != "closed" and not process.running]
    if open_:
        first = open_[0]
        where: list[Inline] = [" in ", Code(first.last_phase)] if first.last_phase else [" outside any phase"]
        if len(open_) == 1:
            yield [f"The session of process {first.pid} was not closed: its records end", *where, "."]
        else:
            count = f"The sessions of {len(open_)} processes were not closed: the records of process {first.pid} end"
            yield [count, *where, "."]
    if info.damaged_bytes or info.lost_records or info.dropped_records:
        yield "The trace is incomplete; the notes say what is missing."


def _what_would_do(budget: results.Budget, summary: results.Summary) -> Iterator[Sentence]:
    """What would have to go to keep the budget."""
    excess = budget.peak_bytes - budget.limit_bytes
    going: list[results.Cause] = []
    for cause in summary.causes:
        if sum(one.bytes for one in going) < excess and cause.kind != "before session":
            going.append(cause)
    enough = next((cause for cause in reversed(going) if cause.bytes >= excess), None)
    if enough is not None:
        yield ["It would be kept without ", *cause_name(enough), " (", Bytes(enough.bytes), ")."]
    elif going and sum(cause.bytes for cause in going) >= excess:
        words: list[Inline] = []
        for number, cause in enumerate(going):
            words += [" and " if number else "", *cause_name(cause), " (", Bytes(cause.bytes), ")"]
        yield ["It would be kept without ", *words, "."]


def _state(process: results.Process, summary: results.Summary) -> list[Inline]:
    where: list[Inline] = []
    if summary.peak_phase is not None and is_own_phase(summary.peak_phase):
        where = [" in ", Code(summary.peak_phase)]
    when = "at the end of the session" if process.ended == "closed" else "at its last reading"
    end: list[Inline] = [", and ", Bytes(summary.end_bytes), f" {when}"]
    return [f"The peak RSS of process {process.pid} was ", Bytes(summary.peak_bytes), *where, *end, "."]


def _untouched(untouched: results.Untouched) -> list[Inline]:
    if untouched.reserved_bytes > untouched.bytes / 2:
        reserved = Bytes(untouched.bytes)
        state = " are reserved in mappings that this process has not touched, or has given back: they are not in RSS."
        return [reserved, state]
    words: list[Inline] = ["At least ", Bytes(untouched.bytes)]
    if untouched.live_bytes is not None:
        words += [" of ", Bytes(untouched.live_bytes), " live native memory"]
    where: list[Inline] = []
    if untouched.location is not None:
        where = [" by ", *location_words(untouched.location)]
    return [*words, " were allocated", *where, " and never touched, or were swapped out: they are not in RSS."]


def _copied(copied: results.CopiedPages) -> list[Inline]:
    who = "1 forked process" if copied.processes == 1 else f"{copied.processes} forked processes"
    where: list[Inline] = []
    if copied.location is not None:
        where = [" while ", *location_words(copied.location), " ran"]
    return [f"{who} copied ", Bytes(copied.bytes), " of the pages shared with the parent", *where, "."]


def _possible_kill(process: results.Process) -> list[Inline] | None:
    """The limit that the process may have exceeded, if its trace ends without the session's end."""
    group = process.cgroup
    if process.ended == "closed" or process.running or group is None or group.limit_bytes is None:
        return None
    whose: list[Inline] = ["Its control group"]
    usage = group.current_bytes if group.limit_group is None else group.limit_current_bytes
    if group.limit_group is not None:
        whose = ["The control group ", Code(group.limit_group), " around it"]
    used: list[Inline] = []
    if usage is not None:
        used = [" and used at most ", Bytes(usage), " when it was read"]
    return [
        *whose,
        " has a limit of ",
        Bytes(group.limit_bytes),
        *used,
        ". The kernel kills a process that exceeds the limit, which leaves no record in the trace.",
    ]


def next_run_section(report: results.TraceReport) -> list[Section]:
    """Returns the last section: what to run next, if another probe would show more."""
    runs = [] if report.summary is None else report.summary.next_runs
    if not runs:
        return []
    first = runs[0]
    what: list[Inline] = ["To see ", _SHOWS.get(first.probe, "more")]
    if first.command:
        blocks: list[Block] = [Prose("reason", [[*what, ":"]]), Command("command", first.command)]
    else:
        blocks = [Prose("reason", [[*what, ", add the probe ", Code(first.probe), " to the session."]])]
    return [Section("next", "Next step", blocks)]


_SHOWS = {
    "native": "which native code allocates",
    "tensors": "which arrays and tensors these are",
    "python_heap": "which lines allocate Python objects",
    "objects": "which objects a growing phase leaves behind, and what holds them",
    "collector": "what only the garbage collector frees",
}


def budget_sentence(budget: results.Budget) -> list[Inline]:
    """Returns the peak against its limit, in words."""
    peak, limit = Bytes(budget.peak_bytes), Bytes(budget.limit_bytes)
    if budget.exceeded:
        over = Alarm(Bytes(peak.value - limit.value))
        return ["The peak of ", peak, " ", Alarm("exceeds the budget"), " of ", limit, " by ", over, "."]
    return [
        "The peak of ",
        peak,
        " is within the budget of ",
        limit,
        ", ",
        Bytes(limit.value - peak.value),
        " to spare.",
    ]


def process_sentences(process: results.Process) -> list[Sentence]:
    """Returns what the process is, and what its control group uses if it has a limit."""
    command = Code(" ".join(process.command)) if process.command else "unknown command"
    about: Sentence = [command, f" (pid {process.pid}, Python {process.python})."]
    group = process.cgroup
    if group is None or group.limit_bytes is None:
        return [about]
    return [about, _control_group(group, group.limit_bytes)]


def _control_group(group: results.Cgroup, limit_bytes: int) -> list[Inline]:
    if group.peak_bytes is None:
        usage: list[Inline] = ["Its control group used at most ", Bytes(group.current_bytes), " when it was read"]
    else:
        usage = ["Its control group used at most ", Bytes(group.peak_bytes), " since its creation"]
    usage.append(", page cache included; ")
    limit = Bytes(limit_bytes)
    if group.limit_group is None:
        return [*usage, "its limit is ", limit, "."]
    read: list[Inline] = []
    if group.limit_current_bytes is not None:
        read = [", which used at most ", Bytes(group.limit_current_bytes), " when it was read"]
    return [*usage, "its limit is ", limit, ", set by the group ", Code(group.limit_group), " around it", *read, "."]
