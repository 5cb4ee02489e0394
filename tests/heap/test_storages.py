"""What a storage is: one rule, which the probe `tensors`, `deep_size` and the suite's stock follow."""

from __future__ import annotations

import mmap
import sys

import pytest

from fwmemtrace import deep_size
from fwmemtrace.heap.live_storages import find_storages
from fwmemtrace.heap.storages import base_of, gradient_of, library_of, storages_of

MB = 10**6
linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/maps and pagemap")


def live(library, dtype, **options):
    """The live storages of one library and dtype, which nothing else here uses."""
    found = find_storages(**options).storages
    return [storage for storage in found if (storage.library, storage.dtype) == (library, dtype)]


def stock(library, dtype):
    """What the suite's stock has of them: how many, bytes, private bytes."""
    from fwmemtrace.suite.arrays import take_stock

    rows = [row for row in take_stock().arrays if (row.library, row.dtype) == (library, dtype)]
    return [sum(getattr(row, name) for row in rows) for name in ("count", "bytes", "private_bytes")]


@linux
def test_tensors_of_one_mapped_file_are_one_file_backed_storage(torch, tmp_path):
    """As safetensors loads a model: ten tensors of 4 MB in one file."""
    path = tmp_path / "weights"
    path.write_bytes(bytes(40 * MB))
    whole = torch.UntypedStorage.from_file(str(path), False, 40 * MB)
    tensors = [torch.tensor([], dtype=torch.bfloat16).set_(whole, number * 2 * MB, (2 * MB,)) for number in range(10)]
    assert sum(tensor.sum().item() for tensor in tensors) == 0
    [storage] = live("torch", "bfloat16")
    assert (storage.size_bytes, storage.backing, storage.item_bytes) == (40 * MB, "file", 2)
    assert stock("torch", "bfloat16") == [1, 40 * MB, 0]
    assert 40 * MB <= deep_size(tensors) < 40 * MB + 5000


@linux
def test_views_hold_their_base(numpy):
    """A cache of 60 views of 256 bytes, whose bases have 4 MB each."""
    cache = {number: numpy.full(MB // 4, number + 1, dtype="complex128")[:16] for number in range(60)}
    assert [storage.size_bytes for storage in live("numpy", "complex128")] == [4 * MB] * 60
    assert stock("numpy", "complex128") == [60, 240 * MB, 240 * MB]
    assert 240 * MB <= deep_size(cache) < 240 * MB + 60_000


@pytest.mark.filterwarnings("ignore:Sparse")
def test_sparse_tensors_have_the_storages_of_their_parts(torch):
    indices = torch.tensor([[0, 1], [1, 0]])
    values = torch.ones(2, dtype=torch.complex64)
    compressed = torch.tensor([0, 1, 2]), torch.tensor([0, 1]), values
    sizes = {
        "coo": (torch.sparse_coo_tensor(indices, values, (5, 5), check_invariants=True), [32, 16]),
        "csr": (torch.sparse_csr_tensor(*compressed, (2, 2), check_invariants=True), [24, 16, 16]),
        "csc": (torch.sparse_csc_tensor(*compressed, (2, 2), check_invariants=True), [24, 16, 16]),
    }
    for layout, (tensor, expected) in sizes.items():
        assert [storage.size_bytes for storage in storages_of(tensor)] == expected, layout
        assert sum(expected) <= deep_size(tensor) < sum(expected) + 500, layout


def test_a_tensor_without_memory_has_no_storage(torch):
    assert storages_of(torch.empty(10**9, device="meta")) == []
    assert storages_of(torch.empty(0)) == []


def test_a_gradient_lives_as_long_as_its_tensor(torch):
    tensor = torch.ones(MB, dtype=torch.complex128, requires_grad=True)
    (tensor * tensor.conj()).real.sum().backward()
    sizes = {storage.role: storage.size_bytes for storage in live("torch", "complex128")}
    assert sizes == {"other": 16 * MB, "gradient": 16 * MB}
    assert 32 * MB <= deep_size(tensor) < 32 * MB + 2000
    assert gradient_of(tensor * 2) is None  # it has none, and reading it would warn


@linux
@pytest.mark.parametrize("wrap", ["frombuffer", "asarray", "ndarray", "memmap"])
def test_an_array_in_a_mapped_file_looks_at_the_whole_mapping(numpy, tmp_path, wrap):
    path = tmp_path / "array"
    path.write_bytes(bytes(MB))
    with open(path, "r+b") as file:
        mapped = mmap.mmap(file.fileno(), MB)
    view = {
        "frombuffer": lambda: numpy.frombuffer(mapped, dtype="float16")[100:200],
        "asarray": lambda: numpy.asarray(memoryview(mapped))[100:],
        "ndarray": lambda: numpy.ndarray(1000, "float16", mapped, offset=100),
        "memmap": lambda: numpy.memmap(path, "float16", mode="r")[100:],
    }[wrap]()
    [storage] = storages_of(view)
    assert (storage.size_bytes, storage.borrowed) == (MB, False)
    [found] = [each for each in find_storages().storages if each.address == storage.address]
    assert (found.size_bytes, found.backing) == (MB, "file")
    assert MB <= deep_size(view) < MB + 1000


@pytest.mark.parametrize("make", [bytes, bytearray])
def test_memory_that_an_array_borrows_is_counted_with_its_object(numpy, make):
    memory = make(MB)
    view = numpy.frombuffer(memory, dtype="longdouble", count=10)
    [storage] = storages_of(view)
    assert (storage.size_bytes, storage.borrowed) == (MB, True)
    assert base_of(view) is memory
    assert live("numpy", str(view.dtype)) == []
    assert [each.size_bytes for each in live("numpy", str(view.dtype), borrowed=True)] == [MB]
    assert MB <= deep_size(view) < MB + 1000
    assert deep_size([view, memory]) < MB + 1000


def test_an_array_of_a_tensor_s_memory_borrows_it(torch, numpy):
    view = torch.ones(MB, dtype=torch.int16).numpy()
    [storage] = storages_of(view)
    assert (storage.size_bytes, storage.borrowed) == (2 * MB, True)
    [found] = [each for each in find_storages(borrowed=True).storages if each.address == storage.address]
    assert (found.library, found.size_bytes) == ("torch", 2 * MB)


def test_other_objects_have_no_storage(numpy):
    assert storages_of("text") == storages_of(numpy.float64(1.5)) == []
    assert library_of(str) == ""
    assert library_of(numpy.matrix) == "numpy"


def test_tensors_that_cannot_be_read_are_counted(torch):
    class Wrapper(torch.Tensor):
        @staticmethod
        def __new__(cls):
            return torch.Tensor._make_wrapper_subclass(cls, (3,))

        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            raise RuntimeError("not implemented")

        def untyped_storage(self):
            raise RuntimeError("no storage")

    before = find_storages().unreadable
    wrapper = Wrapper()
    assert find_storages().unreadable == before + 1
    assert deep_size(wrapper) < 2000
