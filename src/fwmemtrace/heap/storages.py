"""Every live tensor's and array's memory, each piece of it once, however many views look at it.

Found are objects that Python can reach: torch tensors, numpy arrays, and array.array of 64 KiB or more. (bytes and
bytearray do not tell where their memory lies; a census of objects has their sizes.) What only C++ holds, such as
tensors that autograd saved for the backward pass, has no Python object and stays unseen. torch and numpy are looked at
only if the program imported them.
"""

from __future__ import annotations

import gc
import sys
from array import array
from collections.abc import Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from itertools import compress, filterfalse
from typing import Any, NamedTuple

from ..system.backing import BackingMap
from .local_variables import local_variables
from .referents import referents
from .tensor_names import OTHER, Name, names_of

_MOST_ALIASES = 5
_LARGE_BUFFER = 64 * 1024
_CONTAINERS = frozenset({tuple, dict})


@dataclass(slots=True)
class Storage:
    """One piece of memory."""

    library: str  # "torch", "numpy" or "python"
    dtype: str
    device: str
    address: int
    size_bytes: int
    shape: list[int]
    role: str = OTHER
    backing: str = "private"
    owner: str = ""
    model: str = ""
    aliases: list[str] = field(default_factory=list)

    @property
    def in_process(self) -> bool:
        """Whether it takes memory of this process, rather than of an accelerator."""
        return self.device == "cpu"


class Found(NamedTuple):
    """All there is."""

    storages: list[Storage]
    unreadable: int  # tensors that would not say what they are made of


def find_storages() -> Found:
    """All storages with at least one byte that are reachable now; tensors on the "meta" device have none."""
    torch, numpy = sys.modules.get("torch"), sys.modules.get("numpy")
    collecting = gc.isenabled()
    gc.disable()
    try:
        wanted = _wanted(torch, numpy)
        # Before a list of all objects refers to the copies that this takes back.
        local = [value for variables in local_variables() for value in variables.values()]
        tracked = gc.get_objects()
        # What matters is a handful: picked once, and looked at as often as need be.
        things = instances(tracked, *wanted) + instances(_untracked(tracked, local), *wanted)
        del tracked, local
        seen: dict[tuple[str, int], Storage] = {}
        unreadable = _torch_storages(torch, things, seen) if torch is not None and torch.Tensor in wanted else 0
        if numpy is not None and hasattr(numpy, "ndarray"):
            for thing in instances(things, numpy.ndarray):
                _add_array(numpy, thing, seen)
        for thing in instances(things, array):
            _add_buffer(thing, seen)
        del things
    finally:
        if collecting:
            gc.enable()
    storages = without_parts(list(seen.values()))
    backings = BackingMap()
    for storage in storages:
        if storage.in_process:
            storage.backing = backings.backing_at(storage.address)
    return Found(storages, unreadable)


def _wanted(torch: Any, numpy: Any) -> list[type]:
    """The types to look for; a library that is still being imported may lack some."""
    found: list[type] = [array]
    if numpy is not None:
        found += [numpy.ndarray] if hasattr(numpy, "ndarray") else []
    if torch is not None and hasattr(torch, "Tensor") and hasattr(torch, "nn"):
        optimizer = getattr(sys.modules.get("torch.optim.optimizer"), "Optimizer", None)
        found += [torch.Tensor, torch.nn.Module, *([optimizer] if optimizer is not None else [])]
    return found


def _untracked(tracked: list[Any], local: list[Any]) -> list[Any]:
    """What the collector does not track, found through what refers to it; some of it more than once.

    A tuple or dict of nothing but such objects is none that it tracks either, so those are looked into, too.
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
    """The objects whose type derives from one of those.

    Their types are asked, not they: `isinstance` reads `__class__`, which on a proxy runs the program's code.
    """
    wanted = set(kinds)
    found = {kind for kind in set(map(type, objects)) if not wanted.isdisjoint(type.__getattribute__(kind, "__mro__"))}
    return list(compress(objects, map(found.__contains__, map(type, objects)))) if found else []


def without_parts(storages: list[Storage]) -> list[Storage]:
    """Leave out what lies inside another one, such as a tensor made from a part of an array."""
    kept: list[Storage] = []
    for storage in sorted(storages, key=lambda one: (one.device, one.address, -one.size_bytes)):
        outer = kept[-1] if kept else None
        if outer is not None and outer.device == storage.device and storage.address < outer.address + outer.size_bytes:
            if not outer.owner and storage.owner:
                outer.owner, outer.model, outer.role = storage.owner, storage.model, storage.role
            continue
        kept.append(storage)
    return kept


def _torch_storages(torch: Any, things: list[Any], seen: dict[tuple[str, int], Storage]) -> int:
    unreadable = 0
    optim = getattr(sys.modules.get("torch.optim.optimizer"), "Optimizer", None)
    optimizers = instances(things, optim) if optim is not None else []
    named = names_of(instances(things, torch.nn.Module), optimizers)
    plain = getattr(torch._C, "DisableTorchFunctionSubclass", nullcontext)
    with plain(), torch.no_grad():
        for name in (*named, *(Name(tensor, OTHER, "", "") for tensor in instances(things, torch.Tensor))):
            try:
                for tensor in _strided(torch, name.tensor):
                    _add_tensor(tensor, name, seen)
            except Exception:  # fake and wrapper tensors raise all sorts of things
                unreadable += 1
    return unreadable


def _strided(torch: Any, tensor: Any) -> Iterable[Any]:
    """The tensors with a storage that this one is made of: itself, unless it is sparse."""
    if tensor.layout is torch.strided:
        return (tensor,)
    if tensor.layout is torch.sparse_coo:
        return (tensor._indices(), tensor._values())
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    return (tensor.ccol_indices(), tensor.row_indices(), tensor.values())


def _add_tensor(tensor: Any, name: Name, seen: dict[tuple[str, int], Storage]) -> None:
    storage = tensor.untyped_storage()
    size = storage.nbytes()
    if not size or storage.device.type == "meta":
        return
    device, address = str(storage.device), storage.data_ptr()
    known = seen.get((device, address))
    if known is None:
        dtype = str(tensor.dtype).removeprefix("torch.")
        shape = list(tensor.shape)
        seen[device, address] = Storage(
            "torch", dtype, device, address, size, shape, name.role, owner=name.owner, model=name.model
        )
        return
    known.size_bytes = max(known.size_bytes, size)
    new = name.owner and name.owner != known.owner and name.owner not in known.aliases
    if new and name.role == known.role and len(known.aliases) < _MOST_ALIASES:
        known.aliases.append(name.owner)


def _add_array(numpy: Any, view: Any, seen: dict[tuple[str, int], Storage]) -> None:
    whole = view
    while isinstance(whole.base, numpy.ndarray):
        whole = whole.base
    base = whole.base
    # Memory of another object's, such as a tensor or bytes, is counted with that object; a mapped file has no other.
    if base is not None and type(base).__name__ != "mmap":
        return
    address, size = whole.__array_interface__["data"][0], whole.nbytes
    if size and ("cpu", address) not in seen:
        seen["cpu", address] = Storage("numpy", str(whole.dtype), "cpu", address, size, list(whole.shape))


def _add_buffer(thing: Any, seen: dict[tuple[str, int], Storage]) -> None:
    address, length = array.buffer_info(thing)
    size = length * thing.itemsize
    if size >= _LARGE_BUFFER:
        seen.setdefault(("cpu", address), Storage("python", thing.typecode, "cpu", address, size, [length]))
