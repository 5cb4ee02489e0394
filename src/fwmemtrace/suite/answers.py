"""Turns the answers of a component into figures that another way to make it can be compared with."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from ..records import SuiteAnswers

_MOST_ANSWERS = 4
_LEAST_ANSWERS = 2
_ANSWERS_S = 3.0  # a request that takes seconds is not made four times for that
_MOST_NUMBERS = 4096  # of one answer


def take_answers(
    ask: Callable[[Any], Any], inputs: Iterable[Any], clock: Callable[[], float] = monotonic
) -> SuiteAnswers:
    """Ask the first inputs once more, and keep their answers as numbers, or as text where they are none.

    Args:
        ask: answers one request.
        inputs: the requests.
        clock: seconds of a monotonic clock.
    """
    until = clock() + _ANSWERS_S
    numbers: list[list[float]] = []
    texts: list[str] = []
    for item in list(inputs)[:_MOST_ANSWERS]:
        if len(numbers) >= _LEAST_ANSWERS and clock() > until:
            break
        answer = ask(item)
        found = _numbers(answer)
        numbers.append(found or [])
        texts.append("" if found else _text(answer))
    return SuiteAnswers(numbers, texts)


def _numbers(answer: Any) -> list[float] | None:
    """Returns the numbers in an answer; None if there is anything else in it."""
    if hasattr(answer, "detach"):
        answer = answer.detach().float().cpu().numpy()
    if hasattr(answer, "tolist"):
        answer = answer.tolist()
    if isinstance(answer, (bool, int, float)):
        return [float(answer)]
    if isinstance(answer, dict):
        answer = list(answer.values())
    if not isinstance(answer, (list, tuple)):
        return None
    flat: list[float] = []
    for one in answer:
        inner = _numbers(one)
        if inner is None:
            return None
        flat += inner[: _MOST_NUMBERS - len(flat)]
    return flat


def _text(answer: Any) -> str:
    text = repr(answer)
    return "" if " at 0x" in text else text[:200]  # an address says nothing
