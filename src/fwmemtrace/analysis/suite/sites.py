"""The places where a component allocates memory, from the passes with the heavy probes."""

from __future__ import annotations

from collections.abc import Sequence

from ... import results
from ...capture.stacks import informative_frames
from ...results.suite import SuiteSite
from .reading import SuiteProcess
from .stages import STAGES, in_a_stage

_OF_EACH_KIND = 5


def allocation_sites(processes: Sequence[SuiteProcess]) -> list[SuiteSite]:
    """Returns the largest sites of native memory, the Python heap and objects, in this order."""
    sites: list[SuiteSite] = []
    for process in processes:
        if process.report is None or process.run.purpose not in ("native", "python"):
            continue
        # Native figures leave inner phases out; the others are differences that include them.
        inside = [row for row in process.report.phases if in_a_stage(row.path)]
        rows = [row for row in inside if row.path in STAGES]
        natives = [_native_site(row.path, site) for row in inside if row.native for site in row.native.top]
        lines = [_heap_site(row.path, site) for row in rows if row.python_heap for site in row.python_heap.top]
        types = [_type_site(row.path, site) for row in rows if row.objects for site in row.objects.top]
        for kind in (natives, lines, types):
            grown = [site for site in kind if site.bytes > 0]
            sites += sorted(grown, key=lambda site: -site.bytes)[:_OF_EACH_KIND]
    return sites


def _native_site(phase: str, site: results.NativeSite) -> SuiteSite:
    shown = informative_frames(site.stack, 2)
    frames = " < ".join(
        f"{frame.function} {frame.file}:{frame.line}" if frame.file else frame.function for frame in shown
    )
    place = frames + (f" [{site.library}]" if site.library else "")
    return SuiteSite(kind="native", phase=phase, bytes=site.live_bytes, count=site.allocations, place=place)


def _heap_site(phase: str, site: results.HeapSite) -> SuiteSite:
    place = f"{site.file}:{site.line}"
    return SuiteSite(kind="python_heap", phase=phase, bytes=site.delta_bytes, count=site.delta_count, place=place)


def _type_site(phase: str, growth: results.TypeGrowth) -> SuiteSite:
    return SuiteSite(kind="objects", phase=phase, bytes=growth.delta_bytes, count=growth.delta_count, place=growth.type)
