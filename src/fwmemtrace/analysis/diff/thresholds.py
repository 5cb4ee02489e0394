"""Which growth exceeds a threshold."""

from __future__ import annotations

from collections.abc import Iterator

from ...results.diff import BeforeAfter, Comparison, Difference


def exceeding(comparison: Comparison, threshold: int | float) -> list[Difference]:
    """Return what grew by more than a threshold and beyond noise, the largest first.

    Args:
        comparison: the comparison.
        threshold: bytes if it is an int, or a share of the peak RSS before if it is a float: of the phase that grew, or
            of its process.
    """
    found = [difference for difference in _growth(comparison) if difference.bytes.change > 0]
    peaks = {
        (process.name, phase.path): phase.peak_bytes.before
        for process in comparison.processes
        for phase in process.phases
    }
    of_process = {process.name: process.peak_bytes.before for process in comparison.processes}

    def limit(difference: Difference) -> float:
        if isinstance(threshold, int):
            return threshold
        peak = peaks.get((difference.process, difference.path)) if difference.place == "phase" else None
        return threshold * (peak or of_process[difference.process] or 0)

    return [difference for difference in found if difference.bytes.change > limit(difference)]


def _growth(comparison: Comparison) -> Iterator[Difference]:
    """Yield the differences, and processes whose peak grew beyond noise though no phase's share of it did."""
    yield from comparison.differences
    named = {difference.process for difference in comparison.differences if difference.bytes.change > 0}
    for process in comparison.processes:
        peak: BeforeAfter = process.peak_bytes
        if process.name not in named and peak.change > process.noise_bytes:
            yield Difference(
                path="",
                process=process.name,
                place="process",
                metric="peak",
                bytes=peak,
                noise_bytes=process.noise_bytes,
            )
