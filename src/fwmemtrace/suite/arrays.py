"""Which tensors and arrays live in this process, each storage once, and whose content is there twice.

It looks at torch and numpy only if the program imported them. Residency comes from /proc/self/pagemap (bit 63: present;
bit 61: a page of a file or shared), see the kernel's Documentation/admin-guide/mm/pagemap.rst; without it every byte
counts as resident and private.
"""

from __future__ import annotations

import ctypes
import gc
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any, NamedTuple

from ..heap.local_variables import local_variables
from ..heap.referents import referents
from ..records import SuiteArray, SuiteArrays, SuiteTwin

_PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_WORTH_A_LOOK = 256 * 1024  # twins below this size are not searched for
_SAMPLE = 4096


class _Storage(NamedTuple):
    library: str
    dtype: str
    item_bytes: int
    shape: tuple[int, ...]
    address: int
    bytes: int
    name: str
    parameter: bool


def take_stock() -> SuiteArrays:
    """Look at every tensor and array that can be reached."""
    objects = gc.get_objects()
    storages: dict[int, _Storage] = {}
    for storage in (*_torch_storages(objects), *_numpy_storages(objects)):
        if storage.bytes and (storage.address not in storages or storage.parameter):
            storages[storage.address] = storage
    del objects
    pages = _Pages()
    folded: dict[tuple[str, str, int, bool], list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    private: dict[int, int] = {}
    for storage in storages.values():
        resident, own = pages.of(storage.address, storage.bytes)
        private[storage.address] = own
        row = folded[storage.library, storage.dtype, storage.item_bytes, storage.parameter]
        for column, figure in enumerate((1, storage.bytes, resident, own)):
            row[column] += figure
    pages.close()
    arrays = [
        SuiteArray(library, dtype, item_bytes, count, size, resident, own, parameters)
        for (library, dtype, item_bytes, parameters), (count, size, resident, own) in folded.items()
    ]
    return SuiteArrays(sorted(arrays, key=lambda row: -row.bytes), _twins(list(storages.values()), private))


def _torch_storages(objects: list[Any]) -> Iterator[_Storage]:
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return
    names: dict[int, str] = {}
    for module in objects:
        if issubclass(type(module), torch.nn.Module):  # `isinstance` asks objects, and some answer by raising
            for name, parameter in (*module._parameters.items(), *module._buffers.items()):
                if parameter is not None:
                    names[id(parameter)] = f"{type(module).__qualname__}.{name}"
    for tensor in [thing for thing in objects if issubclass(type(thing), torch.Tensor)]:
        try:
            if tensor.device.type != "cpu" or tensor.layout != torch.strided:
                continue
            whole = tensor.untyped_storage()
            address, size = whole.data_ptr(), whole.nbytes()
        except (RuntimeError, NotImplementedError):  # a tensor without storage, such as a fake one
            continue
        yield _Storage(
            "torch",
            str(tensor.dtype).removeprefix("torch."),
            tensor.element_size(),
            tuple(tensor.shape),
            address,
            size,
            names.get(id(tensor), ""),
            id(tensor) in names,
        )


def _numpy_storages(objects: list[Any]) -> Iterator[_Storage]:
    numpy = sys.modules.get("numpy")
    if numpy is None or not hasattr(numpy, "ndarray"):
        return
    modules = {id(vars(module)): name for name, module in list(sys.modules.items()) if hasattr(module, "__dict__")}
    seen: set[int] = set()
    # The collector does not track arrays, nor a dict or tuple that holds nothing else: they are found through what
    # refers to them, local variables too.
    waiting: list[Any] = [*objects, *local_variables()]
    while waiting:
        holder = waiting.pop()
        for thing in referents(holder):
            if not issubclass(type(thing), numpy.ndarray):
                if type(thing) in (dict, tuple) and not gc.is_tracked(thing) and id(thing) not in seen:
                    seen.add(id(thing))
                    waiting.append(thing)
                continue
            if id(thing) in seen:
                continue
            seen.add(id(thing))
            name = _name_in(holder, thing, modules)
            while isinstance(thing.base, numpy.ndarray):
                thing = thing.base
            if thing.dtype.hasobject or not thing.flags.c_contiguous or not thing.nbytes:
                continue
            address = thing.__array_interface__["data"][0]
            shape = tuple(thing.shape)
            yield _Storage("numpy", str(thing.dtype), thing.itemsize, shape, address, thing.nbytes, name, False)


def _name_in(holder: Any, thing: Any, modules: dict[int, str]) -> str:
    """What the program calls an array: by the variable, key or attribute that holds it."""
    if isinstance(holder, dict):
        for key, value in holder.items():
            if value is thing and isinstance(key, str):
                module = modules.get(id(holder))
                return key if module is None else f"{module}.{key}"
    return f"in a {type(holder).__qualname__}"


def _twins(storages: list[_Storage], private: dict[int, int]) -> list[SuiteTwin]:
    alike: dict[tuple[str, str, int, bytes], list[_Storage]] = defaultdict(list)
    for storage in storages:
        if storage.bytes >= _WORTH_A_LOOK and (sample := _sample(storage)) is not None:
            alike[storage.library, storage.dtype, storage.bytes, sample].append(storage)
    same: dict[tuple[str, str, int, bytes], list[_Storage]] = defaultdict(list)
    for (library, dtype, size, _), group in alike.items():
        if len(group) > 1:
            for storage in group:
                same[library, dtype, size, _whole(storage)].append(storage)
    twins = []
    for (library, dtype, size, _), group in same.items():
        # One copy must stay, and the one that costs most to keep is the honest choice for it.
        extra = sum(sorted(private[storage.address] for storage in group)[:-1])
        if len(group) > 1 and extra:
            names = sorted({storage.name for storage in group if storage.name})
            twins.append(SuiteTwin(library, dtype, list(group[0].shape), len(group), size, extra, names[:4]))
    return sorted(twins, key=lambda twin: -twin.extra_bytes)


def _sample(storage: _Storage) -> bytes | None:
    """A digest of three places; None where they are all zeros: two fresh buffers are no tensor that is there twice."""
    places = (0, storage.bytes // 2, storage.bytes - _SAMPLE)
    parts = b"".join(ctypes.string_at(storage.address + place, _SAMPLE) for place in places)
    return blake2b(parts, digest_size=16).digest() if any(parts) else None


def _whole(storage: _Storage) -> bytes:
    view = memoryview((ctypes.c_char * storage.bytes).from_address(storage.address)).cast("B")
    return blake2b(view, digest_size=16).digest()


class _Pages:
    """Reads which pages of a range are resident, and which of those nobody else could give back."""

    def __init__(self) -> None:
        try:
            self._fd = os.open("/proc/self/pagemap", os.O_RDONLY)
        except OSError:
            self._fd = -1

    def of(self, address: int, size: int) -> tuple[int, int]:
        """Resident and private bytes of a range; its share of the pages at its two ends."""
        if self._fd < 0:
            return size, size
        first, last = address // _PAGE, (address + size - 1) // _PAGE
        try:
            words = memoryview(os.pread(self._fd, (last - first + 1) * 8, first * 8)).cast("Q")
        except (OSError, OverflowError):
            return size, size
        resident = private = 0
        for number, word in enumerate(words, first):
            if word >> 63:
                begin, end = max(address, number * _PAGE), min(address + size, (number + 1) * _PAGE)
                resident += end - begin
                if not word >> 61 & 1:
                    private += end - begin
        return resident, private

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
