"""The decision matrix: what could be done, what each would save, and how that is known.

Nothing is listed that this suite has no figure for, and nothing that saves less than the runs differ by themselves.
"""

from __future__ import annotations

from collections.abc import Sequence

from ...results.suite import SuiteLever
from .evidence import Evidence
from .import_levers import import_levers, levers_of_all
from .memory_levers import memory_levers
from .variant_levers import variant_levers


def decision_matrix(evidence: Sequence[Evidence], need_bytes: int = 0) -> list[SuiteLever]:
    """All levers that there is evidence for, the one that brings most towards the need first.

    Args:
        evidence: of each component.
        need_bytes: what the service needs less of; 0 where it is within its budget, or there is none.
    """
    levers = [lever for one in evidence if one.component.held is not None for lever in _levers(one)]
    levers += levers_of_all(levers, evidence)

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


def _levers(one: Evidence) -> list[SuiteLever]:
    return [*import_levers(one), *memory_levers(one), *variant_levers(one)]
