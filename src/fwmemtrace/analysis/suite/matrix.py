"""The decision matrix: levers, what each saves, and how that is known.

It lists nothing without a figure from this suite, and nothing that saves less than the runs differ.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...results.suite import SuiteLever
from .evidence import ComponentEvidence
from .import_levers import import_levers, service_import_levers
from .memory_levers import memory_levers
from .variant_levers import variant_levers


def decision_matrix(evidence: Sequence[ComponentEvidence], need_bytes: int = 0) -> list[SuiteLever]:
    """Returns all levers, the one that helps most first.

    Args:
        evidence: what is known about each component.
        need_bytes: by how much the service exceeds its budget; 0 if it does not, or has none.
    """
    levers = [
        lever
        for one in evidence
        if one.component.held is not None
        for lever in (*import_levers(one), *memory_levers(one), *variant_levers(one))
    ]
    levers += service_import_levers(levers, evidence)

    def value(lever: SuiteLever) -> tuple[int, int]:
        # Saving more than needed is no better than saving enough; of two that are enough the surer comes first.
        saved = service_saving(lever, need_bytes)
        return (min(saved, need_bytes) if need_bytes else saved, lever.saves_low_bytes)

    return sorted(levers, key=value, reverse=True)


def service_saving(lever: SuiteLever, need_bytes: int) -> int:
    """Returns what a lever saves of the service in bytes: as measured there, or else the middle of its range.

    A budget applies to the peak: if it is exceeded, a lever saves no more than it lowers the peak.
    """
    saved = lever.in_service_bytes
    if saved is None:
        saved = (lever.saves_low_bytes + lever.saves_high_bytes) // 2
    if need_bytes and lever.in_service_peak_bytes is not None:
        saved = min(saved, lever.in_service_peak_bytes)
    return saved
