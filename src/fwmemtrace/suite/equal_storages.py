"""Finds storages with the same content: a model that was loaded twice."""

from __future__ import annotations

import ctypes
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain

from ..heap.array_names import names_of_arrays
from ..heap.storages import Storage
from ..records import SuiteTwin

try:
    from _blake2 import blake2b  # hashlib would load OpenSSL, which components load themselves
except ImportError:
    from hashlib import blake2b

SMALLEST = 256 * 1024  # bytes; smaller storages are not compared
_SAMPLE = 4096
_MOST_NAMES = 4


def find_twins(storages: Sequence[Storage], private: Mapping[int, int]) -> list[SuiteTwin]:
    """Return the groups of storages whose content is equal, those that waste most first.

    Args:
        storages: they lie in this process's memory.
        private: resident private bytes of each, by address.
    """
    equal = equal_groups(storages)
    unnamed = {storage.address for group in equal for storage in group if storage.library == "numpy"}
    array_names = names_of_arrays(unnamed) if unnamed else {}
    twins = []
    for group in equal:
        # One copy has to stay, and it is the one that costs most.
        extra = sum(sorted(private[storage.address] for storage in group)[:-1])
        if extra:
            names = {_name(storage) or array_names.get(storage.address, "") for storage in group} - {""}
            first = group[0]
            twins.append(
                SuiteTwin(
                    first.library,
                    first.dtype,
                    first.shape,
                    len(group),
                    first.size_bytes,
                    extra,
                    sorted(names)[:_MOST_NAMES],
                )
            )
    return sorted(twins, key=lambda twin: -twin.extra_bytes)


def equal_groups(storages: Sequence[Storage]) -> list[list[Storage]]:
    """Return the groups of large storages whose content is equal; they lie in this process's memory."""
    large = (storage for storage in storages if storage.size_bytes >= SMALLEST)
    # Most storages differ in a few samples of their content, so few are read as a whole.
    alike = _groups(large, _sample)
    return list(chain.from_iterable(_groups(group, _digest) for group in alike))


def _groups(storages: Iterable[Storage], content: Callable[[Storage], bytes | None]) -> list[list[Storage]]:
    """Group storages of one kind and size by their content; groups of one are left out."""
    groups: dict[tuple[str, str, int, bytes], list[Storage]] = defaultdict(list)
    for storage in storages:
        digest = content(storage)
        if digest is not None:
            groups[storage.library, storage.dtype, storage.size_bytes, digest].append(storage)
    return [group for group in groups.values() if len(group) > 1]


def _sample(storage: Storage) -> bytes | None:
    """Return a digest of three places; None where all are zeros: two fresh buffers are not a tensor loaded twice."""
    places = (0, storage.size_bytes // 2, storage.size_bytes - _SAMPLE)
    parts = b"".join(ctypes.string_at(storage.address + place, _SAMPLE) for place in places)
    return blake2b(parts, digest_size=16).digest() if any(parts) else None


def _digest(storage: Storage) -> bytes:
    view = memoryview((ctypes.c_char * storage.size_bytes).from_address(storage.address)).cast("B")
    return blake2b(view, digest_size=16).digest()


def _name(storage: Storage) -> str:
    return ".".join(filter(None, (storage.model, storage.owner)))
