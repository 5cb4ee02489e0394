"""Says where figures of RSS include the overhead of probes, and how much."""

from __future__ import annotations

from collections.abc import Iterator

from .. import results
from .blocks import Bytes, Code, Inline, Sentence

_DISTURBING = 0.02  # of the peak RSS: a smaller overhead changes no conclusion
_TOOLS = {"native": "memray", "python_heap": "tracemalloc"}


def disturbed_sentences(
    report: results.TraceReport, process: results.Process, *, share: float = _DISTURBING
) -> Iterator[Sentence]:
    """Yields how much of the RSS figures is the overhead of probes, where it matters.

    Args:
        report: the results.
        process: the process whose figures they are.
        share: the least overhead that matters, as a fraction of the peak RSS.
    """
    for cost in report.overhead:
        if cost.pid == process.pid and cost.during_bytes > share * process.peak_bytes:
            tool = _TOOLS.get(cost.probe)
            name: list[Inline] = [Code(cost.probe), *([f" ({tool})"] if tool else [])]
            least = "" if process.ended == "closed" else "at least "
            yield [
                "RSS figures include the overhead of ",
                *name,
                f": {least}",
                Bytes(cost.during_bytes, signed=True),
                ". Read RSS from a run without it.",
            ]
