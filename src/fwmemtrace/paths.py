r"""Phase paths: tuples of names in the code, and the one way to write them as text.

    >>> write(("GET /users", "load model"))
    'GET \\/users/load model'
    >>> read('GET \\/users/load model')
    ('GET /users', 'load model')

Names are joined by "/". A "/" or a backslash inside a name is escaped by a backslash, so that every path has one text
and every text one path. This module imports nothing, since the traced process uses it too.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Sequence
    from typing import TypeAlias

PhasePath: TypeAlias = tuple[str, ...]

OUTSIDE: PhasePath = ()  # the path of what happens in no phase; its text is ""


def write(path: Sequence[str]) -> str:
    """Return a path as text, as reports and the trace file's readers show it."""
    text = "/".join(path)
    if "\\" not in text and text.count("/") == max(len(path) - 1, 0):
        return text
    return "/".join([name.replace("\\", "\\\\").replace("/", "\\/") for name in path])


def read(text: str) -> PhasePath:
    """Return the path that a text stands for; the inverse of `write`.

    A backslash before any other character stands for itself, so that texts written before names were escaped can be
    read too.
    """
    if not text:
        return OUTSIDE
    if "\\" not in text:
        return tuple(text.split("/"))
    names = [""]
    characters = iter(text)
    for character in characters:
        if character == "/":
            names.append("")
        elif character == "\\":
            following = next(characters, "")
            names[-1] += following if following in ("/", "\\") and following else character + following
        else:
            names[-1] += character
    return tuple(names)


def encodable(text: str) -> str:
    r"""Return a text with its lone surrogates, which UTF-8 cannot encode, as escapes such as "\udc80".

    They come from file names and arguments that are not valid UTF-8.
    """
    return text.encode("utf-8", "backslashreplace").decode()


def is_inside(path: PhasePath, outer: PhasePath) -> bool:
    """Return whether a path is the other one, or of a phase inside it."""
    return path[: len(outer)] == outer


def nearest(path: PhasePath, known: Container[PhasePath]) -> PhasePath:
    """Return the longest of the known paths, other than itself, that a path is inside of; `OUTSIDE` if none is."""
    for length in range(len(path) - 1, 0, -1):
        if path[:length] in known:
            return path[:length]
    return OUTSIDE


def in_tree_order(paths: Iterable[PhasePath]) -> list[PhasePath]:
    """Sort paths so that each follows the one that it is inside of, with siblings in their given order.

    >>> [write(path) for path in in_tree_order([("init",), ("request",), ("init", "load"), ("request", "check")])]
    ['init', 'init/load', 'request', 'request/check']
    """
    given = [path for path in paths if path != OUTSIDE]  # which is inside of nothing, and would be inside of itself
    known = set(given)
    children: dict[PhasePath, list[PhasePath]] = {}
    for path in given:
        children.setdefault(nearest(path, known), []).append(path)
    ordered: list[PhasePath] = []
    waiting = list(reversed(children.get(OUTSIDE, [])))
    while waiting:
        path = waiting.pop()
        ordered.append(path)
        waiting.extend(reversed(children.get(path, [])))
    return ordered
