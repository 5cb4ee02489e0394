"""Results of the probe `tensors`: live tensors and arrays, by kind and by owner."""

from __future__ import annotations

from .base import Result


class TensorGroup(Result, kw_only=True):
    """All storages of one kind."""

    library: str  # "torch", "numpy" or "python"
    dtype: str  # element type
    device: str  # such as "cpu" or "cuda:0"
    role: str  # "parameter", "buffer", "gradient", "optimizer" or "other"
    backing: str  # "private", "file" (mapped from one) or "shared" (with other processes)
    count: int  # number of storages
    size_bytes: int  # their size
    delta_bytes: int  # change over the calls of the phase


class TensorStorage(Result, kw_only=True):
    """One of the largest storages."""

    owner: str  # path in the owning module, such as "encoder.layer.3.weight"; "" if no live module owns it
    model: str  # class of the outermost owning module
    library: str  # "torch", "numpy" or "python"
    dtype: str  # element type
    device: str  # such as "cpu" or "cuda:0"
    role: str  # as in `TensorGroup`
    backing: str  # as in `TensorGroup`
    shape: list[int]  # of the tensor
    size_bytes: int  # of the storage
    aliases: list[str] = []  # other owners of the same storage: tied weights


class Accelerator(Result, kw_only=True):
    """The allocator of one accelerator, as torch reports it."""

    device: str  # such as "cuda:0"
    allocated_bytes: int  # in use by tensors
    delta_allocated_bytes: int  # change over the calls of the phase
    reserved_bytes: int  # held by the allocator
    peak_allocated_bytes: int  # peak since the process began or last reset it


class Tensors(Result, kw_only=True):
    """Live tensors and arrays when the latest call of a phase ended, each storage counted once."""

    live_bytes: int  # in this process's memory; `groups` and `accelerators` also have what is on accelerators
    delta_bytes: int  # change over the calls of the phase
    by_dtype: dict[str, int]  # live bytes by element type
    file_backed_bytes: int  # part of `live_bytes`: mapped from files
    storages: int = 0  # number of storages
    calls: int = 0  # calls of the phase with a census
    by_role: dict[str, int] = {}  # live bytes by role
    groups: list[TensorGroup] = []  # all kinds, the largest first
    top: list[TensorStorage] = []  # the largest storages
    accelerators: list[Accelerator] = []  # devices that the program has initialised
