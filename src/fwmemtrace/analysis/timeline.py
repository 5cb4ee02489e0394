"""The timeline of a process, thinned out to what a report can show."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from ..paths import PhasePath

_WORTH_KEEPING = 128  # the part of RSS by which it must have moved
_MOST_RECENT = 1000
_END = 0.1  # of RSS: what came last of it shows how fast it rose in the end


@dataclass(frozen=True, slots=True)
class RssSample:
    """RSS at one moment, and the phase that was running."""

    time_ns: int
    rss_bytes: int
    phase: PhasePath


@dataclass(frozen=True, slots=True)
class LastRise:
    """How RSS rose to its latest height.

    Attributes:
        begin_ns: when the last tenth of it began to come.
        bytes_per_second: how fast that came; 0 if it was there from the start.
    """

    begin_ns: int
    bytes_per_second: float


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
        self._recent: deque[tuple[int, int]] = deque(
            maxlen=_MOST_RECENT
        )  # time and RSS around each change that matters
        self._latest = 0, 0

    def add(self, time_ns: int, rss_bytes: int, phase: PhasePath) -> None:
        """Add a sample."""
        recent = self._recent
        if not recent or abs(rss_bytes - recent[-1][1]) * _WORTH_KEEPING > rss_bytes:
            recent += (self._latest, (time_ns, rss_bytes)) if recent else ((time_ns, rss_bytes),)
        self._latest = time_ns, rss_bytes
        if self._taken % self._stride == 0:
            self._samples.append(RssSample(time_ns, rss_bytes, phase))
        elif rss_bytes > self._samples[-1].rss_bytes:
            self._samples[-1] = RssSample(time_ns, rss_bytes, phase)
        self._taken += 1
        if len(self._samples) > self._limit:
            self._halve()

    def last_rise(self) -> LastRise:
        """Return how RSS rose to the largest of its recent readings."""
        if not self._recent:
            return LastRise(0, 0.0)
        readings = sorted(self._recent)
        top = max(range(len(readings)), key=lambda number: (readings[number][1], number))
        end_ns, height = readings[top]
        begin = next((one for one in reversed(readings[:top]) if one[1] <= height * (1 - _END)), None)
        if begin is None:
            return LastRise(readings[0][0], 0.0)
        return LastRise(begin[0], (height - begin[1]) / max(end_ns - begin[0], 1) * 1e9)

    def _halve(self) -> None:
        pairs = zip(self._samples[::2], [*self._samples[1::2], None], strict=False)
        self._samples = [a if b is None or a.rss_bytes >= b.rss_bytes else b for a, b in pairs]
        self._stride *= 2
        self._taken = len(self._samples) * self._stride

    def samples(self) -> list[RssSample]:
        """Return the samples that were kept, in order of time."""
        return sorted(self._samples, key=lambda sample: sample.time_ns)
