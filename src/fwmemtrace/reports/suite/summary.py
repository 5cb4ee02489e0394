"""The conclusions of a suite in sentences: the summary, failures and recommendations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ...analysis.suite.import_levers import SERVICE
from ...analysis.suite.matrix import advised, service_saving
from ...analysis.suite.plan_growth import still_growing
from ...analysis.suite.profile import NOT_RUN
from ...results.suite import (
    Suite,
    SuiteBudget,
    SuiteComparison,
    SuiteComponent,
    SuiteFailure,
    SuiteLever,
    SuiteSharing,
)
from ..blocks import Bytes, Code, Count, Percent, Sentence, counted, enumerate_words, parts
from ..ledger_words import ledger_words
from .plan import growth_words, plan_sentences, service_words
from .unfinished import unfinished_sentence
from .words import (
    Words,
    fact_words,
    joined,
    lever_words,
    savings,
    sentence,
)

_PASSES = {
    "reading": "reading the suite",
    "resident": "light probes",
    "native": "native probe",
    "python": "Python heap probes",
    "use": "watching which modules are used",
    "together": "all components in one process",
    "deferred": "deferred import",
    "arenas": "fewer arenas",
    "variant": "variant",
    "trial": "trial",
    "forks": "forked workers",
    "models": "looking for models",
    "model": "model",
    "plan": "plan",
}
_OUTCOMES = {
    "raised": "raised an exception",
    "timed out": "timed out",
    "killed": "was killed",
    "out of memory": "ran out of memory",
    "left": "exited",
}
_LEAST_SHARE = 0.01
_WITHOUT_LEVERS = {"resident", "native"}  # passes that look for none
_GROWING_STAGES = ("import", "init", "first request", "batch")


def summary_sentences(suite: Suite) -> list[Sentence]:
    """Returns the largest holder, the service against its budget, the best lever, and the failures."""
    measured = [component for component in suite.components if component.held is not None]
    failed = failed_components(suite)
    sentences: list[Sentence] = [] if suite.unfinished is None else [unfinished_sentence(suite.unfinished)]
    if suite.plan is not None:
        sentences += plan_sentences(suite.plan)
    elif suite.budget is not None:
        sentences.append(_budget_sentence(suite, suite.budget, failed))
    if measured:
        sentences.append(_largest(measured))
    else:
        sentences.append("Every component failed, so there are no figures.")
    if suite.sharing is not None and len(suite.sharing.order) > 1:
        sentences.append(sharing_sentence(suite.sharing))
    if suite.plan is not None and suite.budget is not None:
        sentences.append(_budget_sentence(suite, suite.budget, failed))
    if suite.against is not None and suite.against.service.change_bytes is not None:
        sentences.append(_since(suite.against))
    levers = advised(suite)
    if suite.plan is not None and suite.plan.steps:
        pass  # the plan is the advice: the largest single saving may not be part of it
    elif levers:
        sentences.append(_best_lever(levers[0]))
    elif measured:
        sentences.append(no_lever(suite))
    outcomes = {component.name: component.outcome for component in suite.components}
    names: list[Words] = [[Code(name), f" ({outcomes[name]})"] for name in failed if outcomes[name] != NOT_RUN]
    if names:
        words = [*counted(len(suite.components), "component"), " failed: ", *joined(names, ", "), "."]
        sentences.append([f"{len(names)} of ", *words])
    if not_run := [[Code(name)] for name in failed if outcomes[name] == NOT_RUN]:
        sentences.append([*enumerate_words(not_run), " did not run."])
    return sentences


def no_lever(suite: Suite) -> str:
    """Returns that no lever was found, that none helps, or that none was looked for."""
    if suite.unfinished is not None:
        return "No lever was found so far."
    if suite.matrix:
        return "No lever of the matrix helps the service."
    purposes = {purpose.partition(":")[0] for component in suite.components for purpose in component.pids}
    if purposes <= _WITHOUT_LEVERS:
        return "No lever was looked for."
    return "No lever saves more than the differences between runs."


def failed_components(suite: Suite) -> list[str]:
    """Returns the names of the components without figures: those that failed as they are, or did not run."""
    return [component.name for component in suite.components if component.outcome != "ok"]


def sharing_sentence(sharing: SuiteSharing) -> Sentence:
    """Returns all components in one process against the sum of each by itself."""
    if failed := [[Code(part.name)] for part in sharing.order if part.failed]:
        held = Bytes(sharing.together_bytes)
        return ["With all components in one process, ", *enumerate_words(failed), " failed; it holds ", held, "."]
    words: Words = [
        "Both" if len(sharing.order) == 2 else f"All {len(sharing.order)}",
        " components in one process hold ",
        Bytes(sharing.together_bytes),
        ", the sum of each by itself is ",
        Bytes(sharing.sum_of_parts_bytes),
    ]
    shared = sharing.sum_of_parts_bytes - sharing.together_bytes
    return [*words, ": ", Bytes(shared), " is shared."] if shared > 0 else [*words, "."]


def growth_sentence(component: SuiteComponent) -> Sentence:
    """Returns how RSS grew over the batch."""
    requests = counted(component.requests, "request")
    growth = component.growth
    if growth is None or growth.verdict == "too few calls":
        return ["The batch has ", *requests, "."]
    per_request = Bytes(growth.bytes_per_request)
    if growth.verdict == "growing":
        return ["RSS grows by ", per_request, " per request over ", *requests, "."]
    if growth.verdict == "saturating":
        return ["RSS grew by ", per_request, " per request over ", *requests, " and levelled off."]
    if growth.file_bytes:
        return ["RSS is flat over ", *requests, ", apart from ", Bytes(growth.file_bytes), " of mapped file pages."]
    return ["RSS is flat over ", *requests, "."]


def failures(suite: Suite) -> list[Sentence]:
    """Returns a sentence for each process that failed."""
    own = [_failure(component.name, failure) for component in suite.components for failure in component.failures]
    return [*own, *(_failure(SERVICE, failure) for failure in suite.failures)]


def recommendations(suite: Suite) -> list[Sentence]:
    """Returns what to do, the most helpful first, with how far each goes."""
    items: list[Sentence] = []
    need = suite.budget.need_bytes if suite.budget is not None else 0
    seen: set[str] = set()
    for lever in advised(suite):
        saved = service_saving(lever, need)
        words: Words = [Code(lever.component), ": ", *lever_words(lever), ", saves ", savings(lever)]
        words.append(f" ({lever.basis})")
        if lever.in_service_bytes is not None:
            words += [", ", Bytes(lever.in_service_bytes), " in the service"]
        if need:
            words += _towards(saved, need, planned=suite.plan is not None)
        if lever.component in seen:
            words.append("; may overlap with a lever of this component above")
        seen.add(lever.component)
        first, *others = lever.evidence
        facts = [first, *(fact for fact in others if fact.kind in ("call time", "unevictable", "service peak"))]
        items.append([*words, ".", *_spaced(sentence(fact_words(fact)) for fact in facts)])
    return items


def _towards(saved: int, need: int, *, planned: bool) -> Words:
    """Returns how much of what exceeds the budget a lever saves.

    A plan without a change has said that no measured change is enough: only what was not measured may be.
    """
    if saved >= need:
        return [", not measured in the service"] if planned else [", enough to meet the budget"]
    share = saved / need
    return [", ", "less than 1%" if share < _LEAST_SHARE else Percent(share), " of what must go"]


def _spaced(sentences: Iterable[Words]) -> Words:
    return [word for words in sentences for word in (" ", *words)]


def _largest(measured: Sequence[SuiteComponent]) -> Sentence:
    first = max(measured, key=_held)
    total = sum(max(_held(component), 0) for component in measured)
    words: Words = [Code(first.name), " holds the most memory: ", Bytes(_held(first))]
    if len(measured) > 1 and total > 0:
        words += [", ", Percent(_held(first) / total), f" of the sum of the {len(measured)} components"]
    if 2 * first.worker_bytes > _held(first):
        has = "process that it started has" if first.worker_processes == 1 else "processes that it started have"
        return [*words, "; the ", Count(first.worker_processes), f" {has} ", Bytes(first.worker_bytes), " of it."]
    grown = [phase for phase in first.phases if phase.path in _GROWING_STAGES]
    if not grown:
        return [*words, "."]
    phase = max(grown, key=lambda phase: phase.delta.median_bytes)
    words += ["; most of it comes in its phase ", Code(phase.path), " (", Bytes(phase.delta.median_bytes)]
    holder = max(phase.holders or [], key=lambda holder: holder.bytes, default=None)
    if holder is not None and holder.bytes > 0:
        words += [", of which ", Bytes(holder.bytes), " ", *parts(ledger_words(holder.category, holder.owner))]
    return [*words, ")."]


def _since(against: SuiteComparison) -> Sentence:
    change = against.service.change_bytes or 0
    words: Words = ["Since ", Code(against.since), ", the peak of the service has "]
    if not against.service.clear:
        return [*words, "not changed by more than its runs differ."]
    return [*words, "fallen" if change < 0 else "risen", " by ", Bytes(abs(change)), "."]


def _budget_sentence(suite: Suite, budget: SuiteBudget, failed: Sequence[str]) -> Sentence:
    limit, bare = Bytes(budget.limit_bytes), suite.bare_bytes
    together = suite.service is not None or len(suite.components) < 2
    service: Words = [*service_words(failed), ", "] if failed else []
    if not together:
        service = ["the largest component by itself, "]
    peak: Words = [*service, Bytes(budget.peak_bytes), ", with the ", Bytes(bare), " of a bare interpreter"]
    if budget.worker_bytes:
        peak += [" and the ", Bytes(budget.worker_bytes), " of worker processes"]
    if budget.need_bytes:
        return ["The peak of ", *peak, ", exceeds the budget of ", limit, " by ", Bytes(budget.need_bytes), "."]
    words: Words = ["The peak of ", *peak, ", is within the budget of ", limit]
    if not together:
        return [*words, "; all components in one process ", "failed." if suite.failures else "were not measured."]
    if failed:
        names = enumerate_words([[Code(name)] for name in failed])
        return [*words, "; ", *names, " failed and ", "is" if len(failed) == 1 else "are", " not counted."]
    spare = budget.limit_bytes - budget.peak_bytes
    growing = still_growing(suite.components)
    grows: Words = [", but ", *growth_words(growing, spare)] if growing else []
    return [*words, ", with ", Bytes(spare), " to spare", *grows, "."]


def _best_lever(lever: SuiteLever) -> Sentence:
    words: Words = ["Largest saving: ", Code(lever.component), ", ", *lever_words(lever)]
    return [*words, ", ", savings(lever), f" ({lever.basis})."]


def _failure(name: str, failure: SuiteFailure) -> Sentence:
    words: Words = [Code(name), f", {_PASSES.get(failure.purpose, failure.purpose)}"]
    if failure.variant:
        words += [" ", Code(failure.variant)]
    words.append(f": {_OUTCOMES.get(failure.outcome, failure.outcome)}")
    if failure.phase and failure.purpose != "reading":
        words += [" in ", Code(failure.phase)]
    return [*words, f": {failure.message}"]


def _held(component: SuiteComponent) -> int:
    return 0 if component.held is None else component.held.median_bytes
