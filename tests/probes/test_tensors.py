"""The probe tensors, compared with torch's own storages and numpy's sizes."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
from array import array

import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.analysis.tensors import TensorsFold
from fwmemtrace.heap.live_storages import find_storages, without_parts
from fwmemtrace.heap.local_variables import local_variables
from fwmemtrace.heap.storages import Storage
from fwmemtrace.heap.tensor_names import outermost, walk
from fwmemtrace.records import AcceleratorMemory, TensorCensus, TensorRow
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.system import proc
from fwmemtrace.system.backing import BackingMap

MB = 10**6


def census_of(body, **given):
    sink = MemorySink()
    with fwmemtrace.session(sink, probes=["tensors"], interval=0, **given):
        with phase("p"):
            kept = body()
    census = [record for record in sink.records if isinstance(record, TensorCensus)][-1]
    return census, kept


@pytest.fixture(scope="module")
def torch():
    return pytest.importorskip("torch")


@pytest.fixture(scope="module")
def numpy():
    return pytest.importorskip("numpy")


def torch_bytes(torch):
    """The bytes of torch's own storages of all live tensors and their gradients, each once."""
    storages = {}
    for thing in gc.get_objects():
        if issubclass(type(thing), torch.Tensor):
            for tensor in (thing, thing.grad if thing.is_leaf else None):
                if tensor is not None and tensor.device.type == "cpu":
                    whole = tensor.untyped_storage()
                    storages[whole.data_ptr()] = whole.nbytes()
    return sum(storages.values())


