"""Lets equal numpy arrays be one array, to measure what one copy of a table saves.

The memory of an array cannot be exchanged, so what refers to a further copy is made to refer to the one that stays. A
copy that a tuple, a local variable or another array refers to stays, too: then less is saved, and measured.
"""

from __future__ import annotations

import gc
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from itertools import chain
from mmap import mmap
from types import CellType, MemberDescriptorType
from typing import Any

from ..heap.live_storages import instances, untracked_objects
from ..heap.storages import Storage, base_of
from ..records import SuiteTwin
from .equal_storages import SMALLEST, equal_groups


def share_equal_arrays() -> list[SuiteTwin]:
    """Make what refers to an array refer to an equal one, if there is one; returns what was shared."""
    numpy: Any = sys.modules.get("numpy")
    if not hasattr(numpy, "ndarray"):
        return []
    tracked = gc.get_objects()
    untracked = untracked_objects(tracked, [])
    arrays: dict[tuple[int, str], list[Any]] = defaultdict(list)  # more than one that looks at the same memory
    for array in instances([*tracked, *untracked], numpy.ndarray):
        if array.nbytes >= SMALLEST and array.flags.c_contiguous and not array.dtype.hasobject and _is_whole(array):
            arrays[_address(array), _kind(array)].append(array)
    kept: dict[int, Any] = {}
    copies, twins = [], []
    for group in equal_groups([_storage(alike[0]) for alike in arrays.values()]):
        # The kernel can evict the pages of a file; if a request writes to them, the run fails and not the answers.
        first, *others = sorted((arrays[one.address, one.dtype] for one in group), key=_in_memory)
        stays = first[0]
        for array in chain(*others):
            kept[id(array)] = stays
            copies.append(array)
        size = stays.nbytes
        twins.append(SuiteTwin("numpy", str(stays.dtype), list(stays.shape), len(group), size, size * len(others), []))
    if kept:
        del tracked
        dicts = [thing for thing in untracked if type(thing) is dict]
        for holder in (*gc.get_referrers(*copies), *dicts):
            _replace(holder, kept)
    return twins


def _is_whole(array: Any) -> bool:
    """Tells whether an array has memory or a mapped file of its own, or is no smaller than the array that has."""
    base = base_of(array)
    whole = array
    while whole.base is not None and whole.base is not base and whole.nbytes == array.nbytes:
        whole = whole.base
    return whole.nbytes == array.nbytes and (base is None or isinstance(base, mmap))


def _in_memory(alike: list[Any]) -> bool:
    return not isinstance(base_of(alike[0]), mmap)


def _address(array: Any) -> int:
    address: int = array.__array_interface__["data"][0]
    return address


def _kind(array: Any) -> str:
    return f"{array.dtype} {array.shape}"


def _storage(array: Any) -> Storage:
    return Storage("numpy", _kind(array), "cpu", _address(array), array.nbytes, list(array.shape), array.itemsize)


def _replace(holder: Any, kept: Mapping[int, Any]) -> None:
    """Replaces the copies in a container, or in the attributes of an object."""
    with suppress(AttributeError, TypeError, ValueError):
        if isinstance(holder, dict):
            for key, value in list(holder.items()):
                if id(value) in kept:
                    holder[key] = kept[id(value)]
        elif isinstance(holder, list):
            for at, value in enumerate(holder):
                if id(value) in kept:
                    holder[at] = kept[id(value)]
        elif isinstance(holder, CellType):
            holder.cell_contents = kept.get(id(holder.cell_contents), holder.cell_contents)
        else:
            for slot in _slots(type(holder)):
                with suppress(AttributeError):  # it is empty
                    value = slot.__get__(holder)
                    if id(value) in kept:
                        slot.__set__(holder, kept[id(value)])
            _replace(object.__getattribute__(holder, "__dict__"), kept)


def _slots(kind: type) -> Iterable[MemberDescriptorType]:
    return [
        attribute
        for base in type.__getattribute__(kind, "__mro__")
        for attribute in vars(base).values()
        if isinstance(attribute, MemberDescriptorType)
    ]
