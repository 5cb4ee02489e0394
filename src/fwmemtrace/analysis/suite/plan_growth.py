"""Components that grow with their requests, for which no figure of the service holds in the long run."""

from __future__ import annotations

from collections.abc import Sequence

from ...paths import write
from ...results.suite import SuiteComponent, SuiteGrower
from .figures import resident
from .reading import SuiteProcess
from .stages import BATCH

_STILL = 0.5  # of its growth by itself: a change that bounds it leaves less


def still_growing(components: Sequence[SuiteComponent], process: SuiteProcess | None = None) -> list[SuiteGrower]:
    """Returns the components that grow with each request.

    Args:
        components: the profiles of the components.
        process: a run of the service with changes; a component that does not grow there is left out.
    """
    return [
        SuiteGrower(component=one.name, bytes_per_request=one.growth.bytes_per_request, requests=one.growth.requests)
        for one in components
        if one.growth is not None
        and one.growth.verdict == "growing"
        and (process is None or _grows(process, one.name, one.growth.bytes_per_request * one.growth.requests))
    ]


def _grows(process: SuiteProcess, component: str, alone: float) -> bool:
    batch = resident(process, write((component, BATCH)))
    return batch is None or batch.delta_bytes >= _STILL * alone
