"""The summary of a trace's report, worded from `analysis.findings`."""

from __future__ import annotations

from collections.abc import Iterator

from .. import results
from ..analysis.findings import Contributor, Findings, MemoryLimit, findings
from .blocks import Bytes, Code, Inline, Percent, Prose, Section, Sentence, enumerate_words


def summary_section(report: results.TraceReport) -> Section:
    """Returns the section: the largest process's RSS, what it came from, what limit it meets."""
    found = findings(report)
    sentences = ["The trace has no process."] if found is None else list(_sentences(found))
    return Section("summary", "Summary", [Prose("findings", sentences)])


def _sentences(found: Findings) -> Iterator[Sentence]:
    yield _state(found)
    if found.contributors:
        yield _contributors(found)
    if found.possible_kill is not None:
        yield _limit(found.possible_kill)
    if found.processes > 1:
        yield [
            f"The {found.processes} processes of the session had a total RSS of ",
            Bytes(found.total_bytes),
            " at their last readings; shared pages count in each process.",
        ]
    if found.budget is not None:
        yield budget_sentence(found.budget)


def _state(found: Findings) -> list[Inline]:
    process = found.process
    rss, peak = Bytes(process.end_bytes), Bytes(process.peak_bytes)
    where: list[Inline] = [" outside any phase."] if found.peak_phase is None else [" in ", Code(found.peak_phase), "."]
    if process.ended == "closed":
        start: list[Inline] = [f"Process {process.pid} ended its session with an RSS of ", rss]
    else:
        last: list[Inline] = [" in ", Code(process.last_phase)] if process.last_phase else [" outside any phase"]
        start = [f"The session of process {process.pid} was not closed: its records end", *last, ", at an RSS of ", rss]
    return [*start, "; the peak was ", peak, *where]


def _contributors(found: Findings) -> list[Inline]:
    total = sum(one.bytes for one in found.contributors)
    named = enumerate_words([_contributor(one) for one in found.contributors])
    if len(found.contributors) == 1:
        return ["The largest contributor is ", *named, "."]
    share = Percent(total / found.process.end_bytes)
    return ["The largest contributors are ", *named, "; together ", Bytes(total), " or ", share, "."]


def _contributor(one: Contributor) -> list[Inline]:
    names: dict[str, Inline] = {
        "phase": Code(one.path),
        "before session": "memory from before the session",
        "outside phases": "memory from outside any phase",
    }
    return [names[one.kind], " (", Bytes(one.bytes), ", ", Percent(one.share), ")"]


def _limit(limit: MemoryLimit) -> list[Inline]:
    whose: list[Inline] = ["Its control group"]
    if limit.group is not None:
        whose = ["The control group ", Code(limit.group), " around it"]
    usage: list[Inline] = []
    if limit.usage_bytes is not None:
        usage = [" and used at most ", Bytes(limit.usage_bytes), " when it was read"]
    return [
        *whose,
        " has a limit of ",
        Bytes(limit.limit_bytes),
        *usage,
        ". The kernel kills a process that exceeds the limit, which leaves no record in the trace.",
    ]


def budget_sentence(budget: results.Budget) -> list[Inline]:
    """Returns the peak against its limit, in words."""
    peak, limit = Bytes(budget.peak_bytes), Bytes(budget.limit_bytes)
    if budget.exceeded:
        return ["The peak of ", peak, " exceeds the budget of ", limit, " by ", Bytes(peak.value - limit.value), "."]
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
    """Returns what the process is, and what its control group uses and may use."""
    command = Code(" ".join(process.command)) if process.command else "unknown command"
    about: Sentence = [command, f" (pid {process.pid}, Python {process.python})."]
    return [about] if process.cgroup is None else [about, _control_group(process.cgroup)]


def _control_group(group: results.Cgroup) -> list[Inline]:
    if group.peak_bytes is None:
        usage: list[Inline] = ["Its control group used at most ", Bytes(group.current_bytes), " when it was read"]
    else:
        usage = ["Its control group used at most ", Bytes(group.peak_bytes), " since its creation"]
    usage.append(", page cache included; ")
    if group.limit_bytes is None:
        return [*usage, "it has no limit."]
    limit = Bytes(group.limit_bytes)
    if group.limit_group is None:
        return [*usage, "its limit is ", limit, "."]
    read: list[Inline] = []
    if group.limit_current_bytes is not None:
        read = [", which used at most ", Bytes(group.limit_current_bytes), " when it was read"]
    return [*usage, "its limit is ", limit, ", set by the group ", Code(group.limit_group), " around it", *read, "."]
