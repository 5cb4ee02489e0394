"""Growth of RSS over the requests of the batch."""

from __future__ import annotations

from collections.abc import Sequence

from ...results.suite import SuiteGrowth
from ..growth_verdict import ENOUGH_CALLS, judge, warm_up_of
from .figures import ledger_of
from .reading import SuiteProcess
from .spreads import middle
from .stages import BATCH

NOISE = 1_000_000  # bytes: a smaller change over a whole batch means nothing


def batch_growth(light: Sequence[SuiteProcess], batch: int) -> SuiteGrowth | None:
    """Judges the growth in the run in the middle, without pages of files.

    Args:
        light: the runs with the light probes.
        batch: the number of requests that the batch has.

    Returns:
        None if no run made a request.
    """
    with_requests = [process for process in light if process.own.requests]
    if not with_requests:
        return None
    gains = [process.own.requests[-1] - process.own.requests[0] for process in with_requests]
    process = with_requests[middle(gains)]
    requests = process.own.requests
    steady = requests[warm_up_of(len(requests)) :]
    if len(steady) < ENOUGH_CALLS:
        return SuiteGrowth(requests=len(requests), bytes_per_request=0.0, verdict="too few calls")
    judged = judge([float(rss) for rss in steady], 1.0, NOISE)
    gained = requests[-1] - requests[0]
    # Requests touch a mapped weight file row by row. That ends with the file, and the kernel can evict its pages.
    files = min(max(_from_files(process), 0), max(gained, 0))
    if judged.verdict in ("flat", "too few calls") or gained - files < NOISE:
        return SuiteGrowth(requests=batch, bytes_per_request=0.0, verdict="flat", file_bytes=files)
    # The slope of a curve that levels off says nothing; its total gain per request does.
    per_request = judged.estimate.slope if judged.verdict == "growing" else gained / len(requests)
    share = (gained - files) / gained
    return SuiteGrowth(requests=batch, bytes_per_request=per_request * share, verdict=judged.verdict, file_bytes=files)


def _from_files(process: SuiteProcess) -> int:
    """Returns the clean pages of files in the batch's RSS change, from its ledger."""
    ledger = ledger_of(process, BATCH)
    return sum(item.evictable_bytes for item in ledger.items) if ledger is not None else 0
