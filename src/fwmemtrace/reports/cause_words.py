"""What RSS at the peak came from, as sentences: how much it is, which code made it, and whether it stayed."""

from __future__ import annotations

from .. import results
from ..analysis.causes import is_own_phase
from ..analysis.joint_causes import is_named
from ..analysis.rss_breakdown import UNEXPLAINED
from .blocks import Bytes, Code, Count, Duration, Inline, enumerate_words
from .sites import short

_PACKAGES = 3  # that are named of the imports of one line
_PARTS = 3  # that are named of a cause
_LINES = 3  # that are named of all imports
_ALL = 0.8  # of the imports: one line stands for all of them
_MIN_PACKAGE = 0.03  # of its line, or of a line of all imports
_STAYED, _GONE = 0.9, 0.1
_AT_ONCE_NS = 20_000_000

_MEMORY = {
    ("native heap", "malloc, large blocks"): "large native blocks",
    ("native heap", "malloc"): "native blocks",
    ("native heap", "malloc, other"): "native blocks",
    ("python heap", "objects in arenas"): "Python objects",
    ("allocator free", "malloc"): "free memory that malloc keeps",
    ("allocator free", "Python's arenas"): "free memory in Python's arenas",
}
_CATEGORIES = {
    "file": "file pages of",
    "model file": "mapped weights of",
    "shared memory": "shared memory of",
    "device": "mapped memory of",
    "native heap": "native blocks of",
    "allocator free": "free memory that is kept by",
    "thread stacks": "stacks of",
    "named memory": "memory named",
}


def first_cause(cause: results.Cause, peak_bytes: int, *, stayed_known: bool) -> list[Inline]:
    """Returns the sentence about the largest cause.

    Args:
        cause: the cause.
        peak_bytes: the peak RSS.
        stayed_known: whether the session was closed, so that what is there at the end can be called so.
    """
    return [Bytes(cause.bytes), " of the ", Bytes(peak_bytes), " ", *_listed(cause, stayed_known=stayed_known)]


def another_cause(cause: results.Cause, *, stayed_known: bool) -> list[Inline]:
    """Returns the sentence about the next cause."""
    return ["Another ", Bytes(cause.bytes), " ", *_listed(cause, stayed_known=stayed_known)]


def cause_at_end(cause: results.Cause, end_bytes: int) -> list[Inline]:
    """Returns the sentence about a cause of which most came after the peak."""
    kept = Bytes(cause.kept_bytes or 0)
    return ["At the end, ", kept, " of the ", Bytes(end_bytes), " ", *_listed(cause, stayed_known=False)]


def cause_name(cause: results.Cause) -> list[Inline]:
    """Returns what a cause is, as a noun."""
    match cause.kind:
        case "imports":
            first = cause.imports[0].nearest_own if cause.imports else None
            one_line = first is not None and cause.imports[0].bytes >= _ALL * cause.bytes
            return ["the imports of ", Code(first.module)] if one_line and first is not None else ["the imports"]
        case "code" if cause.location is not None:
            return ["what ", *location_words(cause.location), " allocated"]
        case "code":
            return ["what ", Code(cause.package), " allocated"]
        case "phase":
            return ["what came in ", Code(cause.path)]
        case _:
            return _memory(cause) or ["the interpreter"]


def cause_source(cause: results.Cause) -> list[Inline]:
    """Returns where a cause came from, as the rest of a sentence about its bytes."""
    match cause.kind:
        case "imports":
            return [" are imports"]
        case "code":
            return [" ", *_made(cause)]
        case "phase":
            return [" came in ", Code(cause.path)]
        case _:
            return [" are ", *(_memory(cause) or ["the interpreter"])]


def location_words(frame: results.Frame) -> list[Inline]:
    """Returns a function and its line; only the line where the name says nothing."""
    place = f"{short(frame.file)}:{frame.line}"
    return [Code(frame.function), " (", Code(place), ")"] if is_named(frame.function) else [Code(place)]


def _listed(cause: results.Cause, *, stayed_known: bool) -> list[Inline]:
    match cause.kind:
        case "imports":
            return [*_imports(cause), "."]
        case "before session":
            return ["are the interpreter and what it had loaded before the session."]
        case "memory":
            return ["are ", *_memory(cause), "."]
        case "phase":
            memory = _memory(cause)
            return [*(["are ", *memory, " that "] if memory else []), "came in ", Code(cause.path), *_after(cause), "."]
        case "code":
            after = [*_calls(cause), *_threads(cause), *_after(cause)]
            return [*_made(cause), *after, *_parts(cause), *(_stay(cause) if stayed_known else []), "."]


