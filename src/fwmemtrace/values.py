r"""Makes values fit for records and for people: exact types, numbers of 64 bits, text that UTF-8 can encode.

Programs name phases and attributes by whatever they have at hand: numpy scalars, members of enums, subclasses of `str`
with methods of their own, file names that are not UTF-8. Nothing in here calls what a subclass of a built-in type
overrides.
"""

from __future__ import annotations

from .paths import encodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Scalar: TypeAlias = str | int | float | bool

LONGEST_TEXT = 16_384  # characters of a name or attribute; the rest is cut off
_EXACT = (str, int, float, bool)
# What numbers of other types have: members of enums, scalars and arrays of one element, whole and other numbers.
_CONVERSIONS = ("_value_", "item", "__index__", "__float__")
_qualname_of = type.__dict__["__qualname__"].__get__
_MOST_BITS = 4096  # of an integer that is written out
_MOST_LEVELS = 8  # of lists and dicts inside each other


def short(text: str) -> str:
    """Return a text as an exact `str` of at most `LONGEST_TEXT` characters, and how many it had if it had more."""
    text = str.__str__(text)
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]}... ({len(text):,} characters)"


def visible(text: str) -> str:
    r"""Return a text with every character that does not show as itself escaped, by the rule of `repr`.

    A phase may be named by anything, also by what a terminal would obey. Those characters are control characters, line
    breaks, marks that reorder what is around them, and code points without a character.

    >>> print(visible("red \x1b[31m, two\nlines, \u202e, naïve 日本"))
    red \x1b[31m, two\nlines, \u202e, naïve 日本
    """
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in text
    )


def scalar(value: object) -> Scalar | None:
    """Return a value as a `str`, `int`, `float` or `bool` of exactly that type; None if it is no scalar.

    Members of enums count as their values. Numbers of other libraries (numpy, torch, `decimal`) are converted.
    """
    kind = type(value)  # what `isinstance` would ask the value itself, which may say anything
    if issubclass(kind, str):
        return short(value)  # type: ignore[arg-type]
    if kind is bool:
        return value  # type: ignore[return-value]
    if issubclass(kind, int):
        return int.__index__(value)  # type: ignore[arg-type]
    if issubclass(kind, float):
        return float.__float__(value)  # type: ignore[arg-type]
    return _converted(value)


def _converted(value: Any) -> Scalar | None:
    """Convert a value of a foreign type to a number or text; any exception means that it cannot be converted."""
    for method in _CONVERSIONS:
        try:
            found = getattr(value, method)
            found = found() if callable(found) else found
        except Exception:
            continue
        return scalar(found) if issubclass(type(found), _EXACT) else None
    return None


def type_text(kind: type) -> str:
    """Return a type's qualified name without asking its metaclass."""
    name = _qualname_of(kind)
    return name if type(name) is str else "?"


def fitted(value: Any, level: int = 0) -> Any:
    """Return a value that every encoder takes: built-in types, and the fields of records in lists.

    Text is cut to `LONGEST_TEXT` and its lone surrogates are escaped, integers of more than 64 bits become text, and a
    value of an unknown type becomes the name of its type.
    """
    kind = type(value)
    if value is None or kind is bool:
        return value
    if issubclass(kind, str):
        return encodable(short(value))
    if issubclass(kind, int):
        return _integer(int.__index__(value))
    if issubclass(kind, (bytes, bytearray, memoryview)):
        return value
    if level < _MOST_LEVELS:
        fields = getattr(type(value), "__struct_fields__", None)  # of a msgspec.Struct
        if fields is not None:
            return [fitted(getattr(value, name), level + 1) for name in fields]
        if issubclass(kind, dict):
            return {fitted(key, level + 1): fitted(each, level + 1) for key, each in value.items()}
        if issubclass(kind, (list, tuple, set, frozenset)):
            return [fitted(each, level + 1) for each in value]
    found = scalar(value)
    return f"<{encodable(type_text(type(value)))}>" if found is None else found


def _integer(value: int) -> int | str:
    if -(2**63) <= value < 2**64:
        return value
    bits = value.bit_length()
    return str(value) if bits <= _MOST_BITS else f"{'-' if value < 0 else ''}2**{bits - 1} or more"
