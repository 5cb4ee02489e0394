"""The messages between a process that wants a capture read and the one that reads it; see `isolated`.

A message is its length, a letter that says what it is, and a payload of MessagePack. Nothing in it is executed.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO, TypeAlias

import msgspec

from .. import results
from ..paths import PhasePath
from .largest import LargestStacks
from .native_records import StackKey
from .rows import CaptureSummary

_HEAD = struct.Struct("<Ic")
VALUE, ERROR, PROGRESS, RUNS = b"v", b"e", b"p", b"r"  # what the reading process sends; the other one sends requests
_encode = msgspec.msgpack.Encoder().encode


class Opened(msgspec.Struct, array_like=True):
    """What is known of a capture when it is open; see `CaptureFile`."""

    native: bool
    records: int
    pid: int
    command: str
    started_unix_ns: int
    wall_ns: int


class Request(msgspec.Struct, array_like=True):
    """What the reading process shall do: one of its methods, and the arguments."""

    method: str
    path: bytes = b""
    other_builds: list[str] = []
    flag: bool = False
    number: int = 0
    key: StackKey = 0


class Runs(msgspec.Struct, array_like=True):
    """Runs of phases that have ended, as `thread_phases.RunEnded` takes them."""

    new_paths: list[PhasePath]  # that later messages refer to by number, in the order in which they came
    ended: list[tuple[int, int, int]]  # the number of the path, bytes held by all its runs, and by this one


# The fields of a `StackSample` but for the number of the phase, and the key of the stack at the end.
SampleRow: TypeAlias = tuple[int, bool, int, int, int, int, int | None, int, StackKey]


class Samples(msgspec.Struct, array_like=True):
    """Some of the samples of a capture; none at the end."""

    new_paths: list[PhasePath]
    rows: list[SampleRow]


REQUEST = msgspec.msgpack.Decoder(Request)
OPENED = msgspec.msgpack.Decoder(Opened)
SUMMARY = msgspec.msgpack.Decoder(CaptureSummary)
READINGS = msgspec.msgpack.Decoder(list[int])
SAMPLES = msgspec.msgpack.Decoder(Samples)
LARGEST = msgspec.msgpack.Decoder(LargestStacks)
STACK = msgspec.msgpack.Decoder(tuple[results.Frame, ...])
COUNTS = msgspec.msgpack.Decoder(tuple[int, int])
ENDED = msgspec.msgpack.Decoder(Runs)
NOTHING = msgspec.msgpack.Decoder(None)
TEXT = msgspec.msgpack.Decoder(str)


def send(pipe: BinaryIO, kind: bytes, value: Any) -> None:
    """Write a message."""
    payload = _encode(value)
    pipe.write(_HEAD.pack(len(payload), kind) + payload)
    pipe.flush()


def receive(pipe: BinaryIO) -> tuple[bytes, bytes] | None:
    """Read a message; None if the other process has ended."""
    head = pipe.read(_HEAD.size)
    if len(head) < _HEAD.size:
        return None
    length, kind = _HEAD.unpack(head)
    payload = pipe.read(length)
    return (kind, payload) if len(payload) == length else None
