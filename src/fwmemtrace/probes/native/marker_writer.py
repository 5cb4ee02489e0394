"""Leaves markers in a memray capture: which run of which phase each thread is in, and since when.

A marker takes about a microsecond while a tracker runs, and half of that without one. What the reader of captures takes
each thread to be in is tracked here by the same rules, so that a marker is left only where the reader would be wrong.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from itertools import count
from types import CodeType, FunctionType
from typing import Any, TypeAlias

from ...capture import markers
from ...paths import OUTSIDE, PhasePath, write
from ...tracing.phases import MOST_PATHS
from ...tracing.span import Span

Leave: TypeAlias = Callable[[int], object]

# Each name of a marker is a code object of about half a kilobyte, kept as long as a tracker may refer to it. Once there
# are this many, further phases have their paths spelled out, half a byte in each marker.
MAX_NAMES = 4 * MOST_PATHS  # a path has three, and "own" and the like are few
# Trackers of other tools may outlive the session, and their captures refer to the names of markers.
_kept: list[Leave] = []


def _by_malloc(size: int) -> None:
    b"\0" * size


_mmap: Any = None  # for the type checker: the function below runs with globals of its own


def _by_mmap(size: int) -> None:
    _mmap(-1, size).close()


def _template() -> tuple[CodeType, dict[str, Any], int]:
    """Return the code that leaves a marker here, its globals, and by how much a block is larger than its argument."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        # A free-threaded build would take the block from mimalloc, which memray does not see.
        from mmap import mmap

        return _by_mmap.__code__, {"_mmap": mmap}, 0
    return _by_malloc.__code__, {}, sys.getsizeof(b"")


class _Thread(threading.local):
    """What the reader takes the calling thread to be in; the run is None where it has no phase of its own."""

    run: MarkedRun | None = None
    in_overhead: bool = False


class _Node:
    """The path of a phase, and the markers that name it."""

    __slots__ = ("children", "free", "lasting", "markers", "path", "slots")

    def __init__(self, path: PhasePath) -> None:
        self.path = path
        self.lasting = True
        self.children: dict[str, _Node] = {}
        self.free: list[int] = []
        self.slots = count()
        self.markers: dict[int, tuple[Leave, Leave, Leave]] = {}  # begin, end, switch by the high part of the slot


class MarkedRun:
    """One run of a phase, with the markers that tell the reader about it."""

    __slots__ = ("begin", "end", "node", "open", "outer", "size", "slot", "switch")

    # `MarkerWriter.begin` sets all of them, because a constructor's call would cost every phase.
    node: _Node
    slot: int
    size: int  # argument of the markers that encodes the low part of the slot
    open: bool
    outer: MarkedRun | None  # what its thread was in before
    begin: Leave
    end: Leave
    switch: Leave


