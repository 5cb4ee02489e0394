"""Levers: what the user declared."""

from __future__ import annotations

from collections.abc import Iterator

from ...results.suite import SuiteFact, SuiteLever, SuiteVariant
from .evidence import FIRM, PEAK_TOGETHER, Evidence, fact, range_of, worthwhile
from .profile import held, whole_peak
from .reading import SuiteProcess
from .spreads import spread
from .stages import AFTER_GC, STAGES

_PEAK = "its peak"


def variant_levers(one: Evidence) -> Iterator[SuiteLever]:
    """The variants of one component that save more than the runs differ by themselves."""
    before = one.component.held
    for variant in one.component.variants:
        if before is None or variant.held is None or variant.saves_low_bytes is None:
            continue
        low, high = variant.saves_low_bytes, variant.saves_high_bytes or 0
        if low < max(one.noise, variant.held.high_bytes - variant.held.low_bytes):
            continue
        yield from worthwhile(
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
                range_of("before", before),
                range_of("after", variant.held),
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
    said = [fact(f"{_PEAK} is {{}} {_lower(change)}", abs(change))]
    lowered = _in_service_peak(one, variant.name)
    if lowered is not None:
        said.append(fact(f"{PEAK_TOGETHER} is {{}} {_lower(-lowered)}", abs(lowered)))
    return said


def _about_service(one: Evidence, variant: str) -> list[SuiteFact]:
    """A word on a figure that is not given, since it would say nothing."""
    before = held(one.together)
    if before is None or not one.of("together", variant) or _in_service(one, variant) is not None:
        return []
    apart = before.high_bytes - before.low_bytes
    return [fact("in the service it is lost in the {} by which its runs differ by themselves", apart)]


def _lower(change: int) -> str:
    return "lower" if change <= 0 else "higher"


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
        said.append(fact(f"the ledger has {{}} {more} of {category} {owner}".rstrip(), abs(size)))
    total = _total(before[-1]) - _total(after[-1])
    said.append(fact(f"all its lines together {{}} {'less' if total >= 0 else 'more'}", abs(total)))
    firm = _firm(was) - _firm(became)
    word = "less" if firm >= 0 else "more"
    said.append(fact(f"{FIRM} is {{}} {word}", abs(firm)))
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
