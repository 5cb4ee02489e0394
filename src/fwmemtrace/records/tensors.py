"""Censuses of tensors, and the memory of accelerators."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from .base import Record


class TensorRow(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Storages that have these properties in common."""

    library: str  # "torch", "numpy" or "python"
    dtype: str
    device: str
    role: str  # "parameter", "buffer", "gradient", "optimizer" or "other"
    backing: str  # "private", "file": mapped from one; "shared": with other processes
    count: int
    size_bytes: int
    delta_bytes: int


class TensorStorage(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One of the largest storages."""

    library: str
    dtype: str
    device: str
    role: str
    backing: str
    owner: str  # such as "encoder.layer.3.weight"; "" if no live module owns it
    model: str  # the class of the outermost module that owns it
    shape: list[int]
    size_bytes: int
    aliases: list[str] = []  # other names of the same storage: tied weights


class TensorCensus(Record, frozen=True, gc=False):
    """The live tensors and arrays at the end of a phase, each storage counted once, and how they changed over it."""

    kind: ClassVar[int] = 31

    span: int
    live_bytes: int  # in the memory of this process: without storages on accelerators and on "meta"
    delta_bytes: int
    file_backed_bytes: int  # of live_bytes
    storages: int
    rows: list[TensorRow]
    top: list[TensorStorage]
    unreadable: int = 0  # tensors that could not be inspected


class AcceleratorMemory(Record, frozen=True, gc=False):
    """The figures of torch's caching allocator of one accelerator at the end of a phase."""

    kind: ClassVar[int] = 32

    span: int
    device: str
    allocated_bytes: int
    delta_allocated_bytes: int
    reserved_bytes: int
    peak_allocated_bytes: int  # since the process began or last reset it
