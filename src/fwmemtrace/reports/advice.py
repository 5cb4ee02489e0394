"""What to do: the plan or the levers of a suite, or what the trace of one run can tell."""

from __future__ import annotations

from collections.abc import Iterator

from .. import results
from ..analysis.suite.import_levers import SERVICE
from ..analysis.suite.matrix import advised, service_saving
from ..results.suite import Suite, SuiteLever, SuitePlan
from .blocks import Bytes, Code, Listing, Section, Sentence, plain
from .holder_words import holder_words
from .sites import short
from .suite.plan import step_words
from .suite.words import Words, evidence_words, lever_words

_LEAST_SHARE, _LEAST_BYTES = 0.1, 10_000_000  # of the peak, and in all: less is not worth a change


def advice_of(report: results.TraceReport) -> list[results.Advice]:
    """Returns what to do, what helps most first."""
    if report.suite is None:
        return sorted(_of_run(report), key=lambda advice: -advice.saves_bytes)
    plan = report.suite.plan
    if plan is not None and plan.steps:
        return list(_of_plan(plan))
    return [_of_lever(report.suite, lever) for lever in advised(report.suite)]


def advice_section(report: results.TraceReport) -> list[Section]:
    """Returns the advice for a run; nothing if there is none."""
    items: list[Sentence] = [
        [f"{advice.title}: ", Bytes(advice.saves_bytes), f" ({advice.basis}). {advice.evidence}."]
        for advice in advice_of(report)
    ]
    return [Section("advice", "Advice", [Listing("advice", items)])] if items else []


def _of_plan(plan: SuitePlan) -> Iterator[results.Advice]:
    before: int | None = plan.now.median_bytes
    for step in plan.steps:
        after = step.after_bytes
        saves = before - after if before is not None and after is not None else step.alone_bytes or 0
        words: Words = ["measured in the service"]
        if after is not None:
            words = ["with this change and those above the service takes ", Bytes(after)]
        yield results.Advice(
            title=plain(step_words(step)), saves_bytes=saves, basis="measured", evidence=plain(words), phase=""
        )
        before = after


def _of_lever(suite: Suite, lever: SuiteLever) -> results.Advice:
    about = [] if lever.component == SERVICE else [f"{lever.component}: "]
    need = suite.budget.need_bytes if suite.budget is not None else 0
    return results.Advice(
        title=plain([*about, *lever_words(lever)]),
        saves_bytes=service_saving(lever, need),
        basis=lever.basis,
        evidence=plain(evidence_words(lever, verbose=True)),
        phase=lever.phase,
    )


def _of_run(report: results.TraceReport) -> Iterator[results.Advice]:
    peak = max((process.peak_bytes for process in report.trace.processes), default=0)
    least = max(_LEAST_SHARE * peak, _LEAST_BYTES)

    def advice(title: Sentence, saves: float, evidence: Sentence, phase: str) -> Iterator[results.Advice]:
        if saves >= least:
            yield results.Advice(
                title=plain(title), saves_bytes=round(saves), basis="computed", evidence=plain(evidence), phase=phase
            )

    for trend in report.growth or ():
        if trend.metric != "rss" or trend.verdict != "growing":
            continue
        words: Words = ["RSS grows by ", Bytes(trend.slope_bytes_per_call), f" per call over {trend.calls} calls"]
        for holder in trend.held_by[:1]:
            words += ["; ", *holder_words(holder)]
        title: Sentence = ["Limit what ", Code(trend.path or "the program"), " keeps from call to call"]
        yield from advice(title, trend.rise_bytes, words, trend.path)
    for row in report.composition or ():
        if row.moment != "end":
            continue
        free = sum(item.bytes for item in row.items if (item.category, item.owner) == ("allocator free", "malloc"))
        kept: Words = [Bytes(free), " was free in malloc at the end and still resident"]
        yield from advice("Trim malloc after the work, or try MALLOC_ARENA_MAX=1", free, kept, row.path)
    for cause in report.summary.causes if report.summary is not None else ():
        if cause.kind != "code" or cause.location is None or cause.kept_bytes is None:
            continue
        place = f"{short(cause.location.file)}:{cause.location.line}"
        words = [Bytes(cause.bytes), " of the peak came there, ", Bytes(cause.kept_bytes), " of it stayed to the end"]
        title = ["Do less at a time in ", Code(cause.location.function), f" ({place})"]
        yield from advice(title, cause.bytes - cause.kept_bytes, words, cause.path)
