"""The decision matrix: what could be done, what each would save, and how that is known.

Nothing is listed that this suite has no figure for, and nothing that saves less than the runs differ by themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...records import SuiteArray
from ..suite_results import Spread, SuiteComponent, SuiteFact, SuiteLever, SuiteVariant
from .profile import NOISE, held, resident, row_of, whole_peak
from .reading import SuiteProcess
from .spreads import saving, spread
from .stages import AFTER_GC, AFTER_TRIM, AGAIN, BATCH, INIT, STAGES
from .unused import UnusedImport, unused_imports

WORTH_A_ROW = NOISE  # bytes; below it a page more or less in the allocator decides
WORTH_SHARE = 0.01  # of what the component holds: a longer list would hide what matters
_NARROWER = {"float64": (("float32", 4),), "float32": (("float16", 2), ("int8", 1)), "bfloat16": (("int8", 1),)}
_NARROWER["float16"] = _NARROWER["bfloat16"]
PEAK = "its peak"
PEAK_TOGETHER = "the peak of the service"
FIRM = "memory that the kernel cannot take back"  # all but clean pages of files
SERVICE = "the service"  # in place of a component's name, where a lever is about all of them
_NAMED = 4  # things that a sentence lists


@dataclass(frozen=True)
class Evidence:
    """What there is to go by for one component.

    Attributes:
        component: its profile.
        processes: those that were started for it alone.
        others: names of modules that other components of the suite make use of, by component.
        importers: packages that other components import, by component.
        together: the processes that held all components as they are.
    """

    component: SuiteComponent
    processes: Sequence[SuiteProcess]
    others: dict[str, frozenset[str]]
    importers: dict[str, frozenset[str]]
    together: Sequence[SuiteProcess] = ()

    def of(self, purpose: str, variant: str | None = None) -> list[SuiteProcess]:
        """The processes of one purpose that came through."""
        return [
            process
            for process in self.processes
            if process.run.purpose == purpose
            and process.run.outcome == "ok"
            and process.report is not None
            and (variant is None or process.run.variant == variant)
        ]

    @property
    def noise(self) -> int:
        """How far the runs of the component as it is lie apart, in bytes."""
        before = self.component.held
        return 0 if before is None else before.high_bytes - before.low_bytes


def decision_matrix(evidence: Sequence[Evidence], need_bytes: int = 0) -> list[SuiteLever]:
    """All levers that there is evidence for, the one that brings most towards the need first.

    Args:
        evidence: of each component.
        need_bytes: what the service needs less of; 0 where it is within its budget, or there is none.
    """
    levers = [lever for one in evidence if one.component.held is not None for lever in _levers(one)]
    levers += _in_all(levers, evidence)

    def value(lever: SuiteLever) -> tuple[int, int]:
        # More than is needed is no better than enough; between two that are enough the surer one comes first.
        saves = brings(lever, need_bytes)
        return (min(saves, need_bytes) if need_bytes else saves, lever.saves_low_bytes)

    return sorted(levers, key=value, reverse=True)


def brings(lever: SuiteLever, need_bytes: int) -> int:
    """What a lever saves of the service in bytes: measured there, or else the middle of its range.

    A limit is about the peak: where one is exceeded, a lever brings no more than it lowers the peak by.
    """
    saves = lever.in_service_bytes
    if saves is None:
        saves = (lever.saves_low_bytes + lever.saves_high_bytes) // 2
    if need_bytes and lever.in_service_peak_bytes is not None:
        saves = min(saves, lever.in_service_peak_bytes)
    return saves


def used_modules(processes: Sequence[SuiteProcess]) -> frozenset[str] | None:
    """Modules that a component's requests made use of; None where that was not watched to the end."""
    use = next((process.own.use for process in processes if process.own.use is not None), None)
    return None if use is None else frozenset({*use.ran, *use.read})


def _levers(one: Evidence) -> Iterator[SuiteLever]:
    yield from _imports(one)
    yield from _dtypes(one)
    yield from _twins(one)
    yield from _allocator(one)
    yield from _growth(one)
    yield from _variants(one)


