"""A service that keeps what it found out about every request."""

from __future__ import annotations

from dataclasses import dataclass

from fwmemtrace import phase


@dataclass
class Verdict:
    """What a request was judged to be."""

    text: str
    suspicious_words: int


HISTORY: list[Verdict] = []


@phase("detect")
def detect(text: str) -> int:
    """Return the number of words that attacks are made with."""
    return sum(text.lower().count(word) for word in ("ignore", "password", "system prompt"))


@phase("request")
def check(text: str) -> bool:
    """Return whether a text may pass."""
    verdict = Verdict(text, detect(text))
    HISTORY.append(verdict)
    return verdict.suspicious_words < 2


if __name__ == "__main__":
    for number in range(60):
        check(f"What is the capital of country number {number}? Answer in one sentence.")