@pytest.fixture(scope="module")
def model(torch, tmp_path_factory):
    class Tied(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = torch.nn.Embedding(1000, 64)
            self.encoder = torch.nn.ModuleDict(
                {"layer": torch.nn.ModuleList([torch.nn.Linear(64, 64) for _ in range(4)])}
            )
            self.head = torch.nn.Linear(64, 1000, bias=False)
            self.head.weight = self.embedding.weight
            self.register_buffer("scale", torch.ones(300))

        def forward(self, tokens):
            hidden = self.embedding(tokens)
            for layer in self.encoder["layer"]:
                hidden = layer(hidden)
            return self.head(hidden) * self.scale.sum()

    gc.collect()
    model = Tied()
    optimizer = torch.optim.AdamW(model.parameters())
    model(torch.randint(0, 1000, (4, 8))).sum().backward()
    optimizer.step()
    path = tmp_path_factory.mktemp("checkpoint") / "weights.bin"
    torch.save({"mapped": torch.arange(250_000, dtype=torch.float32)}, path)
    mapped = torch.load(path, mmap=True, weights_only=True)["mapped"]
    views = [model.embedding.weight[:10], model.embedding.weight.T, mapped[5:]]
    return model, optimizer, mapped, views


class TestAModel:
    """Tied weights, views, a mapped checkpoint, gradients and an optimizer: each storage once."""

    def test_bytes_equal_torch_s_storages(self, torch, model):
        storages, unreadable = find_storages()
        found = sum(storage.size_bytes for storage in storages if storage.library == "torch" and storage.in_process)
        assert found == torch_bytes(torch)
        assert unreadable == 0
        addresses = [storage.address for storage in storages]
        assert len(addresses) == len(set(addresses))

    def test_owners(self, model):
        owners = {storage.owner: storage for storage in find_storages().storages if storage.model == "Tied"}
        weights = {name for name, _ in model[0].named_parameters()}
        assert {owner for owner, storage in owners.items() if storage.role == "parameter"} == weights
        assert owners["embedding.weight"].aliases == ["head.weight"]
        assert owners["embedding.weight"].size_bytes == 1000 * 64 * 4
        assert owners["encoder.layer.3.weight"].shape == [64, 64]
        assert owners["scale"].role == "buffer"
        assert owners["encoder.layer.3.weight.grad"].role == "gradient"
        assert owners["encoder.layer.3.weight.exp_avg"].role == "optimizer"

    def test_gradients_and_optimizer_state_are_separate(self, model):
        by_role = {}
        for storage in find_storages().storages:
            if storage.model == "Tied":
                by_role[storage.role] = by_role.get(storage.role, 0) + storage.size_bytes
        weights = sum(parameter.numel() * 4 for parameter in model[0].parameters())
        assert by_role["parameter"] == by_role["gradient"] == weights
        steps = 4 * len(list(model[0].parameters()))
        assert by_role["optimizer"] == 2 * weights + steps
        assert by_role["buffer"] == 1200

    def test_a_mapped_checkpoint_is_file_backed(self, model):
        mapped = model[2]
        [storage] = [
            storage for storage in find_storages().storages if storage.address == mapped.untyped_storage().data_ptr()
        ]
        assert storage.backing == "file"
        assert storage.size_bytes >= MB
        private = {storage.backing for storage in find_storages().storages if storage.model == "Tied"}
        assert private == {"private"}


def test_growth_over_a_phase(torch):
    census, kept = census_of(lambda: [torch.zeros(MB, dtype=torch.float16), torch.zeros(MB).view(10, -1)[2:]])
    assert census.delta_bytes == 6 * MB
    rows = {row.dtype: row for row in census.rows if row.library == "torch" and row.role == "other"}
    assert rows["float16"].delta_bytes == 2 * MB
    assert rows["float32"].delta_bytes == 4 * MB
    assert kept


def test_shared_memory_has_its_own_backing(torch):
    tensor = torch.zeros(MB).share_memory_()
    [storage] = [s for s in find_storages().storages if s.address == tensor.untyped_storage().data_ptr()]
    assert storage.backing == "shared"


def test_sparse_meta_and_subclassed_tensors(torch):
    def body():
        indices, values = torch.tensor([[0, 1], [1, 0]]), torch.ones(2, dtype=torch.float64)
        sparse = torch.sparse_coo_tensor(indices, values, check_invariants=True)
        return sparse, torch.empty(10**9, device="meta"), torch.nn.Parameter(torch.zeros(1000))

    census, kept = census_of(body)
    assert census.delta_bytes == 32 + 16 + 4000
    assert not any(row.device == "meta" for row in census.rows)
    assert census.unreadable == 0
    assert kept


def test_arrays_are_counted_by_their_owner(numpy):
    def body():
        whole = numpy.zeros((1000, 250), dtype=numpy.float64)
        return whole[::2], whole.T, whole.reshape(-1)[100:], numpy.frombuffer(bytes(MB), dtype=numpy.uint8)

    census, kept = census_of(body)
    assert census.delta_bytes == 2 * MB
    assert {row.dtype for row in census.rows if row.delta_bytes} == {"float64"}
    assert kept


@pytest.mark.slow
def test_arrays_in_a_local_variable_or_an_untracked_container(numpy):
    def body():
        local = numpy.zeros(MB, dtype=numpy.int16)
        inside = {"key": (numpy.zeros(MB, dtype=numpy.int32), 1)}
        gc.collect()  # untracks the tuple
        with phase("inner"):
            pass
        return local, inside

    census, kept = census_of(body)
    rows = {row.dtype: row.size_bytes for row in census.rows}
    assert rows["int16"] >= 2 * MB
    assert rows["int32"] >= 4 * MB
    assert kept


def test_reading_local_variables_keeps_nothing_alive(numpy):
    import weakref

    class Watched:
        pass

    watched = Watched()
    gone = weakref.ref(watched)
    mine = locals()
    found = any(variables.get("watched") is watched for variables in local_variables())
    kept = mine["watched"] is watched  # the program's own copy is left as it is
    del mine["watched"], mine
    find_storages()
    del watched
    assert gone() is None
    assert found
    assert kept


def test_an_array_and_a_tensor_of_one_memory_count_once(torch, numpy):
    def body():
        whole = numpy.zeros(MB, dtype=numpy.uint8)
        tensor = torch.zeros(500_000)
        return torch.from_numpy(whole), torch.from_numpy(whole[1000:]), tensor, tensor.numpy()

    census, kept = census_of(body)
    assert census.delta_bytes == 3 * MB
    assert kept


def test_a_mapped_array_is_file_backed(numpy, tmp_path):
    path = tmp_path / "array.bin"
    path.write_bytes(bytes(MB))
    before = find_file_backed()
    mapped = numpy.memmap(path, dtype=numpy.uint8, mode="r")
    assert find_file_backed() - before == MB
    assert mapped is not None


def find_file_backed():
    return sum(storage.size_bytes for storage in find_storages().storages if storage.backing == "file")


def test_python_s_own_arrays():
    census, kept = census_of(lambda: array("d", range(100_000)))
    [row] = [row for row in census.rows if (row.library, row.dtype) == ("python", "d")]  # others are of earlier tests
    assert row.delta_bytes == 800_000
    assert kept


def test_the_search_keeps_nothing_alive(torch):
    import weakref

    tensor = torch.zeros(1000)
    watched = weakref.ref(tensor)
    find_storages()
    del tensor
    assert watched() is None


def test_the_probe_does_not_import_torch():
    code = """
        import sys, fwmemtrace
        from fwmemtrace import phase
        from fwmemtrace.sinks.memory import MemorySink
        sink = MemorySink()
        with fwmemtrace.session(sink, probes=["tensors"], interval=0):
            with phase("p"):
                pass
        assert not {"torch", "numpy", "pympler", "objgraph"} & set(sys.modules)
        [census] = [record for record in sink.records if type(record).__name__ == "TensorCensus"]
        assert census.live_bytes == census.delta_bytes == 0
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=600)


def test_parts_of_a_storage_are_left_out():
    def storage(address, size, device="cpu", owner=""):
        return Storage("torch", "float32", device, address, size, [], owner=owner)

    parts = [
        storage(100, 50),
        storage(100, 20),
        storage(120, 30, owner="w"),
        storage(150, 5),
        storage(110, 9, "cuda:0"),
    ]
    kept = without_parts(parts)
    assert [(s.device, s.address, s.size_bytes, s.owner) for s in kept] == [
        ("cpu", 100, 50, "w"),
        ("cpu", 150, 5, ""),
        ("cuda:0", 110, 9, ""),
    ]


def test_addresses_without_proc_are_private(monkeypatch, tmp_path):
    monkeypatch.setattr(proc, "PROC", str(tmp_path / "none"))
    assert BackingMap().backing_at(id(object())) == "private"


def test_modules_in_a_cycle(torch):
    one, two = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    one.add_module("other", two)
    two.__dict__["_modules"]["back"] = one
    assert [prefix for prefix, _ in walk(one)] == ["", "other."]
    assert outermost([torch.nn.Sequential(one)])


def test_runs_of_one_path_are_folded():
    fold = TensorsFold()
    row = ("torch", "float32", "cpu", "parameter", "private")
    gpu = ("torch", "float32", "cuda:0", "other", "private")
    fold.add(TensorCensus(1, 100, 100, 0, 1, [TensorRow(*row, 1, 100, 100), TensorRow(*gpu, 1, 7, 7)], []), "init")
    fold.add(AcceleratorMemory(1, "cuda:0", 7, 7, 10, 9), "init")
    fold.add(TensorCensus(2, 80, -20, 0, 1, [TensorRow(*row, 1, 80, -20)], []), "init")
    fold.add(AcceleratorMemory(2, "cuda:0", 4, -3, 10, 8), "init")
    found = fold.result()["init"]
    assert (found.live_bytes, found.delta_bytes, found.calls) == (80, 80, 2)
    assert found.by_dtype == {"float32": 80}
    assert found.by_role == {"parameter": 80}
    assert [(group.device, group.delta_bytes) for group in found.groups] == [("cpu", 80)]
    [device] = found.accelerators
    assert (device.allocated_bytes, device.delta_allocated_bytes, device.peak_allocated_bytes) == (4, 4, 9)
