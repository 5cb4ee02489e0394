"""Names the native heap in a ledger by library, where memray recorded native frames."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from ..capture.library_names import ARENAS, UNKNOWN_LIBRARY
from ..paths import is_inside
from .rss_breakdown import NATIVE_HEAP

REST = "malloc, other"
_NOT_NAMED = ("", UNKNOWN_LIBRARY, ARENAS)  # the ledger has its own category for arenas


def name_native_heap(ledgers: Sequence[results.Ledger], phases: Sequence[results.PhaseRow]) -> None:
    """Split the native heap among the libraries that allocated it, without changing its sum.

    The ledger counts resident pages at the end of a phase, memray allocations of the phase that were not freed. So the
    libraries have memray's figures, and `REST` is the difference to smaps: it is negative where libraries allocated
    memory and never touched it. Only the largest stacks of each phase are considered.

    Args:
        ledgers: changed in place; rows of phases without a named library stay as they are.
        phases: with the native figures of their captures.
    """
    for ledger in ledgers:
        live = _live_by_library(ledger, phases)
        heap = [item for item in ledger.items if item.category == NATIVE_HEAP]
        if not live or not heap:
            continue
        named = [
            results.LedgerItem(
                category=NATIVE_HEAP, owner=library, bytes=size, private_bytes=size, anonymous_bytes=size
            )
            for library, size in live.items()
        ]
        others = [item for item in ledger.items if item.category != NATIVE_HEAP]
        rest = _rest(heap, sum(live.values()))
        ledger.items = sorted([*others, *named, rest], key=lambda item: -abs(item.bytes))


def _live_by_library(ledger: results.Ledger, phases: Sequence[results.PhaseRow]) -> dict[str, int]:
    """Return live bytes by library, of the ledger's phase and the phases inside it."""
    live: dict[str, int] = {}
    for phase in phases:
        if phase.pid != ledger.pid or phase.native is None or not is_inside(phase.names, ledger.names):
            continue
        for library, size in phase.native.by_library.items():
            if library not in _NOT_NAMED:
                live[library] = live.get(library, 0) + size
    return live


def _rest(heap: Sequence[results.LedgerItem], named_bytes: int) -> results.LedgerItem:
    return results.LedgerItem(
        category=NATIVE_HEAP,
        owner=REST,
        bytes=sum(item.bytes for item in heap) - named_bytes,
        private_bytes=sum(item.private_bytes for item in heap) - named_bytes,
        evictable_bytes=sum(item.evictable_bytes for item in heap),
        anonymous_bytes=sum(item.anonymous_bytes for item in heap) - named_bytes,
    )
