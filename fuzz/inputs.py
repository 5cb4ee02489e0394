"""Makes inputs for readers: bytes that were mutated, and records that no program ever wrote."""

from __future__ import annotations

import types
import typing
from collections.abc import Sequence
from functools import cache
from random import Random
from typing import Any

import msgspec

from fwmemtrace.records import PhaseBegin, PhaseEnd, Record, SessionBegin, TracePart, kinds
from fwmemtrace.tracefile.encode import frame, header

_EDGES = (0, 1, 2, 3, 7, 100, 255, 4096, 10**6, 10**9, 2**31, 2**32, 2**40, 2**62, 2**63, 2**64 - 1, -1, -2, -(2**63))
_TEXTS = (
    "", "a", "a/b", "\\", "/", "torch", "begin", "end", "memray", "resident", "kernel", "module", "file", "x.py", "ok",
    "\x1b[31m", "a\nb", "\u202e", "[/]", "[red]", "<b>", "</script>", "`|`", "\0", "naïve", "日本", "cycle",
)  # fmt: skip
_BYTES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\x90\x00", b"\x01\x00\x00\x00", b"\xff\xff\xff\xff", b"\x00" * 8)


def mutated(data: bytes, random: Random) -> bytes:
    """Return bytes with a few of them changed, left out, repeated, or others put in between."""
    changed = bytearray(data)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        at = random.randrange(len(changed) + 1)
        until = min(len(changed), at + random.choice((1, 1, 2, 4, 8, 64)))
        match random.randrange(6):
            case 0:
                changed[at:until] = random.randbytes(until - at)
            case 1:
                del changed[at:until]
            case 2:
                changed[at:at] = changed[at:until]
            case 3:
                changed[at:at] = random.choice(_BYTES)
            case 4:
                changed[at:until] = random.choice(_BYTES)
            case 5 if at < len(changed):
                changed[at] ^= 1 << random.randrange(8)
    return bytes(changed)


def records(random: Random) -> list[Record]:
    """Return records of all kinds with fields of the right types and little sense, after the start of a session."""
    made: list[Record] = []
    if random.random() < 0.95:
        made.append(_record(SessionBegin, random))
    choices: Sequence[type[Record]] = list(kinds().values())
    few = random.sample(choices, random.randrange(1, 6))
    count = random.choice((0, 3, 10, 40))
    return [*made, *(_record(random.choice((PhaseBegin, PhaseEnd, *few)), random) for _ in range(count))]


def trace(made: Sequence[Record]) -> bytes:
    """Return records as the bytes of a trace file."""
    return header(7) + b"".join(map(frame, made))


def session_in_parts() -> SessionBegin:
    """Return the start of the session whose parts `part` makes."""
    return SessionBegin(1, "parts", 7, 1, "0", "3.11", "linux", [], 0, 0, 1, 1, "kernel", ["resident"], {})


def part(random: Random) -> bytes:
    """Return a further part of a trace, with figures of little sense in its first record."""
    number = random.choice((2, 2, 3, 1, *_EDGES[-4:]))
    begin = TracePart("parts", 7, 0, number, *(random.choice(_EDGES) for _ in range(4)))
    return trace([begin, *records(random)[1:]])


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return {name: hint for name, hint in typing.get_type_hints(kind).items() if name in kind.__struct_fields__}


def _record(kind: Any, random: Random) -> Any:
    return kind(**{name: _value(hint, random, name) for name, hint in _hints(kind).items()})


def _value(hint: Any, random: Random, name: str = "") -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _value(random.choice(arguments), random)
    if origin is list:
        return [_value(arguments[0], random, name) for _ in range(random.choice((0, 1, 2, 5)))]
    if origin is tuple:
        return tuple(_value(one, random) for one in arguments)
    if origin is dict:
        return {_value(arguments[0], random): _value(arguments[1], random) for _ in range(random.choice((0, 1, 3)))}
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _record(hint, random)
    if hint is int and name in ("span", "parent", "stack", "reading", "rows_of"):
        return random.randrange(8)
    if hint is int:
        return random.choice(_EDGES) if random.random() < 0.3 else random.randrange(10 ** random.randrange(1, 12))
    if hint is float:
        return random.choice((0.0, -1.5, 1e308, float("nan"), float("inf")))
    if hint is str:
        return _text(name, random)
    return {bool: random.random() < 0.5, bytes: random.randbytes(random.randrange(20)), type(None): None}[hint]


def _text(name: str, random: Random) -> str:
    likely = {
        "edge": ("begin", "end"),
        "probes": ("resident", "imports", "mappings", "native", "tensors", "objects", "python_heap", "collector"),
        "category": ("file", "native heap", "python heap", "stack", "anonymous", "unknown"),
        "root": ("module", "cycle", "unseen", ""),
        "purpose": ("resident", "native", "python", "use", "together", "variant", "deferred", "arenas"),
        "outcome": ("ok", "raised", "timed out", "killed", "out of memory", "left"),
        "component": ("a", "b", ""),
        "peak_source": ("kernel", "sampled"),
    }
    if name in likely and random.random() < 0.9:
        return random.choice(likely[name])
    return random.choice(_TEXTS)
