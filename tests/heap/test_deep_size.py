"""deep_size, compared with pympler, torch's storages, numpy's sizes and pandas' own count."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

import fwmemtrace
from fwmemtrace import deep_size

MB = 10**6


@pytest.fixture(scope="module")
def pandas():
    return pytest.importorskip("pandas")


class Plain:
    def __init__(self):
        self.text = "x" * 1000
        self.me = self


def nested(depth):
    found = []
    for _ in range(depth):
        found = [found, {"key": "value" * 3}]
    return found


@pytest.mark.parametrize(
    "thing", [[1.5] * 100, {"a": [1, 2.5, "text"], "b": {3}}, Plain(), nested(40), "x" * 1000, None]
)
def test_plain_objects_equal_pympler_s_asizeof(thing):
    from pympler.asizeof import asizeof

    assert deep_size(thing) == asizeof(thing)


def test_shared_objects_count_once():
    shared = ["x" * 10_000]
    assert deep_size([shared, shared]) < 11_000
    assert deep_size(shared, shared) == deep_size(shared)
    assert deep_size([shared], [shared]) - deep_size(shared) < 200


def test_tensors_count_with_their_storage_once(torch):
    whole = torch.zeros(MB)
    assert 4 * MB <= deep_size(whole) < 4 * MB + 500
    assert 4 * MB <= deep_size([whole, whole[:10], whole.view(10, -1)]) < 4 * MB + 1000
    assert 4 * MB <= deep_size({"view": whole[:1]}) < 4 * MB + 1000
    assert deep_size(torch.empty(10**9, device="meta")) < 500
    indices = torch.tensor([[0, 1], [1, 0]])
    sparse = torch.sparse_coo_tensor(indices, torch.ones(2), (10**6, 10**6), check_invariants=True)
    assert 40 <= deep_size(sparse) < 600


def test_a_model_with_gradients(torch):
    model = torch.nn.Sequential(torch.nn.Linear(500, 500), torch.nn.Linear(500, 500))
    model[1].weight = model[0].weight  # tied
    weights = (500 * 500 + 2 * 500) * 4
    plain = deep_size(model)
    assert weights <= plain < weights + 50_000
    model(torch.ones(1, 500)).sum().backward()
    assert weights <= deep_size(model) - plain < weights + 5000


def test_arrays_count_with_their_base_once(numpy):
    whole = numpy.zeros(MB)
    assert 8 * MB <= deep_size(whole) < 8 * MB + 500
    assert 8 * MB <= deep_size([whole[::2], whole[:3], whole.T]) < 8 * MB + 1000
    texts = numpy.array([f"text {number}" for number in range(1000)], dtype=object)
    assert 8000 + 55 * 1000 <= deep_size(texts) < 8000 + 70 * 1000
    assert MB <= deep_size(numpy.frombuffer(bytes(MB), dtype=numpy.uint8)) < MB + 1000


def test_an_array_and_its_tensor(torch, numpy):
    whole = numpy.zeros(MB, dtype=numpy.uint8)
    assert MB <= deep_size(whole, torch.from_numpy(whole)) < MB + 1000
    tensor = torch.zeros(MB)
    assert 4 * MB <= deep_size(tensor.numpy()) < 4 * MB + 1000


def test_dataframes(numpy, pandas):
    numbers = pandas.DataFrame({"a": numpy.arange(MB), "b": numpy.ones(MB, dtype=numpy.float32)})
    assert 12 * MB <= deep_size(numbers) < 12 * MB + 20_000
    assert deep_size([numbers, numbers["a"]]) < 12 * MB + 25_000
    texts = pandas.DataFrame(
        {"a": numpy.array([f"text {number}" for number in range(10_000)], dtype=object)}, dtype=object
    )
    theirs = texts.memory_usage(deep=True).sum()
    assert theirs * 0.95 <= deep_size(texts) < theirs * 1.2


def test_without_pympler_the_error_says_what_to_do():
    code = """
        import sys
        sys.modules["pympler"] = None
        import fwmemtrace
        try:
            fwmemtrace.deep_size([])
        except fwmemtrace.FwmemtraceError as error:
            assert "fwmemtrace[objects]" in str(error)
        else:
            raise SystemExit("no error")
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=600)


def test_it_is_public_and_lazy():
    assert "deep_size" in fwmemtrace.__all__
    code = "import sys, fwmemtrace; sys.exit('fwmemtrace.heap.deep_size' in sys.modules or 'pympler' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=600)
