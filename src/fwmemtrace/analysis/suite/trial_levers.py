"""Levers that trials measured: moved imports and options of libraries, of one component or of the whole service."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...records import SuiteChange
from ...results.suite import Spread, SuiteAgreement, SuiteFact, SuiteLever
from .agreement import agreement, agreement_facts, all_equal
from .change_facts import action_of, edit_facts, twin_facts
from .evidence import (
    WORTH_A_ROW,
    WORTH_SHARE,
    ComponentEvidence,
    fact,
    kind_of,
    lever_if_worthwhile,
    service_spread,
    spread_fact,
    width,
)
from .figures import retained, whole_peak
from .import_levers import SERVICE
from .reading import SuiteProcess
from .spreads import saving, spread
from .stages import AFTER_GC, IMPORT

_WHOLE = ("variable", "share", "trim")  # changes that are measured in the service alone


def trial_levers(one: ComponentEvidence) -> Iterator[SuiteLever]:
    """Yields what trials of one component saved."""
    before = one.component.held
    changes = dict.fromkeys(change for process in one.of("trial") for change in process.changes)
    for change in changes:
        runs = [process for process in one.of("trial") if process.changes == [change]]
        after = retained(runs)
        if before is None or after is None:
            continue
        low, high = saving(before, after)
        if low <= max(one.noise, width(after)):
            continue
        found = _answers(one, runs)
        if change.kind == "bound dict" and not all_equal(found):
            continue
        in_service, in_service_peak = one.in_service(change)
        yield from lever_if_worthwhile(
            one,
            action_of(change),
            change.subject,
            low=low,
            high=high,
            basis="measured",
            phase=IMPORT if change.kind == "move import" else AFTER_GC,
            evidence=[
                *edit_facts(change, one.moves),
                *_caches(one, change),
                *(agreement_facts(found) if change.kind == "bound dict" else []),
                *one.unevictable(runs),
                *service_spread(one, change, in_service),
                spread_fact("before", before),
                spread_fact("after", after),
            ],
            after=after.median_bytes,
            in_service=in_service,
            in_service_peak=in_service_peak,
        )


def _answers(one: ComponentEvidence, runs: Sequence[SuiteProcess]) -> SuiteAgreement | None:
    """Compares the answers of the pass that watches use with those of a trial that forgot what it was asked."""
    expected = next((process.own.answers for process in one.of("use") if process.own.answers is not None), None)
    given = next((process.own.answers for process in runs if process.own.answers is not None), None)
    return agreement(expected, given)


def _caches(one: ComponentEvidence, change: SuiteChange) -> list[SuiteFact]:
    """Returns the caches without a bound, if the change bounds them."""
    options = next((process.own.use.options for process in one.of("use") if process.own.use is not None), None)
    names = (options or {}).get(change.subject, []) if change.kind == "option" else []
    if change.kind == "bound dict":
        noted = (options or {}).get("growing dicts", [])
        names = [name for name in noted if name.rpartition(": ")[0] == change.subject]
    return [fact("unbounded cache", names=names)] if names else []


def service_levers(evidence: Sequence[ComponentEvidence]) -> Iterator[SuiteLever]:
    """Yields what changes of the whole service saved there."""
    if not evidence:
        return
    one = evidence[0]  # all of them know the same runs of the service
    before = retained(one.together)
    for change in one.changed:
        after = retained(one.changed[change])
        if change.kind not in _WHOLE or before is None or after is None:
            continue
        low, high = saving(before, after)
        if low <= width(before) or (low + high) // 2 < max(WORTH_A_ROW, round(before.median_bytes * WORTH_SHARE)):
            continue
        yield _service_lever(one, change, before, after, low, high)


def _service_lever(
    one: ComponentEvidence, change: SuiteChange, before: Spread, after: Spread, low: int, high: int
) -> SuiteLever:
    peaks = [
        spread(peak for process in runs if (peak := whole_peak(process)) is not None)
        for runs in (one.together, one.changed[change])
    ]
    return SuiteLever(
        component=SERVICE,
        action=action_of(change),
        subject=change.subject,
        lever="",
        kind=kind_of(action_of(change)),
        now_bytes=before.median_bytes,
        saves_low_bytes=max(low, 0),
        saves_high_bytes=min(high, before.median_bytes),
        after_bytes=after.median_bytes,
        basis="measured",
        phase=AFTER_GC,
        evidence=[
            *twin_facts(one.changed[change][-1].own.arrays),
            spread_fact("before", before),
            spread_fact("after", after),
        ],
        in_service_bytes=before.median_bytes - after.median_bytes,
        in_service_peak_bytes=(
            None if peaks[0] is None or peaks[1] is None else peaks[0].median_bytes - peaks[1].median_bytes
        ),
    )
