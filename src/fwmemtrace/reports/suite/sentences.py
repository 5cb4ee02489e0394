"""What a suite found, in sentences: each one is computed from its results and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ...analysis.suite.evidence import FIRM, PEAK_TOGETHER
from ...analysis.suite.matrix import brings
from ...results.suite import (
    Spread,
    Suite,
    SuiteBudget,
    SuiteComponent,
    SuiteFact,
    SuiteFailure,
    SuiteLever,
    SuiteSharing,
)
from ...units import format_bytes, format_count

_PURPOSES = {
    "reading": "reading the suite",
    "resident": "the light probes",
    "native": "the native probe",
    "python": "the probes of the Python heap",
    "use": "watching what the requests use",
    "together": "all components together",
    "deferred": "its import put off",
    "arenas": "fewer arenas",
    "variant": "the variant",
}


def executive_summary(suite: Suite) -> list[str]:
    """The biggest holder, what all need together, what limit that meets, what would help most, what failed."""
    measured = [component for component in suite.components if component.held is not None]
    sentences = []
    if measured:
        sentences.append(_biggest(measured))
    else:
        sentences.append("No component of this suite came through, so nothing can be said of what holds the memory.")
    if suite.sharing is not None and len(suite.sharing.order) > 1:
        sentences.append(sharing_sentence(suite.sharing))
    if suite.budget is not None:
        sentences.append(_budget(suite.budget))
    if suite.matrix:
        sentences.append(_first_lever(suite.matrix[0]))
    elif measured:
        sentences.append("Nothing was found that would save memory.")
    failed = [component for component in suite.components if component.outcome != "ok"]
    if failed:
        names = ", ".join(f"`{component.name}` ({component.outcome})" for component in failed)
        many = "components" if len(failed) > 1 else "component"
        sentences.append(f"{len(failed)} {many} of {len(suite.components)} did not come through: {names}.")
    return sentences


def _biggest(measured: Sequence[SuiteComponent]) -> str:
    first = max(measured, key=lambda component: _held(component))
    total = sum(max(_held(component), 0) for component in measured)
    text = f"`{first.name}` holds the most memory: {format_bytes(_held(first))}"
    if len(measured) > 1 and total > 0:
        text += f", {_held(first) / total:.0%} of what the {len(measured)} components hold each by itself"
    grown = [phase for phase in first.phases if phase.path in ("import", "init", "first request", "batch")]
    if not grown:
        return text + "."
    phase = max(grown, key=lambda phase: phase.delta.median_bytes)
    text += f"; most of it came in its phase `{phase.path}` ({format_bytes(phase.delta.median_bytes)}"
    holder = max(phase.holders or [], key=lambda holder: holder.bytes, default=None)
    if holder is not None and holder.bytes > 0:
        text += f", of which {format_bytes(holder.bytes)} {holder_name(holder.category, holder.owner)}"
    return text + ")."


def holder_name(category: str, owner: str) -> str:
    """A line of the ledger in words."""
    return f"{category} {owner}" if owner and owner != category else category


def sharing_sentence(sharing: SuiteSharing) -> str:
    """The whole against the sum of its parts."""
    parts, whole = format_bytes(sharing.sum_of_parts_bytes), format_bytes(sharing.together_bytes)
    text = f"All {len(sharing.order)} together in one process hold {whole}, the sum of the parts is {parts}"
    gained = sharing.sum_of_parts_bytes - sharing.together_bytes
    if gained > 0:
        return text + f": {format_bytes(gained)} is shared."
    return text + "."


def _budget(budget: SuiteBudget) -> str:
    limit, peak = format_bytes(budget.limit_bytes), format_bytes(budget.peak_bytes)
    if budget.need_bytes:
        return f"The peak of {peak} exceeds the budget of {limit} by {format_bytes(budget.need_bytes)}."
    spare = format_bytes(budget.limit_bytes - budget.peak_bytes)
    return f"The peak of {peak} keeps the budget of {limit}, with {spare} to spare."


def _first_lever(lever: SuiteLever) -> str:
    return f"What saves most: `{lever.component}`, {lever.lever}: {saves(lever)} ({lever.basis})."


def saves(lever: SuiteLever) -> str:
    """What a lever saves, from low to high."""
    low, high = format_bytes(lever.saves_low_bytes), format_bytes(lever.saves_high_bytes)
    if low == high:
        return low
    figure, _, unit = low.partition(" ")
    return f"{figure if high.endswith(f' {unit}') else low} to {high}"


def fact(evidence: SuiteFact) -> str:
    """A sentence of evidence with its sizes in it."""
    parts = evidence.text.split("{}")
    sizes = [format_bytes(size) for size in evidence.bytes]
    text = "".join(part + (sizes[at] if at < len(sizes) else "") for at, part in enumerate(parts))
    return re.sub(r"(\S+ \S+) to \1 in", r"\1 in", text)  # two sizes that read the same are one


def failure_sentence(name: str, failure: SuiteFailure) -> str:
    """One process that did not do its work."""
    what = _PURPOSES.get(failure.purpose, failure.purpose)
    variant = f" `{failure.variant}`" if failure.variant else ""
    where = f" in its phase `{failure.phase}`" if failure.phase and failure.purpose != "reading" else ""
    verb = "was killed" if failure.outcome == "killed" else failure.outcome
    return f"`{name}`, {what}{variant}: {verb}{where}: {failure.message}"


def recommendations(suite: Suite) -> list[str]:
    """What to do, the most useful first, and how far it goes."""
    made = []
    need = suite.budget.need_bytes if suite.budget is not None else 0
    taken: set[str] = set()
    for lever in suite.matrix:
        value = brings(lever, need)
        if value <= 0:
            continue
        text = f"`{lever.component}`: {lever.lever}, saves {saves(lever)} ({lever.basis})"
        if lever.in_service_bytes is not None:
            text += f", {format_bytes(lever.in_service_bytes)} in the service"
        if need:
            text += ", enough by itself" if value >= need else f", {value / need:.0%} of what must go"
        if lever.component in taken:
            text += "; it may be the same memory as that of this component's lever above"
        taken.add(lever.component)
        told = [lever.evidence[0], *(one for one in lever.evidence[1:] if one.text.startswith((FIRM, PEAK_TOGETHER)))]
        made.append(" ".join([f"{text}.", *(_sentence(fact(one)) for one in told)]))
    return made


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def range_of(figure: Spread | None) -> str:
    """A figure that was measured several times: the median, and the ends where they differ as text."""
    if figure is None:
        return ""
    low, high, middle = (format_bytes(size) for size in (figure.low_bytes, figure.high_bytes, figure.median_bytes))
    return middle if low == high else f"{middle} ({low} to {high})"


def growth_sentence(component: SuiteComponent) -> str | None:
    """How RSS went over the batch."""
    growth = component.growth
    if growth is None or growth.verdict == "too few calls":
        return None
    requests = format_count(growth.requests)
    if growth.verdict == "flat":
        if growth.file_bytes:
            files = format_bytes(growth.file_bytes)
            return f"Over {requests} requests RSS is flat, but for {files} of mapped files that were touched."
        return f"Over {requests} requests RSS is flat."
    size = format_bytes(growth.bytes_per_request)
    if growth.verdict == "growing":
        return f"Over {requests} requests RSS grows by {size} a request."
    return f"Over {requests} requests RSS grew by {size} a request and had all but stopped at the end."


def _held(component: SuiteComponent) -> int:
    return 0 if component.held is None else component.held.median_bytes
