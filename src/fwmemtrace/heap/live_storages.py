"""Finds the storages of all live tensors and arrays, each once.

It finds what Python can reach: torch tensors, numpy arrays, and `array.array` of 64 KiB or more. What only C++ refers
to, such as tensors that autograd saved for the backward pass, has no Python object and is not seen. torch and numpy are
looked at only if the program imported them.
"""

from __future__ import annotations

import gc
import sys
from array import array
from collections.abc import Iterator
from itertools import chain, compress, filterfalse
from typing import Any, NamedTuple

from ..foreign_errors import is_the_programs
from ..system.backing import BackingMap
from ..system.garbage_collector import CollectorPaused
from .local_variables import local_variables
from .referents import referents
from .storages import STORAGES_BY_LIBRARY, Storage, gradient_of, plain_tensors
from .tensor_names import GRADIENT, OTHER, NamedTensor, named_tensors

_MOST_ALIASES = 5
_LARGE_BUFFER = 64 * 1024
_CONTAINERS = frozenset({tuple, dict})


class LiveStorages(NamedTuple):
    """All storages, and how many tensors could not be read."""

    storages: list[Storage]
    unreadable: int


def find_storages(*, borrowed: bool = False) -> LiveStorages:
    """Find all storages that can be reached now.

    Args:
        borrowed: whether to include memory of other Python objects, such as bytes, that numpy arrays look at.
    """
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    collected = _Collection()
    with CollectorPaused():
        wanted = _wanted(torch, numpy)
        # Before a list of all objects refers to the copies that this takes back.
        local = [value for variables in local_variables() for value in variables.values()]
        tracked = gc.get_objects()
        # Only a handful of objects matter: they are picked once, and looked at as often as needed.
        things = instances(tracked, *wanted) + instances(untracked_objects(tracked, local), *wanted)
        del tracked, local
        if torch is not None and torch.Tensor in wanted:
            collected.add_tensors(torch, things)
        if numpy is not None and hasattr(numpy, "ndarray"):
            collected.add_arrays(instances(things, numpy.ndarray), borrowed=borrowed)
        for thing in instances(things, array):
            if len(thing) * thing.itemsize >= _LARGE_BUFFER:
                for storage in STORAGES_BY_LIBRARY["python"](thing):
                    collected.add(storage)
        del things
    storages = without_parts(list(collected.by_place.values()))
    backings = BackingMap()
    for storage in storages:
        if storage.in_process:
            storage.backing = backings.backing_at(storage.address)
    return LiveStorages(storages, collected.unreadable)


class _Collection:
    """Storages by device and address."""

    def __init__(self) -> None:
        self.by_place: dict[tuple[str, int], Storage] = {}
        self.unreadable = 0

    def add(self, storage: Storage) -> None:
        """Add a storage; of a place that is known, keep the first description."""
        known = self.by_place.setdefault((storage.device, storage.address), storage)
        if known is storage:
            return
        known.size_bytes = max(known.size_bytes, storage.size_bytes)
        new = storage.owner and storage.owner != known.owner and storage.owner not in known.aliases
        if new and storage.role == known.role and len(known.aliases) < _MOST_ALIASES:
            known.aliases.append(storage.owner)

    def add_tensors(self, torch: Any, things: list[Any]) -> None:
        """Add the storages of all tensors: those that modules and optimizers own first, with their names."""
        optimizer = getattr(sys.modules.get("torch.optim.optimizer"), "Optimizer", None)
        optimizers = instances(things, optimizer) if optimizer is not None else []
        owned = named_tensors(instances(things, torch.nn.Module), optimizers)
        tensors = instances(things, torch.Tensor)
        storages_of_tensor = STORAGES_BY_LIBRARY["torch"]
        with plain_tensors():
            for named in chain(owned, _gradients(tensors), (NamedTensor(tensor, OTHER, "", "") for tensor in tensors)):
                try:
                    for storage in storages_of_tensor(named.tensor):
                        storage.role, storage.owner, storage.model = named.role, named.owner, named.model
                        self.add(storage)
                except Exception as error:  # fake and wrapper tensors raise all sorts of things
                    if is_the_programs(error):
                        raise
                    self.unreadable += 1

    def add_arrays(self, arrays: list[Any], *, borrowed: bool) -> None:
        """Add the storages of numpy arrays."""
        storages_of_ndarray = STORAGES_BY_LIBRARY["numpy"]
        for each in arrays:
            try:
                for storage in storages_of_ndarray(each):
                    if borrowed or not storage.borrowed:
                        self.add(storage)
            except Exception as error:  # a class of the program's that overrides what is read here
                if is_the_programs(error):
                    raise
                self.unreadable += 1


def _gradients(tensors: list[Any]) -> Iterator[NamedTensor]:
    for tensor in tensors:
        try:
            gradient = gradient_of(tensor)
        except Exception as error:  # it is counted as unreadable by itself
            if is_the_programs(error):
                raise
            continue
        if gradient is not None:
            yield NamedTensor(gradient, GRADIENT, "", "")


def _wanted(torch: Any, numpy: Any) -> list[type]:
    """Return the types to look for; a library that is still being imported may lack some."""
    wanted: list[type] = [array]
    if numpy is not None:
        wanted += [numpy.ndarray] if hasattr(numpy, "ndarray") else []
    if torch is not None and hasattr(torch, "Tensor") and hasattr(torch, "nn"):
        optimizer = getattr(sys.modules.get("torch.optim.optimizer"), "Optimizer", None)
        wanted += [torch.Tensor, torch.nn.Module, *([optimizer] if optimizer is not None else [])]
    return wanted


def untracked_objects(tracked: list[Any], local: list[Any]) -> list[Any]:
    """Return the objects that the collector does not track and that others refer to; some of them more than once.

    A tuple or dict of nothing but such objects is untracked, too, so these are searched as well.

    Args:
        tracked: the objects that the collector tracks.
        local: the values of local variables.
    """
    found = list(filterfalse(gc.is_tracked, referents(*tracked)))
    found += filterfalse(gc.is_tracked, local)
    seen: dict[int, Any] = {}
    waiting = found
    while waiting:
        containers = list(compress(waiting, map(_CONTAINERS.__contains__, map(type, waiting))))
        new = {key: thing for key, thing in zip(map(id, containers), containers, strict=True) if key not in seen}
        seen.update(new)
        waiting = list(filterfalse(gc.is_tracked, referents(*new.values())))
        found += waiting
    return found


def instances(objects: list[Any], *kinds: type) -> list[Any]:
    """Return the objects whose type derives from one of these.

    It looks at their types: `isinstance` reads `__class__`, which on a proxy runs the program's code.
    """
    wanted = set(kinds)
    found = {kind for kind in set(map(type, objects)) if not wanted.isdisjoint(type.__getattribute__(kind, "__mro__"))}
    return list(compress(objects, map(found.__contains__, map(type, objects)))) if found else []


def without_parts(storages: list[Storage]) -> list[Storage]:
    """Leave out storages that lie inside another one, such as a tensor made from a part of an array."""
    kept: list[Storage] = []
    for storage in sorted(storages, key=lambda one: (one.device, one.address, -one.size_bytes)):
        outer = kept[-1] if kept else None
        if outer is not None and outer.device == storage.device and storage.address < outer.address + outer.size_bytes:
            if not outer.owner and storage.owner:
                outer.owner, outer.model, outer.role = storage.owner, storage.model, storage.role
            continue
        kept.append(storage)
    return kept