def _row(
    one: Evidence,
    *,
    lever: str,
    kind: str,
    low: int,
    high: int,
    basis: str,
    phase: str,
    evidence: list[SuiteFact],
    after: int | None = None,
    in_service: int | None = None,
    in_service_peak: int | None = None,
) -> Iterator[SuiteLever]:
    """The row, if it is worth one. It saves no less than nothing, where nothing is sure, and no more than there is."""
    before = one.component.held
    if before is None:
        return
    now = before.median_bytes
    low, high = max(0, min(low, now)), min(high, now)
    if (low + high) // 2 < max(WORTH_A_ROW, round(now * WORTH_SHARE)):
        return
    yield SuiteLever(
        component=one.component.name,
        lever=lever,
        kind=kind,  # type: ignore[arg-type]
        now_bytes=now,
        saves_low_bytes=low,
        saves_high_bytes=high,
        after_bytes=now - (low + high) // 2 if after is None else after,
        basis=basis,  # type: ignore[arg-type]
        phase=phase,
        evidence=evidence,
        in_service_bytes=in_service,
        in_service_peak_bytes=in_service_peak,
    )


# -- imports ---------------------------------------------------------------------------------------------------------


def _imports(one: Evidence) -> Iterator[SuiteLever]:
    truth, used = one.of("resident"), used_modules(one.of("use"))
    report = truth[-1].report if truth else None
    if report is None or report.imports is None or used is None:
        return
    tried = {process.run.variant for process in one.of("deferred") if _stayed_off(process, process.run.variant)}
    packages = {unused.root: unused for unused in unused_imports(report.imports, used)}
    parts = {unused.root: unused for unused in unused_imports(report.imports, used, whole=False)}
    for root in tried:
        if root not in packages and root in parts:
            packages[root] = parts[root]
    for unused in packages.values():
        yield from _unused_import(one, unused)


def _unused_import(one: Evidence, unused: UnusedImport) -> Iterator[SuiteLever]:
    others = [name for name, modules in one.others.items() if _uses(modules, unused.root)]
    said = _about_unused(one, unused)
    if others:
        said.append(_fact(f"in one process with {', '.join(others)} nothing is saved: there it is in use"))
    also = _importers(one, unused.root)
    if also and not others:
        said.append(_fact(f"{', '.join(also)} imports it too: in one process it goes only where all leave it out"))
    measured = [process for process in one.of("deferred", unused.root) if _stayed_off(process, unused.root)]
    before, after = one.component.held, held(measured)
    if before is not None and after is not None:
        low, high = saving(before, after)
        if low <= one.noise:
            return
        said.append(_fact(f"never loaded in {_count(len(measured), 'fresh process', 'es')} that put its import off"))
    else:
        low = high = unused.bytes
        said += _why_not_put_off(one, unused.root)
    yield from _row(
        one,
        lever=f"do not import {unused.root}",
        kind="import",
        low=low,
        high=high,
        basis="computed" if after is None else "measured",
        phase=unused.phase,
        evidence=said,
        after=None if after is None else after.median_bytes,
        in_service=0 if others or also else None,
    )


def _importers(one: Evidence, root: str) -> list[str]:
    return [name for name, packages in one.importers.items() if root.partition(".")[0] in packages]


def _in_all(levers: Sequence[SuiteLever], evidence: Sequence[Evidence]) -> list[SuiteLever]:
    """Rows for imports that more than one component can do without, and none of the others needs."""
    service = held(next((one.together for one in evidence), ()))
    by_name = {one.component.name: one for one in evidence}
    same: dict[str, list[SuiteLever]] = {}
    for lever in levers:
        if lever.kind == "import":
            same.setdefault(lever.lever, []).append(lever)
    made = []
    for text, rows in same.items():
        root = text.rpartition(" ")[2]
        names = [row.component for row in rows]
        importers = {name for row in rows for name in _importers(by_name[row.component], root)}
        if service is None or len(rows) < 2 or not importers <= set(names):
            continue
        largest = max(rows, key=lambda row: row.saves_high_bytes)
        # What all of them import is there once: without it, the service is rid of the biggest of their parts.
        low, high = max(row.saves_low_bytes for row in rows), largest.saves_high_bytes
        made.append(
            SuiteLever(
                component=SERVICE,
                lever=f"{text} in any",
                kind="import",
                now_bytes=service.median_bytes,
                saves_low_bytes=low,
                saves_high_bytes=high,
                after_bytes=service.median_bytes - (low + high) // 2,
                basis="computed",
                phase=largest.phase,
                evidence=[
                    _fact(f"in a process of its own {row.component} holds {{}} for it", row.saves_high_bytes)
                    for row in rows
                ],
                in_service_bytes=(low + high) // 2,
            )
        )
    return made


