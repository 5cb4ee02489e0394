"""Levers for weights, tensors held twice, free memory of the allocator, and what grows with requests."""

from __future__ import annotations

from collections.abc import Iterator

from ...records import SuiteArrays
from ...results.suite import SuiteLever
from .change_facts import twin_facts
from .evidence import WORTH_A_ROW, ComponentEvidence, fact, lever_if_worthwhile, spread_fact
from .figures import resident, retained, row_of
from .spreads import saving, spread
from .stages import AFTER_GC, AFTER_TRIM, AGAIN, BATCH, INIT

_OWN_OBJECTS = 5_000_000  # bytes of the interpreter's and the tracer's objects that every forked worker copies

# Element types that hold the same weights in less space, with the bytes of one element.
_NARROWER = {
    "float64": (("float32", 4),),
    "float32": (("float16", 2), ("int8", 1)),
    "float16": (("int8", 1),),
    "bfloat16": (("int8", 1),),
}


def memory_levers(one: ComponentEvidence) -> Iterator[SuiteLever]:
    """Yields all of them for one component."""
    arrays = next((process.own.arrays for process in one.of("use") if process.own.arrays is not None), None)
    if arrays is not None:
        yield from _narrower_weights(one, arrays)
        yield from _equal_tensors(one, arrays)
    yield from _trim(one)
    yield from _arenas(one)
    yield from _growth(one)
    yield from _forks(one)


def _narrower_weights(one: ComponentEvidence, arrays: SuiteArrays) -> Iterator[SuiteLever]:
    for row in arrays.arrays:
        if not row.parameters:
            continue
        weights = [fact("weights", row.bytes, row.private_bytes, names=[row.dtype], counts=[row.count])]
        # The kernel can evict clean pages of a mapped file at any time, so narrowing those saves nothing.
        if row.resident_bytes > row.private_bytes:
            weights.append(fact("clean weights", row.resident_bytes - row.private_bytes))
        for dtype, item_bytes in _NARROWER.get(row.dtype, ()):
            saves = row.private_bytes * (row.item_bytes - item_bytes) // row.item_bytes
            yield from lever_if_worthwhile(
                one,
                "narrow weights",
                dtype,
                low=saves,
                high=saves,
                basis="computed",
                phase=INIT,
                evidence=[*weights, fact("element size", item_bytes, row.item_bytes)],
            )


def _equal_tensors(one: ComponentEvidence, arrays: SuiteArrays) -> Iterator[SuiteLever]:
    if not arrays.twins:
        return
    extra = sum(twin.extra_bytes for twin in arrays.twins)
    yield from lever_if_worthwhile(
        one,
        "share equal tensors",
        "",
        low=extra,
        high=extra,
        basis="computed",
        phase=INIT,
        evidence=twin_facts(arrays),
    )


def _trim(one: ComponentEvidence) -> Iterator[SuiteLever]:
    returned, kept = [], []
    for process in one.of("resident"):
        trim, again = resident(process, AFTER_TRIM), resident(process, AGAIN)
        if trim is not None and again is not None:
            returned.append(-trim.delta_bytes)
            kept.append(-trim.delta_bytes - max(again.delta_bytes, 0))
    high, low = spread(returned), spread(kept)
    if high is None or low is None:
        return
    facts = [fact("trimmed", high.median_bytes)]
    if low.median_bytes < high.median_bytes:
        facts.append(fact("taken again", high.median_bytes - low.median_bytes))
    yield from lever_if_worthwhile(
        one,
        "trim allocator",
        "malloc",
        low=low.low_bytes,
        high=high.high_bytes,
        basis="measured",
        phase=AFTER_TRIM,
        evidence=facts,
    )


def _arenas(one: ComponentEvidence) -> Iterator[SuiteLever]:
    before = one.component.held
    for variable in dict.fromkeys(process.run.variant for process in one.of("arenas")):
        after = retained(one.of("arenas", variable))
        if before is None or after is None:
            continue
        low, high = saving(before, after)
        if low < one.noise:
            continue
        yield from lever_if_worthwhile(
            one,
            "set variable",
            variable,
            low=low,
            high=high,
            basis="measured",
            phase=AFTER_GC,
            evidence=[spread_fact("before", before), spread_fact("after", after)],
            after=after.median_bytes,
        )


def _forks(one: ComponentEvidence) -> Iterator[SuiteLever]:
    """Yields what `gc.freeze()` saves in a worker, if the service forks some."""
    if one.forks is None:
        return
    forks = one.forks
    saves = forks.copied_bytes - forks.frozen_bytes
    if saves < _OWN_OBJECTS:
        return
    yield from lever_if_worthwhile(
        one,
        "freeze objects",
        "",
        low=saves,
        high=saves,
        basis="measured",
        phase=INIT,
        evidence=[fact("forked", forks.copied_bytes, forks.frozen_bytes, counts=[forks.workers])],
    )


def _growth(one: ComponentEvidence) -> Iterator[SuiteLever]:
    growth = one.component.growth
    if growth is None or growth.verdict not in ("growing", "saturating"):
        return
    gained = round(growth.bytes_per_request * growth.requests)
    if growth.verdict == "growing":
        facts = [fact("growing", round(growth.bytes_per_request), counts=[growth.requests])]
    else:
        facts = [fact("grew and stopped", gained, counts=[growth.requests])]
    gains, place = [gained], ""
    for process in one.of("python"):
        row = row_of(process, BATCH)
        if row is None or row.python_heap is None or row.python_heap.delta_bytes < WORTH_A_ROW:
            continue
        gains.append(row.python_heap.delta_bytes)
        facts.append(fact("python heap growth", row.python_heap.delta_bytes))
        for site in row.python_heap.top[:1]:
            place = f"{site.file}:{site.line}"
            facts.append(fact("python heap line", site.delta_bytes, names=[place], counts=[site.delta_count]))
    yield from lever_if_worthwhile(
        one,
        "limit growth" if growth.verdict == "growing" else "limit size",
        place,
        low=min(gains),
        high=max(gains),
        basis="measured",
        phase=BATCH,
        evidence=facts,
    )
