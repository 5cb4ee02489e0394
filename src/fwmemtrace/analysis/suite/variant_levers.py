"""Levers that the suite file declares: the variants of a component."""

from __future__ import annotations

from collections.abc import Iterator

from ...records import SuiteChange
from ...results.suite import SuiteFact, SuiteLever, SuiteVariant
from .agreement import agreement_facts
from .evidence import ComponentEvidence, fact, lever_if_worthwhile, service_spread, spread_fact, width
from .figures import stage_ledgers
from .reading import SuiteProcess
from .stages import AFTER_GC

_LEDGER_LINES = 2


def variant_levers(one: ComponentEvidence) -> Iterator[SuiteLever]:
    """Yields the variants of one component that save more than its runs differ."""
    before = one.component.held
    for variant in one.component.variants:
        if before is None or variant.held is None or variant.saves_low_bytes is None:
            continue
        low, high = variant.saves_low_bytes, variant.saves_high_bytes or 0
        if low < max(one.noise, width(variant.held)):
            continue
        change = SuiteChange("variant", one.component.name, variant.name)
        in_service, in_service_peak = one.in_service(change)
        yield from lever_if_worthwhile(
            one,
            "use variant",
            variant.name,
            low=low,
            high=high,
            basis="measured",
            phase=AFTER_GC,
            evidence=[
                *agreement_facts(variant.agreement),
                *_ledger_changes(one, variant.name),
                *_peak_changes(one, variant, in_service_peak),
                *service_spread(one, change, in_service),
                spread_fact("before", before),
                spread_fact("after", variant.held),
            ],
            after=variant.held.median_bytes,
            in_service=in_service,
            in_service_peak=in_service_peak,
        )


def _peak_changes(one: ComponentEvidence, variant: SuiteVariant, in_service_peak: int | None) -> list[SuiteFact]:
    """Returns how the peak changes. It may rise where less is held: making the variant may take more memory."""
    before, after = one.component.peak, variant.peak
    if before is None or after is None:
        return []
    facts = [fact("peak", after.median_bytes - before.median_bytes)]
    if in_service_peak is not None:
        facts.append(fact("service peak", -in_service_peak))
    return facts


def _ledger_changes(one: ComponentEvidence, variant: str) -> list[SuiteFact]:
    """Returns the largest changes in the ledger, its total, and the part that the kernel could not have evicted."""
    before, after = one.of("resident"), one.of("variant", variant)
    if not before or not after:
        return []
    old, new = _ledger_lines(before[-1]), _ledger_lines(after[-1])
    change = {line: new.get(line, (0, 0))[0] - old.get(line, (0, 0))[0] for line in {*old, *new}}
    if not change:
        return []
    largest = sorted(change, key=lambda line: (-abs(change[line]), line))[:_LEDGER_LINES]
    return [
        *(fact("ledger line", change[line], names=line) for line in largest),
        fact("ledger total", _ledger_total(after[-1]) - _ledger_total(before[-1])),
        fact("unevictable", _unevictable(new) - _unevictable(old)),
    ]


def _ledger_total(process: SuiteProcess) -> int:
    return sum(sum(item.bytes for item in row.items) + row.unexplained_bytes for row in stage_ledgers(process))


def _ledger_lines(process: SuiteProcess) -> dict[tuple[str, str], tuple[int, int]]:
    """Returns the stages' ledger lines by category and owner: their bytes, and the clean pages of files in them."""
    lines: dict[tuple[str, str], tuple[int, int]] = {}
    for row in stage_ledgers(process):
        for item in row.items:
            size, evictable = lines.get((item.category, item.owner), (0, 0))
            lines[item.category, item.owner] = (size + item.bytes, evictable + item.evictable_bytes)
    return lines


def _unevictable(lines: dict[tuple[str, str], tuple[int, int]]) -> int:
    return sum(size - evictable for size, evictable in lines.values())