class MarkerWriter:
    """Leaves the markers of one process.

    Args:
        keep: whether to keep the names for good, because another tool's tracker refers to them.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._code, self._globals, less = _template()
        self._keep = keep
        self._thread = _Thread()
        self._roots: dict[str, _Node] = {}
        self._nodes: dict[PhasePath, _Node] = {}
        self._overflow = _Node(OUTSIDE)  # has the slots of all phases beyond the number of names
        self._runs: dict[int, MarkedRun] = {}  # by span
        self._names: dict[str, Leave] = {}
        self._first = markers.SMALLEST - less
        self._home = self._named("home")
        self._away = self._named("away")

    def leave(self, word: str, text: str | None = None) -> None:
        """Leave a marker that is not about a phase, such as "own"."""
        name = markers.name_of(word, text)
        leave = self._names.get(name)
        if leave is None:
            if self.room:
                leave = self._names[name] = self._named(word, text)
            else:
                leave = self._spelled(word, text or "", 0)
        leave(self._first)

    @property
    def room(self) -> bool:
        """Whether more names may be made."""
        return len(self._names) < MAX_NAMES and len(self._nodes) < MAX_NAMES

    def begin(self, span: Span) -> None:
        """Leave the marker of a span that begins in this thread."""
        parent, name = span.parent, span.phase.name
        children = self._roots
        if parent is not None:
            around = self._runs.get(parent.id)
            children = self._at(parent.path).children if around is None else around.node.children
        node = children.get(name)
        if node is None:
            node = self._at(span.path)
            if node.lasting:
                children[name] = node
        try:
            slot = node.free.pop()
        except IndexError:
            slot = next(node.slots)
        run = MarkedRun()
        run.node = node
        run.slot = slot
        run.size = self._first + slot % markers.SIZES
        run.begin, run.end, run.switch = node.markers.get(slot // markers.SIZES) or self._for_slot(node, slot)
        run.open = True
        thread = self._thread
        run.outer = _innermost(thread.run)
        self._runs[span.id] = run
        run.begin(run.size)
        thread.run = run
        thread.in_overhead = False

    def end(self, span: Span, current: Span | None) -> None:
        """Leave the marker of a span that ended in this thread, which is inside `current` now."""
        run = self._runs.pop(span.id, None)
        if run is None:
            return
        run.end(run.size)
        run.open = False
        run.node.free.append(run.slot)
        self.switch(current)

    def switch(self, span: Span | None) -> None:
        """Leave a marker, where one is needed, that this thread continues inside an earlier span, or in none."""
        runs = self._runs
        target = None
        while span is not None:
            target = runs.get(span.id)
            if target is not None:
                break
            span = span.parent
        thread = self._thread
        now = thread.run
        if now is not None and not now.open:
            now = _innermost(now)
        if now is target and not thread.in_overhead:
            return
        thread.run = target
        thread.in_overhead = False
        if target is None:
            self._home(self._first)
        else:
            target.switch(target.size)

    def begin_overhead(self) -> None:
        """Leave the marker that this thread does the tracer's own work until its next marker."""
        self._thread.in_overhead = True
        self._thread.run = None
        self._away(self._first)

    def _at(self, path: PhasePath) -> _Node:
        node = self._nodes.get(path)
        if node is None:
            node = _Node(path)
            if self.room:
                self._nodes[path] = node
            else:  # it goes with its run, so that a program with a new name for each request does not run out of memory
                node.lasting = False
                node.free, node.slots = self._overflow.free, self._overflow.slots
        return node

    def _for_slot(self, node: _Node, slot: int) -> tuple[Leave, Leave, Leave]:
        high = slot // markers.SIZES
        begin, end, switch = (self._about(word, write(node.path), high) for word in ("begin", "end", "switch"))
        node.markers[high] = begin, end, switch
        return begin, end, switch

    def _about(self, word: str, path: str, high: int) -> Leave:
        name = markers.name_of(word, path, high)
        leave = self._names.get(name)
        if leave is None:
            if not self.room:
                return self._spelled(word, path, high)
            leave = self._names[name] = self._named(word, path, high)
        return leave

    def _spelled(self, word: str, path: str, high: int) -> Leave:
        name = markers.name_of(word, None, high)
        last = self._names.setdefault(name, self._named(word, None, high))
        spell = self._names.setdefault("spell", self._named("spell"))
        sizes = [
            self._first + half for byte in path.encode("utf-8", "surrogatepass") for half in (byte >> 4, byte & 15)
        ]

        def leave(size: int) -> None:
            for half in sizes:
                spell(half)
            last(size)

        return leave

    def _named(self, word: str, text: str | None = None, high: int = 0) -> Leave:
        name = markers.name_of(word, text, high)
        code = self._code.replace(co_name=name, co_qualname=name, co_filename=markers.FILE)
        leave = FunctionType(code, self._globals)
        if self._keep:
            _kept.append(leave)
        return leave


def _innermost(run: MarkedRun | None) -> MarkedRun | None:
    while run is not None and not run.open:
        run = run.outer
    return run
