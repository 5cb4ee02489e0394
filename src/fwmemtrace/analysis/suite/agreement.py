"""How far the answers of a variant agree with those of the component."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...records import SuiteAnswers
from ...results.suite import SuiteAgreement, SuiteFact
from .evidence import fact


def agreement(expected: SuiteAnswers | None, given: SuiteAnswers | None) -> SuiteAgreement | None:
    """Compares the answers to the same requests; None if there is nothing to compare."""
    if expected is None or given is None:
        return None
    requests = equal = 0
    differences: list[float] = []
    cosines: list[float] = []
    for left, right, left_text, right_text in zip(
        expected.numbers, given.numbers, expected.texts, given.texts, strict=False
    ):
        if not left and not right and not (left_text and right_text):
            continue  # answers that cannot be compared
        requests += 1
        equal += left == right and left_text == right_text
        if left and len(left) == len(right):
            differences.append(max(abs(one - other) for one, other in zip(left, right, strict=True)))
            if len(left) > 1:  # a single number has no direction but its sign
                cosines.append(_cosine(left, right))
    if not requests:
        return None
    return SuiteAgreement(
        requests=requests,
        equal=equal,
        largest_difference=max(differences, default=None),
        cosine=min(cosines, default=None),
    )


def all_equal(found: SuiteAgreement | None) -> bool:
    """Tells whether answers could be compared and are all equal."""
    return found is not None and found.equal == found.requests


def agreement_facts(found: SuiteAgreement | None) -> list[SuiteFact]:
    """Returns what a variant does to the answers, as evidence."""
    if found is None:
        return []
    if found.equal == found.requests:
        return [fact("answers equal", counts=[found.requests])]
    figures = [found.largest_difference, found.cosine]
    return [
        fact(
            "answers differ",
            names=[f"{figure:.3g}" for figure in figures if figure is not None],
            counts=[found.requests - found.equal, found.requests],
        )
    ]


def _cosine(left: Sequence[float], right: Sequence[float]) -> float:
    length = math.hypot(*left) * math.hypot(*right)
    return math.fsum(one * other for one, other in zip(left, right, strict=True)) / length if length else 1.0
