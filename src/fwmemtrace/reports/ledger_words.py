"""The ledger's categories and owners in the words of reports. Its own are keys, which stay as they are."""

from __future__ import annotations

from .blocks import Bytes, Code, Sentence

UNEXPLAINED = "unexplained"

_CATEGORIES = {
    "file": "file-backed",
    "model file": "model weights",
    "shared memory": "shared memory",
    "device": "device memory",
    "native heap": "native heap",
    "allocator free": "freed, not returned to the OS",
    "python heap": "Python heap",
    "thread stacks": "thread stacks",
    "named memory": "named memory",
    "tracer": "profiler overhead",
    "kernel counter": "RSS counter less smaps",
}
_OWNERS = {
    ("native heap", "malloc"): "malloc: in use",
    ("native heap", "malloc, large blocks"): "malloc: in use, large blocks",
    ("native heap", "malloc, other"): "malloc: in use, other callers",
    ("allocator free", "malloc"): "malloc: freed, not returned to the OS",
    ("allocator free", "Python's arenas"): "Python heap: free in arenas",
    ("python heap", "objects in arenas"): "Python heap: objects",
    ("thread stacks", "main thread"): "thread stacks: main thread",
    ("thread stacks", "threads"): "thread stacks: other threads",
    ("thread stacks", "Python frames"): "thread stacks: Python frames",
    ("tracer", "tracemalloc"): "profiler overhead: tracemalloc",
    ("tracer", "at the edges of phases"): "profiler overhead: at phase boundaries",
    ("kernel counter", "less what smaps adds up to"): "RSS counter less smaps",
}


def category_words(category: str) -> str:
    """Returns what a category is called.

    >>> category_words("tracer")
    'profiler overhead'
    """
    return _CATEGORIES.get(category, category)


def ledger_words(category: str, owner: str) -> Sentence:
    """Returns what an item of a ledger is called.

    >>> from fwmemtrace.reports.blocks import plain
    >>> plain(ledger_words("file", "torch")), plain(ledger_words("allocator free", "malloc"))
    ('file-backed: torch', 'malloc: freed, not returned to the OS')
    """
    known = _OWNERS.get((category, owner))
    if known is not None:
        return known
    if not owner or owner == category:
        return category_words(category)
    if category == "allocator free":
        return [Code(owner), f": {category_words(category)}"]
    return [f"{category_words(category)}: ", Code(owner)]


def unread_words(unread: int, calls: int) -> str:
    """Returns what the change over calls that were not read is called.

    >>> unread_words(59, 61), unread_words(1, 1)
    ('not read: 59 of 61 calls', 'not read: 1 of 1 call')
    """
    return f"not read: {unread} of {calls} {'call' if calls == 1 else 'calls'}"


def private_words(private: Bytes) -> Sentence:
    """Returns the sentence about memory that became private although RSS did not rise by as much.

    >>> from fwmemtrace.reports.blocks import plain
    >>> plain(private_words(Bytes(156_000_000)))
    'Private memory grew by 156.0 MB: pages shared with other processes were copied when this process wrote to them.'
    """
    return [
        "Private memory grew by ",
        private,
        ": pages shared with other processes were copied when this process wrote to them.",
    ]


def spanned_words(spanned: int, calls: int) -> str:
    """Returns how the change over calls was split that have no reading of their own.

    >>> spanned_words(56, 60)
    '56 of the 60 calls had no reading of their own; their change is split as between the readings around them.'
    """
    their = "reading of its own; its" if spanned == 1 else "reading of their own; their"
    around = "it" if spanned == 1 else "them"
    return f"{spanned} of the {calls} calls had no {their} change is split as between the readings around {around}."
