"""Finds secrets by their looks alone: numbers of payment cards, and random words."""

from __future__ import annotations

REDACTED = "[redacted]"

_CARDS = {"3": (15, 16), "4": (13, 16, 19), "5": (16,), "6": (16,)}  # digits of a card's number, by the first one
_DIGITS = b"0123456789"
_FEWEST_CARD_DIGITS = 13
_SHORTEST_RANDOM = 20  # characters of a word that may be a token by its looks
_LEAST_CHANGES = 0.45  # between capitals, small letters and digits, for each character: random ones have 0.6


def without_random_words(text: str) -> str:
    """Return a text without words that look as if they had been drawn: tokens that no rule knows."""
    if len(text) < _SHORTEST_RANDOM or text.islower() or not any(map(text.__contains__, "0123456789")):
        return text
    spaced = "".join(character if character.isalnum() else " " for character in text)
    words = set(spaced.split())
    if "/" in text or "+" in text:  # base64 may have both
        joined = "".join(character if character.isalnum() or character in "/+" else " " for character in text)
        words.update(word for word in joined.split() if len(word) >= 2 * _SHORTEST_RANDOM)
    for word in sorted(words, key=len, reverse=True):
        if len(word) >= _SHORTEST_RANDOM and _looks_random(word):
            text = text.replace(word, REDACTED)
    return text


def without_card_numbers(text: str) -> str:
    """Return a text without numbers of payment cards: of a card's length, with the right check digit (ISO/IEC 7812)."""
    if len(text) < _FEWEST_CARD_DIGITS:
        return text
    encoded = text.encode("ascii", "replace")
    if len(encoded) - len(encoded.translate(None, _DIGITS)) < _FEWEST_CARD_DIGITS:
        return text
    found = []
    for word in "".join(character if character in "0123456789 -" else "x" for character in text).split("x"):
        digits = word.replace(" ", "").replace("-", "")
        if len(digits) in _CARDS.get(digits[:1], ()) and _checks(digits):
            found.append(word.strip(" -"))
    for number in found:
        text = text.replace(number, REDACTED)
    return text


def _checks(digits: str) -> bool:
    """Whether the check digit is that of Luhn's sum."""
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _looks_random(word: str) -> bool:
    kinds = [0 if letter.isdecimal() else 1 if letter.isupper() else 2 for letter in word if letter.isalnum()]
    changes = sum(kind != after for kind, after in zip(kinds, kinds[1:], strict=False))  # noqa: RUF007  (`pairwise` is in a module to import)
    return len(set(kinds)) == 3 and changes >= _LEAST_CHANGES * len(word)
