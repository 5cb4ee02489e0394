"""The differences of two traces in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..results.diff import Comparison, Difference, KindChange
from .blocks import Alarm, Bytes, Code, Inline, Sentence, parts, plain
from .ledger_words import UNEXPLAINED, category_words, ledger_words
from .sites import short

ARROW = " → "

_METRICS = {
    "rss": "RSS change",
    "rises": "RSS rises",
    "peak": "peak RSS above its start",
    "native live": "native live",
    "python heap": "Python heap",
    "tensors": "tensors",
}


def noise_words(comparison: Comparison) -> Sentence:
    """Returns where the bounds of noise come from."""
    if comparison.noise == "measured":
        return "Noise is measured: the spread between runs of one side."
    return "Noise is estimated; to measure it, give more runs with --before and --after."


def difference_words(difference: Difference, several: bool) -> Sentence:
    """Returns a difference, and what it mostly consists of.

    Args:
        difference: the difference.
        several: whether there are several processes, so that it has to say which one it is of.
    """
    sizes = difference.bytes
    words: list[Inline] = [*_place(difference), ": "]
    if several:
        words = [Code(difference.process), ", ", *words]
    metric = (
        category_words(difference.category)
        if difference.metric == "kind"
        else "peak RSS"
        if difference.metric == "peak" and difference.place == "process"
        else "RSS"
        if difference.place in ("before session", "process")
        else _METRICS[difference.metric]
    )
    size = Bytes(sizes.change, signed=True)
    words += [Alarm(size) if sizes.change > 0 else size, f" {metric}"]
    if sizes.before is not None and sizes.after is not None:
        words += [" (", Bytes(sizes.before), ARROW, Bytes(sizes.after), ")"]
    words += [", noise ±", Bytes(difference.noise_bytes)]
    reasons = [*_kind_words(difference), *_stack_words(difference)]
    for number, reason in enumerate(reasons):
        words += ["; " if number else ": ", *reason]
    return words


def _place(difference: Difference) -> list[Inline]:
    match difference.place:
        case "phase":
            return [Code(difference.path)]
        case "outside":
            return ["outside any phase"]
        case "before session":
            return ["before the session"]
        case "process":
            if difference.bytes.before is not None and difference.bytes.after is not None:
                return ["the process as a whole"]
            return ["only in the first trace" if difference.bytes.after is None else "only in the second trace"]


def _kind_words(difference: Difference) -> Iterator[list[Inline]]:
    if difference.metric == "rss" and difference.kinds:
        kind = difference.kinds[0]
        yield [*parts(line_words(kind)), " ", Bytes(kind.bytes.change, signed=True)]


def _stack_words(difference: Difference) -> Iterator[list[Inline]]:
    if difference.stacks:
        change = difference.stacks[0]
        frame = next((frame for frame in change.stack if frame.library is None and frame.line), None)
        if frame is not None:
            yield [*frame_words(frame.function, frame.file, frame.line), " ", Bytes(change.bytes.change, signed=True)]


def frame_words(function: str, file: str, line: int) -> list[Inline]:
    """Returns a frame with its function, file and line."""
    return [Code(f"{function} {short(file)}:{line}".strip())]


def line_words(kind: KindChange) -> Sentence:
    """Returns the name of a ledger line."""
    if kind.category == UNEXPLAINED:
        return UNEXPLAINED
    return ledger_words(kind.category, kind.owner) if kind.owner else category_words(kind.category)


def threshold_lines(exceeded: Sequence[Difference], threshold: str) -> list[str]:
    """Returns a line for each growth that exceeds a threshold.

    Args:
        exceeded: what grew by more.
        threshold: as it was given.
    """
    return [
        plain([*_place_in_process(one), " grew by ", Bytes(one.bytes.change), f", more than {threshold}"])
        for one in exceeded
    ]


def _place_in_process(difference: Difference) -> list[Inline]:
    process: list[Inline] = [Code(difference.process)]
    return process if difference.place == "process" else [*process, ", ", *_place(difference)]
