"""The map of ranges against a model that keeps every byte of each."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fwmemtrace.capture import ranges
from fwmemtrace.capture.ranges import RangeMap

STEPS = st.tuples(st.sampled_from(["add", "add", "remove", "touches"]), st.integers(0, 60), st.integers(0, 25))


@example([("add", 0, 2), ("touches", 1, 0)], 100)
@given(st.lists(STEPS, max_size=40), st.sampled_from([5, 100]))
def test_the_map_agrees_with_a_model_of_single_bytes(steps, long):
    before, ranges._LONG = ranges._LONG, long  # so small that some ranges are long ones
    try:
        mapped = RangeMap()
        model: dict[int, set[int]] = {}
        for number, (kind, start, size) in enumerate(steps):
            stretch = set(range(start, start + size))
            if kind == "add":
                mapped.add(start, size, number)
                model[number] = stretch
            elif kind == "remove":
                lost: dict[int, int] = {}
                for part, count in mapped.remove(start, size):
                    lost[part.owner] = lost.get(part.owner, 0) + count
                assert lost == {owner: len(held & stretch) for owner, held in model.items() if held & stretch}
                model = {owner: held - stretch for owner, held in model.items()}
            else:
                assert mapped.touches(start, size) == any(held & stretch for held in model.values())
        held: dict[int, set[int]] = {}
        for part in mapped:
            held.setdefault(part.owner, set()).update(range(part.start, part.end))
        assert held == {owner: held for owner, held in model.items() if held}
    finally:
        ranges._LONG = before
