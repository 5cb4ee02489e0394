"""Computes the size of an object with all that it refers to: `fwmemtrace.deep_size`."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from mmap import mmap
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from ..errors import missing_package
from .referents import referents
from .storages import base_of, gradient_of, library_of, plain_tensors, storages_of

# asizeof recurses with two frames a level, and Python allows a thousand frames.
_DEEPEST = 300
_COLLECTOR_HEADER = 16  # bytes in front of an object that the garbage collector tracks
_NOT_CONTENT = (type, ModuleType, FunctionType, BuiltinFunctionType)
_TABLES = ("pandas", "polars", "pyarrow")


def deep_size(*objects: Any) -> int:
    """Return the bytes of objects and of everything that they refer to, each object counted once.

    pympler's `asizeof` measures the Python objects. Tensors, numpy arrays and dataframes (pandas, polars, pyarrow)
    count with their buffers: a storage once, however many views of it there are, and all of it even where only a view
    refers to it, since the view keeps it in memory. Gradients count with their tensors. Memory on an accelerator and
    memory mapped from a file count too; tensors on the "meta" device have none. Classes, functions and modules do not
    count: they are the program, not the object's content.

    Args:
        objects: the objects; what two of them share counts once.

    Returns:
        Bytes.

    Raises:
        MissingPackageError: if pympler is not installed (`pip install 'fwmemtrace[objects]'`).

    >>> deep_size([1.5] * 1000) - deep_size([]) < 8100
    True
    """
    try:
        from pympler import asizeof
    except ImportError as error:
        raise missing_package("deep_size", "pympler", "objects") from error

    base: Any = asizeof.Asizer
    buffers: dict[tuple[str, int], int] = {}
    waiting: list[Any] = []
    libraries: dict[type, str] = {}

    class BufferSizer(base):  # type: ignore[misc]  # half of pympler has types
        """Stops at objects that own buffers, and leaves them to `deep_size`."""

        def _sizer(self, thing: Any, pid: int, deep: int, sized: Any) -> Any:
            kind = type(thing)
            library = libraries.get(kind)
            if library is None:
                library = libraries[kind] = _library(kind)
            if library and not sized:
                if id(thing) not in self._seen:
                    self._seen[id(thing)] = 1
                    waiting.append(thing)
                return 0
            return super()._sizer(thing, pid, deep, sized)

    sizer: Any = BufferSizer(limit=_DEEPEST)
    total = 0
    todo = list(objects)
    with plain_tensors():
        while todo:
            total += sum(sizer._sizer(thing, 0, 1, None) for thing in todo)
            todo = []
            while waiting:
                thing = waiting.pop()
                library = libraries[type(thing)]
                total += _own_bytes(thing)
                buffers.update(_buffers(thing, library))
                todo += _content(thing, library)
    return total + sum(buffers.values())


def _library(kind: type) -> str:
    """Return the library whose objects of this type own buffers that asizeof cannot see; "" if none."""
    for base in type.__getattribute__(kind, "__mro__"):
        library = base.__module__.partition(".")[0] if isinstance(base.__module__, str) else ""
        if library in _TABLES:
            return library
    library = library_of(kind)
    return "" if library == "python" else library  # asizeof knows array.array


def _own_bytes(thing: Any) -> int:
    """Return the bytes of the Python object alone: some types' own `__sizeof__` counts buffers, too."""
    return object.__sizeof__(thing) + (_COLLECTOR_HEADER if gc.is_tracked(thing) else 0)


def _buffers(thing: Any, library: str) -> Iterator[tuple[tuple[str, int], int]]:
    """Yield a key and the size of each piece of memory that an object keeps alive."""
    if library == "polars":
        if hasattr(thing, "estimated_size"):
            yield ("polars", id(thing)), thing.estimated_size()
    elif library == "pyarrow":
        for name in ("get_total_buffer_size", "nbytes", "size"):
            size = getattr(thing, name, None)
            if size is not None:
                yield ("pyarrow", id(thing)), size() if callable(size) else size
                return
    elif library in ("torch", "numpy"):
        try:
            storages = storages_of(thing)
        except Exception:  # a fake or wrapper tensor has none
            return
        for storage in storages:
            if not storage.borrowed:  # else it is the content of its base
                yield (storage.device, storage.address), storage.size_bytes


def _content(thing: Any, library: str) -> list[Any]:
    """Return the objects that an object refers to, except its buffers."""
    if library == "torch":
        try:
            gradient = gradient_of(thing)
        except Exception:  # a fake or wrapper tensor
            return []
        return [] if gradient is None else [gradient]
    if library == "numpy":
        bases = [base for base in (thing.base, base_of(thing)) if base is not None and not issubclass(type(base), mmap)]
        # Only arrays of objects refer to any.
        return bases + (list(thing.flat) if thing.dtype.hasobject and thing.dtype.names is None else [])
    if library == "pandas":
        return [part for part in referents(thing) if not isinstance(part, _NOT_CONTENT)]
    return []
