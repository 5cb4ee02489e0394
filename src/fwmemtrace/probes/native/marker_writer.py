"""Leaves marks in a memray capture: which run of which phase each thread is in, from when on.

A mark costs about a microsecond with a tracker running, and half of one without. What each thread was last marked as is
kept here by the very rules that the reader of captures goes by, so that a mark is left only where the two would differ.
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

# Each name of a mark is a code object of about half a kilobyte, kept as long as a tracker may refer to it. A program
# with more phases than this many names can hold has its further ones spelled out, half a byte a mark. A path has three.
MOST_NAMES = 4 * MOST_PATHS
# Trackers that are not ours may outlive the session: what was left in their captures must keep its names.
_kept: list[Leave] = []


def _by_malloc(size: int) -> None:
    b"\0" * size


_mmap: Any = None  # found in the function's own globals, where it is set


def _by_mmap(size: int) -> None:
    _mmap(-1, size).close()


def _template() -> tuple[CodeType, dict[str, Any], int]:
    """What leaves a mark here, its globals, and what its argument has to be less than the block's recorded size."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        # A free-threaded build takes the block from mimalloc, which memray does not see.
        from mmap import mmap

        return _by_mmap.__code__, {"_mmap": mmap}, 0
    return _by_malloc.__code__, {}, sys.getsizeof(b"")


class _Thread(threading.local):
    """What the calling thread was last marked as; None: in no phase of its own."""

    run: Run | None = None
    away: bool = False


class _Node:
    """A phase's path, and the marks that name it."""

    __slots__ = ("children", "free", "lasting", "leave", "path", "slots")

    def __init__(self, path: PhasePath) -> None:
        self.path = path
        self.lasting = True
        self.children: dict[str, _Node] = {}
        self.free: list[int] = []
        self.slots = count()
        self.leave: dict[int, tuple[Leave, Leave, Leave]] = {}  # begin, end, switch by the high part of the slot


class Run:
    """One run of a phase, as the capture knows it."""

    __slots__ = ("begin", "end", "node", "open", "outer", "size", "slot", "switch")

    # `MarkerWriter.began` sets all of them: every phase pays for a constructor's call.
    node: _Node
    slot: int
    size: int  # that makes the mark say the slot's low part
    open: bool
    outer: Run | None  # what its thread was marked as before
    begin: Leave
    end: Leave
    switch: Leave


class MarkerWriter:
    """Leaves the marks of one process.

    Args:
        keep: whether the names stay for good, because a tracker that is not ours refers to them.
    """

    def __init__(self, *, keep: bool = False) -> None:
        self._code, self._globals, less = _template()
        self._keep = keep
        self._thread = _Thread()
        self._roots: dict[str, _Node] = {}
        self._nodes: dict[PhasePath, _Node] = {}
        self._passing = _Node(OUTSIDE)  # where phases that there is no room for have their slots
        self._runs: dict[int, Run] = {}
        self._names: dict[str, Leave] = {}
        self._first = markers.SMALLEST - less
        self._home = self._named("home")
        self._away = self._named("away")

    def say(self, word: str, text: str | None = None) -> None:
        """Leave a mark about nothing in particular, such as "own"."""
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
        return len(self._names) < MOST_NAMES and len(self._nodes) < MOST_NAMES

    def began(self, span: Span) -> None:
        """A phase begins in this thread."""
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
        run = Run()
        run.node = node
        run.slot = slot
        run.size = self._first + slot % markers.SIZES
        run.begin, run.end, run.switch = node.leave.get(slot // markers.SIZES) or self._for_slot(node, slot)
        run.open = True
        thread = self._thread
        run.outer = _innermost(thread.run)
        self._runs[span.id] = run
        run.begin(run.size)
        thread.run = run
        thread.away = False

    def ended(self, span: Span, current: Span | None) -> None:
        """A phase ended in this thread, which is inside `current` now."""
        run = self._runs.pop(span.id, None)
        if run is None:
            return
        run.end(run.size)
        run.open = False
        run.node.free.append(run.slot)
        self.mark(current)

    def mark(self, span: Span | None) -> None:
        """This thread goes on inside a phase that began before, or in none."""
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
        if now is target and not thread.away:
            return
        thread.run = target
        thread.away = False
        if target is None:
            self._home(self._first)
        else:
            target.switch(target.size)

    def away(self) -> None:
        """This thread does the tracer's own work until its next mark."""
        self._thread.away = True
        self._thread.run = None
        self._away(self._first)

    def _at(self, path: PhasePath) -> _Node:
        node = self._nodes.get(path)
        if node is None:
            node = _Node(path)
            if self.room:
                self._nodes[path] = node
            else:  # it goes with its run, so that a name for each request cannot fill the memory
                node.lasting = False
                node.free, node.slots = self._passing.free, self._passing.slots
        return node

    def _for_slot(self, node: _Node, slot: int) -> tuple[Leave, Leave, Leave]:
        high = slot // markers.SIZES
        begin, end, switch = (self._about(word, write(node.path), high) for word in ("begin", "end", "switch"))
        node.leave[high] = begin, end, switch
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


def _innermost(run: Run | None) -> Run | None:
    while run is not None and not run.open:
        run = run.outer
    return run
