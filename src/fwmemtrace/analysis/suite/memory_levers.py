"""Levers: weights, tensors that are there twice, what the allocator holds, and what grows with requests."""

from __future__ import annotations

from collections.abc import Iterator

from ...records import SuiteArray
from ...results.suite import SuiteFact, SuiteLever
from .evidence import NAMED, WORTH_A_ROW, Evidence, count, fact, range_of, worthwhile
from .profile import held, resident, row_of
from .spreads import saving, spread
from .stages import AFTER_GC, AFTER_TRIM, AGAIN, BATCH, INIT

_NARROWER = {"float64": (("float32", 4),), "float32": (("float16", 2), ("int8", 1)), "bfloat16": (("int8", 1),)}
_NARROWER["float16"] = _NARROWER["bfloat16"]


def memory_levers(one: Evidence) -> Iterator[SuiteLever]:
    """All of them for one component."""
    yield from _dtypes(one)
    yield from _twins(one)
    yield from _allocator(one)
    yield from _growth(one)


def _dtypes(one: Evidence) -> Iterator[SuiteLever]:
    stock = next((process.own.arrays for process in one.of("use") if process.own.arrays is not None), None)
    for row in stock.arrays if stock is not None else []:
        if not row.parameters:
            continue
        for name, item_bytes in _NARROWER.get(row.dtype, ()):
            # Clean pages of a mapped file can be had back by the kernel at any time: narrowing them saves nothing.
            saves = row.private_bytes * (row.item_bytes - item_bytes) // row.item_bytes
            yield from worthwhile(
                one,
                lever=f"weights as {name}",
                kind="dtype",
                low=saves,
                high=saves,
                basis="computed",
                phase=INIT,
                evidence=[
                    _weights(row),
                    fact("{} an element instead of {}", item_bytes, row.item_bytes),
                ],
            )


def _weights(row: SuiteArray) -> SuiteFact:
    mapped = row.resident_bytes - row.private_bytes
    text = f"{row.count} storages of {row.dtype} parameters with {{}}, of which {{}} are private"
    if mapped:
        return fact(text + " and {} clean pages of a file, which are left out", row.bytes, row.private_bytes, mapped)
    return fact(text, row.bytes, row.private_bytes)


def _twins(one: Evidence) -> Iterator[SuiteLever]:
    stock = next((process.own.arrays for process in one.of("use") if process.own.arrays is not None), None)
    twins = stock.twins if stock is not None else []
    if not twins:
        return
    extra = sum(twin.extra_bytes for twin in twins)
    said = [fact(f"{count(len(twins), 'tensor')} with the same content as another")]
    for twin in twins[:NAMED]:
        shape = "x".join(map(str, twin.shape))
        names = f" ({', '.join(twin.names)})" if twin.names else ""
        said.append(fact(f"{twin.copies} equal {twin.library} {twin.dtype} of {shape}, {{}} each{names}", twin.bytes))
    yield from worthwhile(
        one,
        lever="keep equal tensors once",
        kind="twin",
        low=extra,
        high=extra,
        basis="computed",
        phase=INIT,
        evidence=said,
    )


def _allocator(one: Evidence) -> Iterator[SuiteLever]:
    returned, kept = [], []
    for process in one.of("resident"):
        trim, again = resident(process, AFTER_TRIM), resident(process, AGAIN)
        if trim is not None and again is not None:
            returned.append(-trim.delta_bytes)
            kept.append(-trim.delta_bytes - max(again.delta_bytes, 0))
    high, low = spread(returned), spread(kept)
    if high is not None and low is not None:
        said = [fact("a trim of the allocator after the requests returned {}", high.median_bytes)]
        if low.median_bytes < high.median_bytes:
            said.append(fact("of which {} came back with the next requests", high.median_bytes - low.median_bytes))
        yield from worthwhile(
            one,
            lever="trim the allocator",
            kind="allocator",
            low=low.low_bytes,
            high=high.high_bytes,
            basis="measured",
            phase=AFTER_TRIM,
            evidence=said,
        )
    before = one.component.held
    for variant in dict.fromkeys(process.run.variant for process in one.of("arenas")):
        runs = one.of("arenas", variant)
        after = held(runs)
        if before is None or after is None or saving(before, after)[0] < one.noise:
            continue
        less, most = saving(before, after)
        yield from worthwhile(
            one,
            lever=variant,
            kind="allocator",
            low=less,
            high=most,
            basis="measured",
            phase=AFTER_GC,
            evidence=[range_of("before", before), range_of("after", after)],
            after=after.median_bytes,
        )


def _growth(one: Evidence) -> Iterator[SuiteLever]:
    growth = one.component.growth
    if growth is None or growth.verdict not in ("growing", "saturating"):
        return
    gained = growth.bytes_per_request * growth.requests
    figures = [round(gained)]
    said = [
        fact(f"RSS grows by {{}} a request over {growth.requests} requests", round(growth.bytes_per_request))
        if growth.verdict == "growing"
        else fact(f"RSS grew by {{}} in {growth.requests} requests, and had all but stopped at the end", round(gained))
    ]
    for process in one.of("python"):
        row = row_of(process, BATCH)
        if row is None or row.python_heap is None or row.python_heap.delta_bytes < WORTH_A_ROW:
            continue
        figures.append(row.python_heap.delta_bytes)
        said.append(fact("the Python heap by {} in the same requests", row.python_heap.delta_bytes))
        said += [
            fact(f"most at {site.file}:{site.line}, {{}} in {site.delta_count} blocks", site.delta_bytes)
            for site in row.python_heap.top[:1]
        ]
    lever = "bound what grows" if growth.verdict == "growing" else "bound it lower"
    yield from worthwhile(
        one,
        lever=lever,
        kind="growth",
        low=min(figures),
        high=max(figures),
        basis="measured",
        phase=BATCH,
        evidence=said,
    )
