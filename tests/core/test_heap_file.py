"""The reader of the sampled heap's tables: lines, intervals, damage."""

from __future__ import annotations

import dis
import math
import random
import struct
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fwmemtrace.capture import heap_file, stacks
from fwmemtrace.capture.heap_rows import read_heap
from fwmemtrace.capture.intervals import bounds_of_share, bounds_of_sum
from fwmemtrace.errors import CaptureError

HEADER = struct.calcsize("=8sIIIIQQQQQQQddQQ")


def entry(kind: int, fixed: bytes, text: bytes = b"") -> bytes:
    size = (8 + len(fixed) + len(text) + 7) & ~7
    return (struct.pack("=IHH", size, kind, 0) + fixed + text).ljust(size, b"\0")


def tables(entries: bytes, used: int | None = None) -> bytes:
    used = HEADER + len(entries) if used is None else used
    head = struct.pack(
        "=8sIIIIQQQQQQQddQQ", b"fwmheap\n", 1, 0x01020304, 7, 0, used, 0, 1, 0, 0, 0, 0, 1000.0, 1000.0, 1, 0
    )
    return head + entries


def a_heap() -> bytes:
    """A phase `a` with one live block of 300 bytes, which stands for 1,100 of 2,200."""
    phase = entry(
        3, struct.pack("=IIQddddddQIIII", 0, 1, 2200, 2200.0, 2e6, 1100.0, 1e6, 1100.0, 1e6, 2, 0, 1, 1, 0), b"a"
    )
    code = entry(1, struct.pack("=IiQQHHI", 0, 10, 1, 2, 4, 4, 0), b"loadf.py")
    number = [HEADER // 8, (HEADER + len(phase)) // 8, (HEADER + len(phase) + len(code)) // 8]
    site = entry(
        2,
        struct.pack("=IIQQIIdddQII", 0, number[0], 5, 0, 2, 1, 1100.0, 0.0, 2200.0, 2, 0, 0),
        struct.pack("=Q", number[1] << 32),
    )
    block = entry(5, struct.pack("=QQddIIIIII", 4096, 300, 1100.0, 1e6, number[2], 9, 0, 2, 1, 0) + bytes(56))
    return tables(phase + code + site + block)


def test_a_heap_is_read():
    heap = read_heap(a_heap(), "x").rows["a",]
    assert (heap.live_bytes, heap.allocated_bytes, heap.samples) == (1100, 2200, 2)
    assert [(frame.function, frame.file, frame.line) for frame in heap.top[0].stack] == [("load", "f.py", 10)]
    assert (heap.top[0].library, heap.top[0].at_peak_bytes) == ("CPython", 1100)
    assert 300 <= heap.live_low_bytes < 1100 < heap.live_high_bytes <= 2200


@given(st.integers(0, len(a_heap())), st.binary(max_size=8), st.integers(0, len(a_heap())))
@example(84, bytes(4), 216)
def test_damage_raises_nothing_but_its_own_error(at: int, bytes_: bytes, end: int):
    damaged = bytearray(a_heap())
    damaged[at : at + len(bytes_)] = bytes_
    with suppress(CaptureError):
        read_heap(bytes(damaged[:end]), "x")


def test_what_is_no_heap_is_refused():
    with pytest.raises(CaptureError, match="is not a file of the sampled heap"):
        read_heap(b"fwmtrace" + bytes(200), "x")


@pytest.mark.parametrize("function", [stacks.make_readable, heap_file.HeapFile._read_site, heap_file.line_of, entry])
def test_lines_are_those_of_the_interpreter(function):
    code = function.__code__
    lines = {}
    for (start, end), line in zip(pairs(code), (line for *_, line in code.co_lines()), strict=True):
        lines |= dict.fromkeys(range(start, end, 2), line)
    for instruction in dis.get_instructions(code):
        expected = lines[instruction.offset] or 0
        assert heap_file.line_of(code.co_linetable, code.co_firstlineno, instruction.offset) == expected


def pairs(code):
    return [(start, end) for start, end, _ in code.co_lines()]


@given(st.floats(1, 1e12), st.floats(0, 1e12), st.floats(1, 1e9))
def test_bounds_surround_what_was_estimated(part: float, rest: float, mean: float):
    low, high = bounds_of_share(part, part * mean, rest, rest * mean, mean)
    assert 0 <= low <= part / (part + rest) * (1 + 1e-9)
    assert part / (part + rest) <= high * (1 + 1e-9)
    assert high <= 1
    low, high = bounds_of_sum(part, part * mean, mean)
    assert low <= part * (1 + 1e-9) <= high * (1 + 1e-6)


def test_the_interval_holds_as_often_as_it_says():
    """1,000 drawn heaps, most with few samples: the bounds of the live bytes contain the truth in 93% or more."""
    draw = random.Random(1)
    mean, held = 512 * 1024, 0
    for _ in range(1000):
        size = int(draw.choice([200, 5000, 100_000, 800_000]))
        live, freed = int(draw.uniform(1, 40) * 1e6 / size) + 1, int(draw.uniform(0, 200) * 1e6 / size)
        chance = -math.expm1(-size / mean)
        weight = size / chance
        variance = weight * weight * (1 - chance)
        kept, gone = binomial(draw, live, chance), binomial(draw, freed, chance)
        low, high = bounds_of_share(kept * weight, kept * variance, gone * weight, gone * variance, mean)
        held += low * (live + freed) <= live <= high * (live + freed)
    assert held >= 930


def binomial(draw: random.Random, count: int, chance: float) -> int:
    """Draw how many of `count` blocks are samples, by the gaps between them."""
    found, at = 0, 0.0
    while True:
        at += math.floor(math.log(1 - draw.random()) / math.log1p(-chance)) + 1
        if at > count:
            return found
        found += 1
