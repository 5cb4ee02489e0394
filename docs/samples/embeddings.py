"""A service that embeds texts: a model, a cache that nobody limits, a batch that needs memory for a moment."""

from __future__ import annotations

from typing import Any

import numpy as np

from fwmemtrace import phase

DIMENSIONS = 256
answers: dict[str, list[object]] = {}


@phase("load model")
def load_model() -> Any:
    """Returns 41 MB of numbers."""
    return np.random.default_rng(0).random((40_000, DIMENSIONS), dtype=np.float32)


def embed(model: Any, text: str) -> Any:
    """Returns the mean of what the model has for each word."""
    return model[[hash(word) % len(model) for word in text.split()]].mean(axis=0)


@phase("request")
def answer(model: Any, number: int) -> int:
    """Keeps each answer, and the words of its question."""
    text = f"what is the answer to question {number}, and who has asked it before? " * 20
    nearest = int(np.argmax(model[:4000] @ embed(model, text)))
    answers[text] = [nearest, text.split()]
    return nearest


@phase("batch")
def compare_all(model: Any) -> float:
    """Compares each with each."""
    part = model[:5000]
    return float((part @ part.T).max())


def main() -> None:
    """Loads the model, answers, compares."""
    model = load_model()
    for number in range(600):
        answer(model, number)
    compare_all(model)


main()
