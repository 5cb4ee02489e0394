"""Names the native heap in a ledger by library, where memray recorded native frames."""

from __future__ import annotations

from collections.abc import Sequence

from .. import results
from ..capture.library_names import ARENAS, UNKNOWN_LIBRARY
from ..paths import PhasePath
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
    live_of = _live_by_library(phases)
    for ledger in ledgers:
        live = live_of.get((ledger.pid, ledger.names))
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


def _live_by_library(phases: Sequence[results.PhaseRow]) -> dict[tuple[int, PhasePath], dict[str, int]]:
    """Return live bytes by library for each process and phase, the phases inside it included."""
    live: dict[tuple[int, PhasePath], dict[str, int]] = {}
    for phase in phases:
        if phase.native is None:
            continue
        for length in range(len(phase.names) + 1):
            sums = live.setdefault((phase.pid, phase.names[:length]), {})
            for library, size in phase.native.by_library.items():
                if library not in _NOT_NAMED:
                    sums[library] = sums.get(library, 0) + size
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
