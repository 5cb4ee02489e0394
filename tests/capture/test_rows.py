"""The tuples that a capture is read as, against the attributes of memray's records."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from fwmemtrace.capture import capture_file
from fwmemtrace.capture.capture_file import _FIELDS, CaptureFile, _tuples_of

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


def test_tuples_have_the_attributes_of_the_records(path, monkeypatch):
    monkeypatch.setattr(capture_file, "parser_for", lambda path: None)
    records = list(memray.FileReader(str(path)).get_allocation_records())
    expected = [tuple(getattr(record, name) for name in NAMES) for record in records]
    with CaptureFile(path) as capture:
        batches = list(capture.batches())
    assert len(batches) > 1
    assert [row for batch in batches for row in batch] == expected


def test_memray_still_keeps_the_fields_of_a_record_in_one_tuple(path):
    record = next(iter(memray.FileReader(str(path)).get_allocation_records()))
    assert _tuples_of(record)([record])[0] is _tuples_of(record)([record])[0], "reading by attributes is slow"


def test_records_without_such_a_tuple_are_read_by_their_attributes():
    records = [SimpleNamespace(**dict(zip(NAMES, range(start, start + 8), strict=True))) for start in (1, 11)]
    assert (
        _tuples_of(records[0])(records)
        == [_FIELDS(record) for record in records]
        == [tuple(range(1, 9)), tuple(range(11, 19))]
    )
