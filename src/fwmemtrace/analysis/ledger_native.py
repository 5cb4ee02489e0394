"""Names the native heap in a ledger: which libraries hold it, where memray recorded with native frames."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from ..capture.library_names import ARENAS, UNKNOWN_LIBRARY
from ..paths import is_inside
from .ledger import NATIVE_HEAP

REST = "malloc, other"
_NOT_NAMED = ("", UNKNOWN_LIBRARY, ARENAS)  # arenas are memory of their own in the ledger


def name_native_heap(ledgers: Sequence[results.Ledger], phases: Sequence[results.PhaseRow]) -> None:
    """Divide the items of the native heap among the libraries that allocated it; the sums stay as they are.

    A ledger counts resident pages when a phase ends, memray what a phase allocated that was never freed. So the figures
    of the libraries are memray's, and the rest is what smaps shows less these: negative where libraries hold memory
    that they never touched. Only the largest stacks of a phase are looked at.

    Args:
        ledgers: changed in place; those of phases without a named library stay as they are.
        phases: rows with what memray's capture says of them.
    """
    for ledger in ledgers:
        held = _held_by_library(ledger, phases)
        heap = [item for item in ledger.items if item.category == NATIVE_HEAP]
        if not held or not heap:
            continue
        rest = _rest(heap, sum(held.values()))
        named = [
            results.LedgerItem(
                category=NATIVE_HEAP, owner=library, bytes=size, private_bytes=size, anonymous_bytes=size
            )
            for library, size in held.items()
        ]
        others = [item for item in ledger.items if item.category != NATIVE_HEAP]
        ledger.items = sorted([*others, *named, rest], key=lambda item: -abs(item.bytes))


def _held_by_library(ledger: results.Ledger, phases: Sequence[results.PhaseRow]) -> dict[str, int]:
    held: dict[str, int] = {}
    for phase in phases:
        if phase.pid != ledger.pid or phase.native is None:
            continue
        if not is_inside(phase.names, ledger.names):
            continue
        for library, size in phase.native.by_library.items():
            if library not in _NOT_NAMED:
                held[library] = held.get(library, 0) + size
    return held


def _rest(heap: Sequence[results.LedgerItem], named: int) -> results.LedgerItem:
    return results.LedgerItem(
        category=NATIVE_HEAP,
        owner=REST,
        bytes=sum(item.bytes for item in heap) - named,
        private_bytes=sum(item.private_bytes for item in heap) - named,
        evictable_bytes=sum(item.evictable_bytes for item in heap),
        anonymous_bytes=sum(item.anonymous_bytes for item in heap) - named,
    )
