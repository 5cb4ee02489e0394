"""`Redactor`: replaces secrets in attributes, labels, command lines and texts."""

from __future__ import annotations

from ..errors import SettingsError
from .hints import may_match
from .names import is_number, rank
from .unnamed import REDACTED, without_card_numbers, without_random_words

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Mapping, Sequence

    from ..values import Scalar
    from .text_rules import TextRules

_USER_OPTIONS = ("u", "U", "user", "proxy-user")
_MOST_KNOWN = 1024  # results that are kept for the next time
_LONGEST_KNOWN = 64  # characters of a text whose result is kept


class Redactor:
    """Replaces secrets by `REDACTED`.

    Args:
        patterns: regular expressions besides the built-in rules: what matches in a text is replaced, and a name in
            which one is found is that of a secret.

    Raises:
        SettingsError: if a pattern is no regular expression.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._own = [_compiled(pattern) for pattern in patterns]
        self._built_in: TextRules | None = None
        self._names: dict[str, int] = {}
        self._harmless: set[tuple[str, Scalar]] = set()

    def attributes(self, attributes: dict[str, Scalar]) -> dict[str, Scalar]:
        """Return attributes without secrets; the same dict if it has none that were not seen before."""
        harmless, names = self._harmless, self._names
        for name, value in attributes.items():
            # Numbers by their names only, as True is as good as 1 to a set.
            if names.get(name) != 0 if value.__class__ is not str else (name, value) not in harmless:
                break
        else:
            return attributes
        kept = {name: self.value(name, value) for name, value in attributes.items()}
        if len(self._harmless) >= _MOST_KNOWN:
            self._harmless.clear()
        for pair in attributes.items():
            if isinstance(pair[1], str) and len(pair[1]) <= _LONGEST_KNOWN and kept[pair[0]] is pair[1]:
                self._harmless.add(pair)
        return kept

    def labels(self, labels: Mapping[str, str]) -> dict[str, str]:
        """Return labels without secrets."""
        return {name: str(self.value(name, value)) for name, value in labels.items()}

    def value(self, name: str, value: Scalar) -> Scalar:
        """Return the value of an option or attribute of that name without secrets."""
        if isinstance(value, bool):
            return value
        if self._is_secret(name, value):
            return REDACTED
        return self.text(value) if isinstance(value, str) else value

    def arguments(self, words: Sequence[str]) -> list[str]:
        """Return a command line without secrets: `--name value`, `--name=value`, `NAME=value`, and text like tokens."""
        kept: list[str] = []
        option = ""
        for word in words:
            start, equals, value = word.partition("=")
            name = start.lstrip("-")
            is_option = start != name
            if option and not word.startswith("--") and self._is_secret_option(option, word):
                word = REDACTED
            elif option in _USER_OPTIONS and ":" in word and not is_number(word.partition(":")[2]):
                word = f"{word.partition(':')[0]}:{REDACTED}"
            elif equals and is_option and name == "key":
                word = f"{start}={REDACTED}"
            elif equals and name.replace("-", "").replace(".", "").replace("_", "").isalnum():
                word = f"{start}={self.value(name, value)}"
            else:
                word = self.text(word)
            kept.append(word)
            option = name if is_option and not equals else ""
        return kept

    def text(self, text: str) -> str:
        """Return a text without credentials in URLs, values of names like `password=`, and well-known tokens."""
        for pattern in self._own:
            text = pattern.sub(REDACTED, text)
        if may_match(text):
            if self._built_in is None:
                try:
                    from .text_rules import TextRules

                    self._built_in = TextRules()
                except (AttributeError, ImportError):  # a signal handler's text, in the middle of the import of `re`
                    return REDACTED
            text = self._built_in.apply(text)
        return without_random_words(without_card_numbers(text))

    def _is_secret_option(self, name: str, value: str) -> bool:
        if name == "p":  # a port, plugin or path for others
            return not is_number(value) and not any(mark in value for mark in ":,/.")
        return name == "key" or self._is_secret(name, value)

    def _is_secret(self, name: str, value: Scalar) -> bool:
        secrecy = self._names.get(name)
        if secrecy is None:
            secrecy = 2 if any(pattern.search(name) for pattern in self._own) else rank(name)
            if len(self._names) >= _MOST_KNOWN:
                self._names.clear()
            self._names[name] = secrecy
        return secrecy == 2 or (secrecy == 1 and isinstance(value, str) and not is_number(value))


def _compiled(pattern: str) -> re.Pattern[str]:
    import re

    try:
        return re.compile(pattern)
    except re.error as error:
        raise SettingsError(f"{pattern!r} is not a regular expression: {error}") from error