def _about_unused(one: Evidence, unused: UnusedImport) -> list[SuiteFact]:
    requests = max((process.own.use.requests for process in one.of("use") if process.own.use is not None), default=0)
    said = [
        _fact(
            f"none of its functions was called and none of its attributes read by init and "
            f"{_count(requests, 'request')}, while {_count(unused.modules, 'module')} came with it and {{}} of RSS",
            unused.bytes,
        )
    ]
    if unused.chain:
        said.append(_fact("imported by " + " > ".join(unused.chain[-_NAMED:])))
    if unused.with_it:
        more = len(unused.with_it) - _NAMED
        said.append(_fact("with it " + ", ".join(unused.with_it[:_NAMED]) + (f" and {more} more" if more > 0 else "")))
    return said


def _uses(modules: frozenset[str], root: str) -> bool:
    return any(module == root or module.startswith(root + ".") for module in modules)


def _stayed_off(process: SuiteProcess, root: str) -> bool:
    deferred = process.own.deferred
    return deferred is not None and root in deferred.put_off and root not in deferred.loaded


def _why_not_put_off(one: Evidence, root: str) -> list[SuiteFact]:
    """What came of trying to put the import off, where that was tried and did not work."""
    for process in one.processes:
        if process.run.purpose != "deferred" or process.own.deferred is None:
            continue
        where = process.own.deferred.loaded.get(root)
        if process.run.outcome == "ok" and where is not None:
            return [_fact(f"putting it off is not enough: something takes names from it in the phase {where}")]
        if process.run.outcome != "ok" and process.run.variant == root:
            return [_fact(f"putting it off was tried and broke the component: {process.run.message}")]
    return []


# -- tensors ---------------------------------------------------------------------------------------------------------


def _dtypes(one: Evidence) -> Iterator[SuiteLever]:
    stock = next((process.own.arrays for process in one.of("use") if process.own.arrays is not None), None)
    for row in stock.arrays if stock is not None else []:
        if not row.parameters:
            continue
        for name, item_bytes in _NARROWER.get(row.dtype, ()):
            # Clean pages of a mapped file can be had back by the kernel at any time: narrowing them saves nothing.
            saves = row.private_bytes * (row.item_bytes - item_bytes) // row.item_bytes
            yield from _row(
                one,
                lever=f"weights as {name}",
                kind="dtype",
                low=saves,
                high=saves,
                basis="computed",
                phase=INIT,
                evidence=[
                    _weights(row),
                    _fact("{} an element instead of {}", item_bytes, row.item_bytes),
                ],
            )


def _weights(row: SuiteArray) -> SuiteFact:
    mapped = row.resident_bytes - row.private_bytes
    text = f"{row.count} storages of {row.dtype} parameters with {{}}, of which {{}} are private"
    if mapped:
        return _fact(text + " and {} clean pages of a file, which are left out", row.bytes, row.private_bytes, mapped)
    return _fact(text, row.bytes, row.private_bytes)


def _twins(one: Evidence) -> Iterator[SuiteLever]:
    stock = next((process.own.arrays for process in one.of("use") if process.own.arrays is not None), None)
    twins = stock.twins if stock is not None else []
    if not twins:
        return
    extra = sum(twin.extra_bytes for twin in twins)
    said = [_fact(f"{_count(len(twins), 'tensor')} with the same content as another")]
    for twin in twins[:_NAMED]:
        shape = "x".join(map(str, twin.shape))
        names = f" ({', '.join(twin.names)})" if twin.names else ""
        said.append(_fact(f"{twin.copies} equal {twin.library} {twin.dtype} of {shape}, {{}} each{names}", twin.bytes))
    yield from _row(
        one,
        lever="keep equal tensors once",
        kind="twin",
        low=extra,
        high=extra,
        basis="computed",
        phase=INIT,
        evidence=said,
    )


# -- what the allocator and caches keep ------------------------------------------------------------------------------


def _allocator(one: Evidence) -> Iterator[SuiteLever]:
    returned, kept = [], []
    for process in one.of("resident"):
        trim, again = resident(process, AFTER_TRIM), resident(process, AGAIN)
        if trim is not None and again is not None:
            returned.append(-trim.delta_bytes)
            kept.append(-trim.delta_bytes - max(again.delta_bytes, 0))
    high, low = spread(returned), spread(kept)
    if high is not None and low is not None:
        said = [_fact("a trim of the allocator after the requests returned {}", high.median_bytes)]
        if low.median_bytes < high.median_bytes:
            said.append(_fact("of which {} came back with the next requests", high.median_bytes - low.median_bytes))
        yield from _row(
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
        yield from _row(
            one,
            lever=variant,
            kind="allocator",
            low=less,
            high=most,
            basis="measured",
            phase=AFTER_GC,
            evidence=[_range("before", before), _range("after", after)],
            after=after.median_bytes,
        )


def _growth(one: Evidence) -> Iterator[SuiteLever]:
    growth = one.component.growth
    if growth is None or growth.verdict not in ("growing", "saturating"):
        return
    gained = growth.bytes_per_request * growth.requests
    figures = [round(gained)]
    said = [
        _fact(f"RSS grows by {{}} a request over {growth.requests} requests", round(growth.bytes_per_request))
        if growth.verdict == "growing"
        else _fact(f"RSS grew by {{}} in {growth.requests} requests, and had all but stopped at the end", round(gained))
    ]
    for process in one.of("python"):
        row = row_of(process, BATCH)
        if row is None or row.python_heap is None or row.python_heap.delta_bytes < WORTH_A_ROW:
            continue
        figures.append(row.python_heap.delta_bytes)
        said.append(_fact("the Python heap by {} in the same requests", row.python_heap.delta_bytes))
        said += [
            _fact(f"most at {site.file}:{site.line}, {{}} in {site.delta_count} blocks", site.delta_bytes)
            for site in row.python_heap.top[:1]
        ]
    lever = "bound what grows" if growth.verdict == "growing" else "bound it lower"
    yield from _row(
        one,
        lever=lever,
        kind="growth",
        low=min(figures),
        high=max(figures),
        basis="measured",
        phase=BATCH,
        evidence=said,
    )


# -- what the user declared ------------------------------------------------------------------------------------------


def _variants(one: Evidence) -> Iterator[SuiteLever]:
    before = one.component.held
    for variant in one.component.variants:
        if before is None or variant.held is None or variant.saves_low_bytes is None:
            continue
        low, high = variant.saves_low_bytes, variant.saves_high_bytes or 0
        if low < max(one.noise, variant.held.high_bytes - variant.held.low_bytes):
            continue
        yield from _row(
            one,
            lever=variant.name,
            kind="variant",
            low=low,
            high=high,
            basis="measured",
            phase=AFTER_GC,
            evidence=[
                *_where_it_went(one, variant.name),
                *_about_peaks(one, variant),
                *_about_service(one, variant.name),
                _range("before", before),
                _range("after", variant.held),
            ],
            after=variant.held.median_bytes,
            in_service=_in_service(one, variant.name),
            in_service_peak=_in_service_peak(one, variant.name),
        )


def _in_service(one: Evidence, variant: str) -> int | None:
    """What a variant saves where all components live in one process; None where that is lost in how far runs differ."""
    before, after = held(one.together), held(one.of("together", variant))
    if before is None or after is None:
        return None
    change = before.median_bytes - after.median_bytes
    return change if abs(change) > before.high_bytes - before.low_bytes else None


def _in_service_peak(one: Evidence, variant: str) -> int | None:
    """The same of the peak."""
    peaks = [found for process in one.together if (found := whole_peak(process)) is not None]
    runs = one.of("together", variant)
    before, after = spread(peaks), whole_peak(runs[0]) if runs else None
    if before is None or after is None:
        return None
    change = before.median_bytes - after
    return change if abs(change) > before.high_bytes - before.low_bytes else None


def _about_peaks(one: Evidence, variant: SuiteVariant) -> list[SuiteFact]:
    """How the variant moves the peak, which may go the other way: making it may need more than holding it."""
    before, after = one.component.peak, variant.peak
    if before is None or after is None:
        return []
    change = after.median_bytes - before.median_bytes
    said = [_fact(f"{PEAK} is {{}} {_lower(change)}", abs(change))]
    lowered = _in_service_peak(one, variant.name)
    if lowered is not None:
        said.append(_fact(f"{PEAK_TOGETHER} is {{}} {_lower(-lowered)}", abs(lowered)))
    return said


def _about_service(one: Evidence, variant: str) -> list[SuiteFact]:
    """A word on a figure that is not given, since it would say nothing."""
    before = held(one.together)
    if before is None or not one.of("together", variant) or _in_service(one, variant) is not None:
        return []
    apart = before.high_bytes - before.low_bytes
    return [_fact("in the service it is lost in the {} by which its runs differ by themselves", apart)]


def _lower(change: int) -> str:
    return "lower" if change <= 0 else "higher"


def _range(what: str, figure: Spread) -> SuiteFact:
    if figure.runs == 1 or figure.low_bytes == figure.high_bytes:
        return _fact(f"{what} {{}}", figure.median_bytes)
    return _fact(f"{what} {{}} to {{}} in {figure.runs} runs", figure.low_bytes, figure.high_bytes)


def _fact(text: str, *sizes: int) -> SuiteFact:
    return SuiteFact(text=text, bytes=list(sizes))


def _count(number: int, what: str, plural: str = "s") -> str:
    return f"{number} {what}{'' if number == 1 else plural}"


def _where_it_went(one: Evidence, variant: str) -> list[SuiteFact]:
    """The ledger's own account of the difference: the biggest changes, and what of it the kernel could have taken."""
    before, after = one.of("resident"), one.of("variant", variant)
    if not before or not after:
        return []
    was, became = holders(before[-1]), holders(after[-1])
    change = {key: became.get(key, (0, 0))[0] - was.get(key, (0, 0))[0] for key in {*was, *became}}
    if not change:
        return []
    largest = sorted(change, key=lambda key: -abs(change[key]))[:2]
    said = []
    for category, owner in largest:
        size = change[category, owner]
        more = "less" if size < 0 else "more"
        said.append(_fact(f"the ledger has {{}} {more} of {category} {owner}".rstrip(), abs(size)))
    total = _total(before[-1]) - _total(after[-1])
    said.append(_fact(f"all its lines together {{}} {'less' if total >= 0 else 'more'}", abs(total)))
    firm = _firm(was) - _firm(became)
    word = "less" if firm >= 0 else "more"
    said.append(_fact(f"{FIRM} is {{}} {word}", abs(firm)))
    return said


def _total(process: SuiteProcess) -> int:
    ledger = process.report.ledger if process.report is not None else None
    rows = [row for row in ledger or [] if row.path in STAGES]
    return sum(sum(item.bytes for item in row.items) + row.unexplained_bytes for row in rows)


def _firm(found: dict[tuple[str, str], tuple[int, int]]) -> int:
    return sum(size - evictable for size, evictable in found.values())


def holders(process: SuiteProcess) -> dict[tuple[str, str], tuple[int, int]]:
    """What the ledger's rows of the stages add up to by category and owner, and what of it is clean pages of files."""
    found: dict[tuple[str, str], tuple[int, int]] = {}
    ledger = process.report.ledger if process.report is not None else None
    for row in ledger or []:
        if row.path in STAGES:
            for item in row.items:
                size, evictable = found.get((item.category, item.owner), (0, 0))
                found[item.category, item.owner] = (size + item.bytes, evictable + item.evictable_bytes)
    return found
