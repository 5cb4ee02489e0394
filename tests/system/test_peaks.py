"""Each phase's peak is the largest value while it was open, however phases overlap."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwmemtrace.system.peaks import PeakMeter


class Memory:
    """A fake kernel: a level that moves, and its high-water mark."""

    def __init__(self) -> None:
        self.level = self.mark = 0
        self.history: list[int] = []

    def move(self, level: int) -> None:
        self.level = level
        self.mark = max(self.mark, level)
        self.history.append(level)

    def reset(self) -> None:
        self.mark = self.level


@given(st.lists(st.tuples(st.sampled_from(["begin", "end", "move"]), st.integers(0, 1000)), max_size=200))
def test_peaks_of_phases_that_overlap_in_any_way(steps: list[tuple[str, int]]) -> None:
    memory = Memory()
    meter = PeakMeter(lambda: memory.mark, memory.reset)
    open_phases: list[tuple[int, int, int]] = []  # edge, level, length of the history then
    for action, number in steps:
        if action == "move":
            memory.move(number)
        elif action == "begin":
            open_phases.append((meter.edge(), memory.level, len(memory.history)))
        elif open_phases:
            edge, level, since = open_phases.pop(number % len(open_phases))
            meter.edge()
            assert meter.since(edge) == max([level, *memory.history[since:]])


def test_nothing_is_kept_that_no_phase_can_ask_for() -> None:
    level = 0
    meter = PeakMeter(lambda: level, lambda: None)
    for level in range(1000, 0, -1):  # noqa: B007  (read by the meter)
        meter.edge()
    assert len(meter._windows) == 1000
    meter.forget()
    edge = meter.edge()
    level = 7
    meter.edge()
    assert meter.since(edge) == 7
    assert len(meter._windows) == 1


def test_after_the_stop_nothing_is_read_or_reset() -> None:
    calls: list[str] = []

    def read() -> int:
        calls.append("read")
        return 7

    meter = PeakMeter(read, lambda: calls.append("reset"))
    edge = meter.edge()
    meter.stop()
    meter.edge()
    meter.skip()
    assert calls == ["read", "reset"]
    assert (meter.largest, meter.since(edge)) == (7, 0)
