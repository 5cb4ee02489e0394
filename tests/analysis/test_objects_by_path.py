"""Object censuses, folded by phase path."""

from __future__ import annotations

from fwmemtrace.analysis.objects import ObjectsFold
from fwmemtrace.records import ObjectCensus, ObjectRow


def test_the_calls_of_a_path_add_up():
    fold = ObjectsFold()
    fold.add(ObjectCensus(1, 10, 1000, 3, 300, [ObjectRow("a.A", 5, 500, 3, 300)]), ("request",))
    fold.add(
        ObjectCensus(2, 12, 1100, 2, 100, [ObjectRow("a.A", 6, 600, 1, 100), ObjectRow("b.B", 1, 1, 1, 0)]),
        ("request",),
    )
    fold.add(ObjectCensus(3, 12, 1100, 0, 0, [ObjectRow("a.A", 7, 700, 1, 100)]), ("other",))
    found = fold.result()["request",]
    assert (found.delta_count, found.delta_bytes, found.calls) == (5, 400, 2)
    assert [(row.type, row.count, row.delta_count, row.delta_bytes) for row in found.top] == [
        ("a.A", 6, 4, 400),
        ("b.B", 1, 1, 0),
    ]
    assert len(fold.result(top=1)["request",].top) == 1
    assert fold.result()["other",].calls == 1


def test_a_type_without_a_change_is_left_out():
    fold = ObjectsFold()
    fold.add(ObjectCensus(1, 1, 1, 1, 10, [ObjectRow("a.A", 1, 10, 1, 10)]), ("p",))
    fold.add(ObjectCensus(2, 0, 0, -1, -10, [ObjectRow("a.A", 0, 0, -1, -10)]), ("p",))
    assert fold.result()["p",].top == []


def test_what_the_tracer_s_own_calls_add_is_left_out():
    fold = ObjectsFold()
    for call in range(20):
        rows = [
            ObjectRow("builtins.list", 100, 6000, 1, 56),  # each call seems to add one, and there are never more
            ObjectRow("builtins.method", 50, 3200, -1, -64),
            ObjectRow("builtins.dict", 100 + call, 6400, 1, 64),  # a leak of one a call
            ObjectRow("builtins.bytes", 9, 10**6, 1 if not call else 0, 10**6 if not call else 0),
            ObjectRow("_contextvars.Context", 1, 64, 1 if not call else 0, 64 if not call else 0),
        ]
        fold.add(ObjectCensus(call + 1, 0, 0, 1, 56, rows), ("p",))
    assert [row.type for row in fold.result()["p",].top] == ["builtins.bytes", "builtins.dict"]
