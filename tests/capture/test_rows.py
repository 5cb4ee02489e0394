"""The tuples that a capture is read as, against what memray's records say attribute by attribute."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fwmemtrace.capture.capture_file import _FIELDS, CaptureFile, _rows_of

memray = pytest.importorskip("memray")
NAMES = (
    *("tid", "address", "size", "allocator", "stack_id", "n_allocations"),
    *("native_stack_id", "native_segment_generation"),
)


@pytest.fixture(scope="module", params=[False, True], ids=["python", "native"])
def path(request, tmp_path_factory):
    path = tmp_path_factory.mktemp("rows") / "capture.bin"
    with memray.Tracker(path, native_traces=request.param):
        kept = [bytearray(600 + size) for size in range(3000)]
        del kept
    return path


def test_rows_are_what_the_records_say(path):
    records = list(memray.FileReader(str(path)).get_allocation_records())
    expected = [tuple(getattr(record, name) for name in NAMES) for record in records]
    with CaptureFile(path) as capture:
        batches = list(capture.batches())
    assert len(batches) > 1
    assert [row for batch in batches for row in batch] == expected


def test_memray_still_keeps_a_record_as_one_tuple(path):
    record = next(iter(memray.FileReader(str(path)).get_allocation_records()))
    assert _rows_of(record)([record])[0] is _rows_of(record)([record])[0], "read by attributes: right, but slow"


def test_records_that_are_kept_in_another_way_are_read_by_their_attributes():
    records = [SimpleNamespace(**dict(zip(NAMES, range(start, start + 8), strict=True))) for start in (1, 11)]
    assert (
        _rows_of(records[0])(records)
        == [_FIELDS(record) for record in records]
        == [tuple(range(1, 9)), tuple(range(11, 19))]
    )
