"""Defines a storage: one piece of memory that tensors and arrays look at, counted once however many do.

A torch tensor looks at its untyped storage, whole even where the tensor is a small view of it; a sparse tensor at those
of its indices and values; one on the "meta" device at none. A numpy array looks at the memory of the array at the end
of its chain of bases, or at that of the object whose buffer this one uses: all of a mapped file, of bytes, of a
bytearray. A gradient is a tensor of its own, which lives as long as its tensor.
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from mmap import mmap
from typing import Any

from .tensor_names import OTHER


class Storage:
    """One piece of memory.

    Attributes:
        library: "torch", "numpy" or "python".
        dtype: the element type of the tensor or array that was found first.
        device: "cpu" or a device of torch's, such as "cuda:0".
        address: where it starts on that device.
        size_bytes: its length.
        shape: that of the tensor or array that was found first.
        role: what a torch module or optimizer uses it for; see `tensor_names`.
        backing: "private", "file" or "shared".
        owner: the path from the outermost module, such as "encoder.layer.3.weight".
        model: the outermost module's class.
        aliases: further paths that lead to it.
        item_bytes: the size of one element.
        borrowed: whether it is the memory of another Python object, such as bytes, whose own size counts it.
    """

    __slots__ = (
        "address",
        "aliases",
        "backing",
        "borrowed",
        "device",
        "dtype",
        "item_bytes",
        "library",
        "model",
        "owner",
        "role",
        "shape",
        "size_bytes",
    )

    def __init__(
        self,
        library: str,
        dtype: str,
        device: str,
        address: int,
        size_bytes: int,
        shape: list[int],
        item_bytes: int = 1,
        *,
        borrowed: bool = False,
        owner: str = "",
    ) -> None:
        self.library = library
        self.dtype = dtype
        self.device = device
        self.address = address
        self.size_bytes = size_bytes
        self.shape = shape
        self.item_bytes = item_bytes
        self.borrowed = borrowed
        self.role = OTHER
        self.backing = "private"
        self.owner = owner
        self.model = ""
        self.aliases: list[str] = []

    @property
    def in_process(self) -> bool:
        """Whether it takes memory of this process rather than of an accelerator."""
        return self.device == "cpu"


def library_of(kind: type) -> str:
    """Return which library's tensors or arrays a type is a class of: "torch", "numpy", "python"; "" if none's.

    Only libraries that the program imported are looked at, and no code of the type's runs.
    """
    bases = type.__getattribute__(kind, "__mro__")
    for library, name in (("torch", "Tensor"), ("numpy", "ndarray")):
        base = getattr(sys.modules.get(library), name, None)  # missing while the library is being imported
        if base is not None and base in bases:
            return library
    return "python" if array in bases else ""


def storages_of(thing: Any) -> list[Storage]:
    """Return the storages that a tensor or array looks at, each with at least one byte.

    Gradients are left out: see `gradient_of`. Wrap calls for tensors in `plain_tensors`.

    Raises:
        Exception: of any type, where a tensor has no storage, as fake and wrapper tensors have not.
    """
    library = library_of(type(thing))
    return list(STORAGES_BY_LIBRARY[library](thing)) if library else []


def gradient_of(tensor: Any) -> Any:
    """Return the gradient that a torch tensor keeps alive, or None."""
    return tensor.grad if tensor.is_leaf else None  # reading it from another tensor warns


def base_of(view: Any) -> Any:
    """Return the object whose memory a numpy array uses, or None where the memory is an array's own."""
    return _bottom(view)[1]


@contextmanager
def plain_tensors() -> Iterator[None]:
    """Read tensors in this block without the program's overrides, and without recording for autograd."""
    torch: Any = sys.modules.get("torch")
    if not hasattr(torch, "no_grad"):
        yield
        return
    without_overrides = getattr(torch._C, "DisableTorchFunctionSubclass", nullcontext)
    with without_overrides(), torch.no_grad():
        yield


def _of_array(thing: Any) -> Iterator[Storage]:
    address, length = array.buffer_info(thing)
    if length:
        yield Storage("python", thing.typecode, "cpu", address, length * thing.itemsize, [length], thing.itemsize)


def _of_tensor(tensor: Any) -> Iterator[Storage]:
    for part in _strided(tensor):
        storage = part.untyped_storage()
        size = storage.nbytes()
        if size and storage.device.type != "meta":
            dtype = str(part.dtype).removeprefix("torch.")
            device, address = str(storage.device), storage.data_ptr()
            yield Storage("torch", dtype, device, address, size, list(part.shape), part.element_size())


def _strided(tensor: Any) -> Iterable[Any]:
    """Return the tensors with a storage that a tensor consists of: itself, unless it is sparse."""
    torch = sys.modules["torch"]
    if tensor.layout is torch.strided:
        return (tensor,)
    if tensor.layout is torch.sparse_coo:
        return (tensor._indices(), tensor._values())
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        return (tensor.crow_indices(), tensor.col_indices(), tensor.values())
    return (tensor.ccol_indices(), tensor.row_indices(), tensor.values())


def _of_ndarray(view: Any) -> Iterator[Storage]:
    whole, base = _bottom(view)
    memory = whole
    if base is not None:
        try:
            memory = sys.modules["numpy"].frombuffer(base, "u1")
        except Exception:  # a tensor, a capsule: it exports no buffer
            pass
    size = memory.nbytes
    if not size:
        return
    address = memory.__array_interface__["data"][0]
    borrowed = base is not None and not issubclass(type(base), mmap)  # no object's own size counts a mapped file
    yield Storage("numpy", str(whole.dtype), "cpu", address, size, list(whole.shape), whole.itemsize, borrowed=borrowed)


def _bottom(view: Any) -> tuple[Any, Any]:
    """Return the last numpy array in a chain of bases, and the object below it, or None."""
    ndarray = sys.modules["numpy"].ndarray
    whole, below = view, view.base
    while below is not None:
        if issubclass(type(below), ndarray):
            whole, below = below, below.base
        elif type(below) is memoryview and below.obj is not None:
            below = below.obj
        else:
            break
    return whole, below


# The same for things that are known to be of one library.
STORAGES_BY_LIBRARY: dict[str, Callable[[Any], Iterator[Storage]]] = {
    "torch": _of_tensor,
    "numpy": _of_ndarray,
    "python": _of_array,
}
