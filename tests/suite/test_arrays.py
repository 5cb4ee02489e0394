"""Live arrays: their sizes, their private pages, and equal ones."""

from __future__ import annotations

import sys

import pytest

numpy = pytest.importorskip("numpy")

from fwmemtrace.suite.arrays import take_stock  # noqa: E402

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/pagemap")
SIZE = 300_000


def of(stock, dtype):
    return next((row for row in stock.arrays if (row.library, row.dtype) == ("numpy", dtype)), None)


def test_views_count_once():
    whole = numpy.arange(SIZE).astype("complex128")  # an element type that nothing else here uses
    views = [whole[::2], whole.reshape(2, -1), whole[5:]]
    found = of(take_stock(), "complex128")
    assert (found.count, found.bytes) == (1, SIZE * 16)
    assert found.private_bytes == SIZE * 16
    assert len(views) == 3


def test_equal_contents_are_twins_and_empty_ones_are_not():
    first, second = (numpy.arange(SIZE, dtype="float64") * 1.25 for _ in range(2))
    zeros = [numpy.zeros(SIZE, dtype="float64") + 0 for _ in range(2)]
    (twin,) = [twin for twin in take_stock().twins if twin.dtype == "float64"]
    assert (twin.copies, twin.bytes, twin.extra_bytes) == (2, SIZE * 8, SIZE * 8)
    assert first[1] == second[1]
    assert len(zeros) == 2


def test_arrays_that_differ_in_one_number_are_no_twins():
    first, second = (numpy.arange(SIZE, dtype="complex64") for _ in range(2))
    second[SIZE // 3] += 1
    assert [twin for twin in take_stock().twins if twin.dtype == "complex64"] == []
    assert first[0] == second[0]


def test_pages_of_a_mapped_file_are_not_private(tmp_path):
    numpy.arange(SIZE, dtype="int16").tofile(tmp_path / "data")
    mapped = numpy.memmap(tmp_path / "data", dtype="int16", mode="r")
    assert int(mapped.sum()) is not None  # touched
    found = of(take_stock(), "int16")
    assert found.bytes == found.resident_bytes == SIZE * 2
    assert found.private_bytes == 0


def test_an_array_in_an_untracked_dict_is_found():
    holder = {"weights": numpy.ones(SIZE, dtype="longdouble")}
    assert of(take_stock(), str(holder["weights"].dtype)).bytes == SIZE * holder["weights"].itemsize
