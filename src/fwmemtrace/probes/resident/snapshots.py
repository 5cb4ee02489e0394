"""Snapshots on demand: where every thread is, what the Python heap consists of, and which lines allocated the most."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from itertools import dropwhile, islice
from time import perf_counter_ns

from ...heap.census import take_census
from ...records import Note, Snapshot, ThreadStack
from ...system.thread_frames import current_frames
from ...units import format_bytes
from ..base import ProbeContext
from .stacks import OURS, line_of, stack_of

_DEEPEST = 30
_SHOWN = 5
# A census needs memory and time for each object: it is left out where it might itself be the end of the process.
_BYTES_FOR_EACH = 200
_MOST_BLOCKS = 3_000_000


def take(context: ProbeContext, reason: str, limit_bytes: int | None) -> None:
    """Write a snapshot into the trace: first what costs nothing, then the census.

    Args:
        context: of the probe.
        reason: why it is taken.
        limit_bytes: the limit in force, if that is the reason.
    """
    reason = context.redact(reason)
    rss = context.meter.rss()
    threads = _threads(context.redact)
    context.emit(Snapshot(perf_counter_ns(), reason, rss, limit_bytes, threads))
    where = "; ".join(f"{thread.name} in {_place(thread)}" for thread in threads[:_SHOWN] if thread.frames)
    context.emit(Note(perf_counter_ns(), "snapshot", f"{reason}: RSS {format_bytes(rss)}; {where}"))
    blocks = sys.getallocatedblocks()
    # A limit that RSS has passed is a budget, which nothing enforces.
    room = None if limit_bytes is None or limit_bytes <= rss else limit_bytes - rss
    if blocks > _MOST_BLOCKS or (room is not None and blocks * _BYTES_FOR_EACH > room):
        context.emit(Note(perf_counter_ns(), "snapshot", f"no census: {blocks:,} blocks are too many for it here"))
        return
    largest = sorted(take_census().items(), key=lambda item: -item[1][1])[:_SHOWN]
    types = ", ".join(f"{kind} {format_bytes(size)} in {count:,}" for kind, (count, size) in largest)
    context.emit(Note(perf_counter_ns(), "snapshot", f"largest types: {types}"))
    _take_allocations(context)


def _take_allocations(context: ProbeContext) -> None:
    """Note the lines that allocated the most, if the program or a probe has switched tracemalloc on."""
    tracemalloc = sys.modules.get("_tracemalloc")
    if tracemalloc is None or not tracemalloc.is_tracing():
        return
    from ..python_heap.fold import fold_heap

    by_line: dict[tuple[str, int], list[int]] = {}
    for stack, (size, count) in fold_heap().items():
        if OURS not in stack[0][0]:
            known = by_line.setdefault(stack[0], [0, 0])
            known[0] += size
            known[1] += count
    largest = sorted(by_line.items(), key=lambda item: -item[1][0])[:_SHOWN]
    shown = ", ".join(f"{file}:{line} {format_bytes(size)} in {count:,}" for (file, line), (size, count) in largest)
    context.emit(Note(perf_counter_ns(), "snapshot", f"largest allocations: {shown}"))


def _threads(redact: Callable[[str], str]) -> list[ThreadStack]:
    """Return where all threads of the program are, without frames of the tracer's that are innermost."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    found = []
    for ident, frame in current_frames().items():
        inside = dropwhile(lambda step: step[0].co_filename.startswith(OURS), stack_of(frame).frames())
        frames = [(code.co_qualname, code.co_filename, line_of(code, at)) for code, at in islice(inside, _DEEPEST)]
        if frames:  # else it is a thread of the tracer's
            found.append(ThreadStack(redact(names.get(ident, str(ident))), frames))
    main = redact(threading.main_thread().name)
    return sorted(found, key=lambda thread: thread.name != main)


def _place(thread: ThreadStack) -> str:
    return " < ".join(f"{function} ({file.rpartition('/')[2]}:{line})" for function, file, line in thread.frames[:3])
