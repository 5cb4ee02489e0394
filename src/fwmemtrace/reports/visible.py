"""Text from a trace, safe to print: a phase may be named by anything, also by what a terminal would obey."""

from __future__ import annotations


def visible(text: str) -> str:
    r"""Returns the text with every character that does not show as itself escaped, by the rule of `repr`.

    Those are control characters, line breaks, marks that reorder what is around them, and code points without a
    character.

    >>> print(visible("red \x1b[31m, two\nlines, \u202e, naïve 日本"))
    red \x1b[31m, two\nlines, \u202e, naïve 日本
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )
