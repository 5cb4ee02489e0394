"""Equal weights of two models share one storage: the memory of one copy goes, and nothing else changes."""

from __future__ import annotations

import pytest

from fwmemtrace.suite.shared_tensors import share_equal_tensors

pytestmark = pytest.mark.guard


def test_equal_parameters_share_their_storage_and_others_stay_as_they_are():
    torch = pytest.importorskip("torch")
    torch.manual_seed(1)
    first = torch.nn.Linear(600, 500)
    second = torch.nn.Linear(600, 500)
    other = torch.nn.Linear(600, 500)
    second.load_state_dict(first.state_dict())
    values = torch.randn(2, 600)
    expected = [one(values).tolist() for one in (first, second, other)]
    share_equal_tensors()
    assert second.weight.data_ptr() == first.weight.data_ptr()
    assert other.weight.data_ptr() != first.weight.data_ptr()
    assert isinstance(second.weight, torch.nn.Parameter)
    assert [one(values).tolist() for one in (first, second, other)] == expected
    transposed = first.weight.t()
    share_equal_tensors()  # views of what is shared, and a second time: nothing changes
    assert transposed.data_ptr() == first.weight.data_ptr()
    assert [one(values).tolist() for one in (first, second, other)] == expected


def test_without_torch_nothing_happens(monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "torch", raising=False)
    share_equal_tensors()