def _made(cause: results.Cause) -> list[Inline]:
    memory = _memory(cause)
    through: list[Inline] = [" through ", Code(cause.package)] if cause.package else []
    if cause.location is None:
        by: list[Inline] = [Code(cause.package)]
        through = []
    else:
        by = location_words(cause.location)
    if memory:
        return ["are ", *memory, " that ", *by, " made", *through]
    return ["came while ", *by, " ran", *through]


def _memory(cause: results.Cause) -> list[Inline]:
    """The kind of memory in the plural; nothing if it is mixed or not known."""
    if cause.tensors:
        return ["tensors of ", Code(cause.tensors)]
    return _kind(cause.category, cause.owner)


def _kind(category: str, owner: str) -> list[Inline]:
    if category == UNEXPLAINED:
        return ["anonymous mappings, not malloc's,"]
    if not owner:
        return [category] if category else []
    known = _MEMORY.get((category, owner))
    return [known] if known else [f"{_CATEGORIES.get(category, category)} ", Code(owner)]


def _calls(cause: results.Cause) -> list[Inline]:
    if cause.calls == 1:
        return [" in one call of ", Code(cause.path)]
    if cause.calls > 1:
        return [" in ", Count(cause.calls), " calls of ", Code(cause.path)]
    return [" at once"] if cause.duration_ns < _AT_ONCE_NS else [" over ", Duration(cause.duration_ns)]


def _parts(cause: results.Cause) -> list[Inline]:
    shown = [[Bytes(part.bytes), *_part_place(part.location, cause.location)] for part in cause.parts[:_PARTS]]
    rest = len(cause.parts) - len(shown)
    if rest > 0:
        shown.append([f"{rest} more"])
    return [": ", *enumerate_words(shown)] if shown else []


def _part_place(part: results.Frame, whole: results.Frame | None) -> list[Inline]:
    same = whole is not None and (part.file, part.function) == (whole.file, whole.function)
    if same or not is_named(part.function):
        return [" at ", Code(f"{short(part.file)}:{part.line}")]
    return [" in ", *location_words(part)]


def _threads(cause: results.Cause) -> list[Inline]:
    return [" in ", Count(cause.threads), " threads that have not ended"] if cause.threads else []


def _after(cause: results.Cause) -> list[Inline]:
    words: list[Inline] = []
    if cause.bytes_per_call is not None:
        words += [", ", Bytes(cause.bytes_per_call), " more with each call"]
    holder = cause.held_by
    if holder is not None and holder.root == "module" and holder.chain:
        link = holder.chain[1].link if len(holder.chain) > 1 else ""
        words += [", held by ", Code(f"{holder.chain[0].name}{link}")]
    return words


def _stay(cause: results.Cause) -> list[Inline]:
    kept = cause.kept_bytes
    if kept is None or cause.bytes <= 0:
        return []
    if kept >= _STAYED * cause.bytes:
        return ["; they stayed" if _memory(cause) else "; it stayed"]
    if kept <= _GONE * cause.bytes:
        return ["; they were freed later" if _memory(cause) else "; it was freed later"]
    kind = _kind(cause.kept_category, cause.kept_owner)
    return ["; ", Bytes(kept), " of that stayed", *([" as ", *kind] if kind else [])]


def _imports(cause: results.Cause) -> list[Inline]:
    largest = cause.imports[0]
    own = largest.nearest_own
    if own is not None and largest.bytes >= _ALL * cause.bytes:
        where: list[Inline] = [" in ", Code(cause.path)] if is_own_phase(cause.path) else []
        line = Code(f"{short(own.file)}:{own.line}")
        return ["are imports of ", Code(own.module), *where, " (", line, "): ", *_packages(largest, _PACKAGES)]
    shown = [line for line in cause.imports[:_LINES] if line.bytes >= _MIN_PACKAGE * cause.bytes]
    listed: list[list[Inline]] = []
    for one in shown:
        own = one.nearest_own
        if own is None:
            listed.append(_packages(one, 2))
        else:
            line = Code(f"{short(own.file)}:{own.line}")
            listed.append([Bytes(one.bytes), " of ", Code(own.module), " (", line, ": ", *_packages(one, 3), ")"])
    rest = len(cause.imports) - len(shown)
    if rest > 0:
        listed.append([f"{rest} more" if rest > 1 else "1 more"])
    return ["are imports: ", *enumerate_words(listed)]


def _packages(line: results.ImportedPackages, most: int) -> list[Inline]:
    """The largest packages: `torch 223.0 MB, scipy 58.1 MB, sympy 30.0 MB and 9 more`."""
    large = [(name, size) for name, size in line.packages.items() if size >= _MIN_PACKAGE * line.bytes][:most]
    words: list[Inline] = []
    for number, (name, size) in enumerate(large):
        words += [", " if number else "", Code(name), " ", Bytes(size)]
    rest = len(line.packages) - len(large)
    if rest:
        words.append(f" and {rest} more")
    return words
