"""The timeline of a process, thinned out to what a report can show."""

from __future__ import annotations

from dataclasses import dataclass

from ..paths import PhasePath


@dataclass(frozen=True, slots=True)
class RssSample:
    """RSS at one moment, and the phase that was running."""

    time_ns: int
    rss_bytes: int
    phase: PhasePath


class TimelineFold:
    """Keeps a bounded number of samples, the highest of each few that follow each other in the trace.

    Threads write records of a moment after later ones of other threads, so the order of time is only known at the end.

    Args:
        limit: the largest number of samples to keep, an even number.
    """

    def __init__(self, limit: int = 1000) -> None:
        self._limit = limit
        self._stride = 1  # samples taken for each one that is kept
        self._taken = 0
        self._samples: list[RssSample] = []

    def add(self, time_ns: int, rss_bytes: int, phase: PhasePath) -> None:
        """Add a sample."""
        if self._taken % self._stride == 0:
            self._samples.append(RssSample(time_ns, rss_bytes, phase))
        elif rss_bytes > self._samples[-1].rss_bytes:
            self._samples[-1] = RssSample(time_ns, rss_bytes, phase)
        self._taken += 1
        if len(self._samples) > self._limit:
            self._halve()

    def _halve(self) -> None:
        pairs = zip(self._samples[::2], [*self._samples[1::2], None], strict=False)
        self._samples = [a if b is None or a.rss_bytes >= b.rss_bytes else b for a, b in pairs]
        self._stride *= 2
        self._taken = len(self._samples) * self._stride

    def samples(self) -> list[RssSample]:
        """Return the samples that were kept, in order of time."""
        return sorted(self._samples, key=lambda sample: sample.time_ns)
