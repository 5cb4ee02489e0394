"""What an object really takes, with all that it refers to: `fwmemtrace.deep_size`."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

from ..errors import FwmemtraceError
from .referents import referents

# asizeof goes down by recursion, two frames a level, and Python allows a thousand.
_DEEPEST = 300
_NOT_CONTENT = (type, ModuleType, FunctionType, BuiltinFunctionType)


class MissingPackageError(FwmemtraceError, ImportError):
    """A package that this needs is not installed."""


def deep_size(*objects: Any) -> int:
    """The bytes of objects and of everything that they refer to, each counted once.

    pympler's `asizeof` goes through the Python objects. Tensors, numpy arrays and dataframes (pandas, polars, pyarrow)
    count with their real buffers: a storage once, however many views of it there are, and the whole of it even where
    only a view refers to it, since that keeps it in memory. Gradients count with their parameters. Memory on an
    accelerator and memory mapped from a file counts too; tensors on the "meta" device have none. Classes, functions
    and modules are left out: they are the program, not the object's content.

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
        raise MissingPackageError(
            "found no pympler, which deep_size needs: install it with pip install 'fwmemtrace[objects]'"
        ) from error

    base: Any = asizeof.Asizer
    buffers: dict[tuple[str, int], int] = {}
    waiting: list[Any] = []

    class RealSizer(base):  # type: ignore[misc]  # half of pympler has types
        """Stops at what holds a buffer, and leaves it to us."""

        def _sizer(self, thing: Any, pid: int, deep: int, sized: Any) -> Any:
            if _is_foreign(thing) and not sized:
                if id(thing) not in self._seen:
                    self._seen[id(thing)] = 1
                    waiting.append(thing)
                return 0
            return super()._sizer(thing, pid, deep, sized)

    sizer: Any = RealSizer(limit=_DEEPEST)
    total = 0
    todo = list(objects)
    while todo:
        total += sum(sizer._sizer(thing, 0, 1, None) for thing in todo)
        todo = []
        while waiting:
            thing = waiting.pop()
            total += _own_bytes(thing)
            buffers.update(_buffers(thing))
            todo += _content(thing)
    return total + sum(buffers.values())


def _is_foreign(thing: Any) -> bool:
    """Whether this is something whose bytes asizeof cannot see."""
    for kind in type.__getattribute__(type(thing), "__mro__"):
        library, _, _ = kind.__module__.partition(".") if isinstance(kind.__module__, str) else ("", "", "")
        if library in ("pandas", "polars", "pyarrow"):
            return True
        if (library, kind.__name__) in (("torch", "Tensor"), ("numpy", "ndarray")):
            return True
    return False


def _library(thing: Any) -> str:
    for kind in type.__getattribute__(type(thing), "__mro__"):
        library = str(kind.__module__).partition(".")[0]
        if library in ("pandas", "polars", "pyarrow", "torch", "numpy"):
            return library
    return ""


def _own_bytes(thing: Any) -> int:
    """The Python object alone, with the collector's header: some types' own `__sizeof__` counts buffers, too."""
    return object.__sizeof__(thing) + (16 if gc.is_tracked(thing) else 0)


def _buffers(thing: Any) -> Iterator[tuple[tuple[str, int], int]]:
    """Device, address and size of the memory that it keeps."""
    library = _library(thing)
    if library == "torch":
        for tensor in _strided(thing):
            storage = tensor.untyped_storage()
            if storage.nbytes() and storage.device.type != "meta":
                yield (str(storage.device), storage.data_ptr()), storage.nbytes()
    elif library == "numpy":
        whole = thing
        while type(whole.base) is type(whole) or hasattr(whole.base, "__array_interface__"):
            whole = whole.base
        if whole.base is None or type(whole.base).__name__ == "mmap":
            yield ("cpu", whole.__array_interface__["data"][0]), whole.nbytes
    elif library == "polars" and hasattr(thing, "estimated_size"):
        yield ("polars", id(thing)), thing.estimated_size()
    elif library == "pyarrow":
        for size in ("get_total_buffer_size", "nbytes", "size"):
            found = getattr(thing, size, None)
            if found is not None:
                yield ("pyarrow", id(thing)), found() if callable(found) else found
                return


def _strided(tensor: Any) -> Iterable[Any]:
    torch = sys.modules["torch"]
    if tensor.layout is torch.strided:
        return (tensor,)
    if tensor.layout is torch.sparse_coo:
        return (tensor._indices(), tensor._values())
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    return (tensor.ccol_indices(), tensor.row_indices(), tensor.values())


def _content(thing: Any) -> list[Any]:
    """What it refers to besides its buffers."""
    library = _library(thing)
    if library == "torch":
        return [thing.grad] if thing.is_leaf and thing.grad is not None else []
    if library == "numpy":
        # What a view looks at belongs to its base, which may be bytes; only arrays of objects refer to any.
        base = [] if thing.base is None or type(thing.base).__name__ == "mmap" else [thing.base]
        return base + (list(thing.flat) if thing.dtype.hasobject and thing.dtype.names is None else [])
    if library == "pandas":
        return [part for part in referents(thing) if not isinstance(part, _NOT_CONTENT)]
    return []
