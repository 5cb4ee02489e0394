"""Censuses of Python objects, and what holds them."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from .base import Record


class ObjectRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The live objects of a type."""

    type: str
    count: int
    size_bytes: int
    delta_count: int
    delta_bytes: int


class ObjectCensus(Record, frozen=True, gc=False):
    """The live Python objects at the end of a phase, and how they changed over it."""

    kind: ClassVar[int] = 8

    span: int
    count: int
    size_bytes: int
    delta_count: int
    delta_bytes: int
    top: list[ObjectRow]


class HolderStep(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """An object in a chain of references."""

    type: str
    link: str  # how the object before it refers to this one, such as ".cache" or "[3]"; "" for the first
    name: str = ""  # of a module, function or class


class ObjectHolder(Record, frozen=True, gc=False):
    """What keeps an object of a growing type alive: the shortest chain of references to it when the session ended."""

    kind: ClassVar[int] = 30

    type: str
    count: int  # live objects of the type then
    delta_count: int  # their growth over the runs of phases, except the first run of each path
    path: str  # of the phase in which they grew most
    root: str  # "module"; "cycle": nothing outside refers to it; "unseen": a local variable or C code; "": not found
    chain: list[HolderStep]  # from the root to the object
    note: str = ""
