"""Says where figures of RSS are inexact, and how much: the kernel's counters, the overhead of probes."""

from __future__ import annotations

from collections.abc import Iterator

from .. import results
from .blocks import Bytes, Code, Inline, Sentence, enumerate_words

_LEAST_SLACK = 4 * 1024 * 1024  # bytes; less is below what figures are read for
_DISTURBING = 0.02  # of the peak RSS: a smaller overhead changes no conclusion
_TOOLS = {"native": "memray", "python_heap": "tracemalloc"}


def slack_sentences(process: results.Process) -> Iterator[Sentence]:
    """Yields by how much the kernel's counters may be off, where it matters."""
    if process.counter_slack_bytes > max(_LEAST_SLACK, _DISTURBING * process.peak_bytes):
        yield [
            "RSS and its peaks may be off by up to ",
            Bytes(process.counter_slack_bytes),
            ": the kernel counts pages apart for each processor. PSS, USS and the ledger are exact.",
        ]


def disturbed_sentences(
    report: results.TraceReport, process: results.Process, *, share: float = _DISTURBING
) -> Iterator[Sentence]:
    """Yields a sentence about how much of the RSS figures is the overhead of probes, where it matters.

    Args:
        report: the results.
        process: the process whose figures they are.
        share: the least overhead that matters, as a fraction of the peak RSS.
    """
    least = "" if process.ended == "closed" else "at least "
    costs: list[list[Inline]] = []
    for cost in report.overhead:
        if cost.pid == process.pid and cost.during_bytes > share * process.peak_bytes:
            tool = _TOOLS.get(cost.probe)
            name: list[Inline] = [Code(cost.probe), *([f" ({tool})"] if tool else [])]
            costs.append(["of ", *name, f": {least}", Bytes(cost.during_bytes, signed=True)])
    if costs:
        which = "it" if len(costs) == 1 else "them"
        yield ["RSS figures include the overhead ", *enumerate_words(costs), f". Read RSS from a run without {which}."]
