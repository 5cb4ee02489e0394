"""What the probe `resident` reads besides RSS: control groups, USS and PSS."""

from __future__ import annotations

import mmap
from collections.abc import Callable
from itertools import count
from pathlib import Path

import psutil
import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.probes.governor import Governor
from fwmemtrace.records import CgroupReading, Footprint, Note, PhaseBegin
from fwmemtrace.sinks.memory import MemorySink
from fwmemtrace.system import proc


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Makes control groups as the kernel lays them out, with this process in one of them."""

    def make(own: str, **files: str) -> Path:
        mount, own_proc = tmp_path / "mount", tmp_path / "proc"
        own_proc.mkdir(exist_ok=True)
        (own_proc / "cgroup").write_text(f"4:memory:/ignored\n0::{own}\n")
        (own_proc / "mountinfo").write_text(f"28 25 0:25 / {mount} rw - cgroup2 none rw\n")
        folder = mount / own.lstrip("/")
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name.replace("_", ".", 1)).write_text(f"{text}\n")
        monkeypatch.setattr(proc, "PROC", str(own_proc))
        return folder

    return make


def readings(sink: MemorySink) -> list[CgroupReading]:
    return [record for record in sink.records if isinstance(record, CgroupReading)]


def figures(sink: MemorySink) -> set[tuple[int, int | None, int | None, str, int | None]]:
    return {
        (each.current_bytes, each.peak_bytes, each.limit_bytes, each.limit_group, each.limit_current_bytes)
        for each in readings(sink)
    }


def test_the_control_group_is_read(kernel: Callable[..., Path]) -> None:
    kernel("/service", memory_current="500", memory_peak="700", memory_max="1000")
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("a"):
        pass
    assert figures(sink) == {(500, 700, 1000, "", None)}


def test_a_control_group_without_limit_on_a_kernel_without_peaks(kernel: Callable[..., Path]) -> None:
    kernel("/service", memory_current="500", memory_max="max")
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0):
        pass
    assert figures(sink) == {(500, None, None, "", None)}


@pytest.mark.parametrize(
    ("own", "around", "limit", "group", "held"),
    [
        ("max", "1000", 1000, "/outer", 800),
        ("2000", "1000", 1000, "/outer", 800),
        ("600", "1000", 600, "", None),
        ("1000", "1000", 1000, "", None),
    ],
)
def test_the_limit_is_the_smallest_of_all_groups_around(
    kernel: Callable[..., Path], own: str, around: str, limit: int, group: str, held: int | None
) -> None:
    kernel("/outer", memory_current="800", memory_peak="900", memory_max=around)
    kernel("/outer/inner", memory_current="500", memory_peak="700", memory_max=own)
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0):
        pass
    assert figures(sink) == {(500, 700, limit, group, held)}


@pytest.mark.slow
def test_a_program_without_outer_phases_has_its_group_read_too(
    kernel: Callable[..., Path], wait_until: Callable[[Callable[[], object]], None]
) -> None:
    folder = kernel("/service", memory_current="500", memory_max="max")
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0.01), phase("outer"):
        (folder / "new").write_text("600\n")
        (folder / "new").replace(folder / "memory.current")
        wait_until(lambda: max(each.current_bytes for each in readings(sink)) >= 600)
        inside = list(readings(sink))
    assert {each.current_bytes for each in inside} == {500, 600}


@pytest.mark.parametrize("files", [{}, {"memory_max": "max"}])
def test_without_a_control_group_there_is_no_reading(kernel: Callable[..., Path], files: dict[str, str]) -> None:
    kernel("/", **files)  # a root group has no memory.current
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("a"):
        pass
    assert readings(sink) == []


def footprints(sink: MemorySink) -> list[Footprint]:
    return [record for record in sink.records if isinstance(record, Footprint)]


@pytest.mark.skipif(not psutil.LINUX, reason="PSS is Linux's")
def test_uss_and_pss_are_read_at_outer_phases_only(
    new_memory: Callable[[int], mmap.mmap], eventually: Callable[[Callable[[], None]], None]
) -> None:
    def check() -> None:
        sink = MemorySink()
        with fwmemtrace.session(sink, interval=0), phase("outer"):
            with phase("inner"):
                pass
            ballast = new_memory(64_000_000)
        ballast.close()
        spans = {record.span: record.name for record in sink.records if isinstance(record, PhaseBegin)}
        before, after, last = footprints(sink)
        edges = [(spans.get(each.span, ""), each.edge) for each in (before, after, last)]
        assert edges == [("outer", "begin"), ("outer", "end"), ("", "end")]
        assert abs(after.uss_bytes - before.uss_bytes - 64_000_000) < 1_000_000
        assert 0 < after.uss_bytes <= after.pss_bytes <= after.rss_bytes <= after.vms_bytes

    eventually(check)


@pytest.mark.skipif(not psutil.LINUX, reason="smaps is Linux's")
def test_a_reading_of_the_mappings_gives_the_footprint_too(
    new_memory: Callable[[int], mmap.mmap],
    monkeypatch: pytest.MonkeyPatch,
    eventually: Callable[[Callable[[], None]], None],
) -> None:
    opened = []
    monkeypatch.setattr(
        "fwmemtrace.system.proc_meter.open",
        lambda path, mode: opened.append(path) or open(path, mode),  # noqa: SIM115 - the caller closes it
        raising=False,
    )
    # A second after the mappings were read, a footprint would be a walk of its own: on a busy machine that can be.
    monkeypatch.setattr("fwmemtrace.system.proc_meter._SAME_NS", 10**15)

    def check() -> None:
        sink = MemorySink()
        with fwmemtrace.session(sink, probes=["mappings"], interval=0), phase("outer"):
            ballast = new_memory(64_000_000)
        full = psutil.Process().memory_full_info()
        ballast.close()
        before, after = footprints(sink)[:2]
        assert abs(after.uss_bytes - before.uss_bytes - 64_000_000) < 1_000_000
        assert abs(after.uss_bytes - full.uss) < 2_000_000
        assert abs(after.pss_bytes - full.pss) < 2_000_000
        assert after.swap_bytes == full.swap

    eventually(check)
    assert opened == []


@pytest.mark.skipif(not psutil.LINUX, reason="there is no budget to keep elsewhere: psutil is always slow")
def test_hot_outer_phases_have_no_footprint_each(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = count(0, 100_000)  # a tenth of a millisecond from one look at it to the next
    monkeypatch.setattr("fwmemtrace.probes.resident.probe.perf_counter_ns", lambda: next(clock))
    monkeypatch.setattr(Governor.__init__, "__defaults__", (None, lambda: next(clock)))
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0):
        for _ in range(300):
            with phase("request"):
                pass
    # One takes 0.1 ms, a hundredth of the time until the next; both edges of a phase have one, and the session's end.
    assert 3 <= len(footprints(sink)) <= 13


def test_a_footprint_that_cannot_be_read_is_noted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise PermissionError("smaps_rollup")

    monkeypatch.setattr("fwmemtrace.system.proc_meter.ProcMeter.usage", refuse)
    monkeypatch.setattr("fwmemtrace.system.psutil_meter.PsutilMeter.usage", refuse)
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0):
        for _ in range(5):
            with phase("a"):
                pass
    (note,) = [record for record in sink.records if isinstance(record, Note)]
    assert "USS and PSS cannot be read here" in note.message
