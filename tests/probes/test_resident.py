"""What the resident probe reads besides RSS at the edges."""

from __future__ import annotations

import mmap
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.probes import resident
from fwmemtrace.records import CgroupReading, Footprint, Note, PhaseBegin
from fwmemtrace.sinks.memory import MemorySink


def cgroup(folder: Path, monkeypatch: pytest.MonkeyPatch, *, inside: str = "service", **files: str) -> None:
    """A control group as the kernel lays it out."""
    (folder / inside).mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / inside / name.replace("_", ".", 1)).write_text(text)
    (folder / "self").write_text("4:memory:/ignored\n0::/service\n")
    monkeypatch.setattr(resident, "CGROUP_ROOT", folder)
    monkeypatch.setattr(resident, "SELF_CGROUP", folder / "self")


def readings(sink: MemorySink) -> list[tuple[int, int | None, int | None]]:
    return [
        (record.current_bytes, record.peak_bytes, record.limit_bytes)
        for record in sink.records
        if isinstance(record, CgroupReading)
    ]


def test_the_control_group_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cgroup(tmp_path, monkeypatch, memory_current="500\n", memory_peak="700\n", memory_max="1000\n")
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("a"):
        pass
    assert set(readings(sink)) == {(500, 700, 1000)}


def test_a_control_group_without_limit_on_a_kernel_without_peaks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cgroup(tmp_path, monkeypatch, inside=".", memory_current="500\n", memory_max="max\n")
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0):
        pass
    assert set(readings(sink)) == {(500, None, None)}


def test_no_control_group_no_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cgroup(tmp_path, monkeypatch)
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("a"):
        pass
    assert readings(sink) == []
    monkeypatch.setattr(resident, "SELF_CGROUP", tmp_path / "nothing")
    assert resident.find_cgroup() is None


def footprints(sink: MemorySink) -> list[Footprint]:
    return [record for record in sink.records if isinstance(record, Footprint)]


@pytest.mark.skipif(not psutil.LINUX, reason="PSS is Linux's")
def test_uss_and_pss_are_read_at_outer_phases_only(new_memory: Callable[[int], mmap.mmap]) -> None:
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0), phase("outer"):
        with phase("inner"):
            pass
        ballast = new_memory(64_000_000)
    assert len(ballast) == 64_000_000
    spans = {record.span: record.name for record in sink.records if isinstance(record, PhaseBegin)}
    found = footprints(sink)
    assert [(spans.get(each.span, ""), each.edge) for each in found[:2]] == [("outer", "begin"), ("outer", "end")]
    assert {spans.get(each.span, "") for each in found} <= {"outer", ""}
    before, after = found[0], found[1]
    assert abs(after.uss_bytes - before.uss_bytes - 64_000_000) < 1_000_000
    assert 0 < after.uss_bytes <= after.pss_bytes <= after.rss_bytes <= after.vms_bytes


@pytest.mark.skipif(not psutil.LINUX, reason="there is no budget to keep elsewhere: psutil is always slow")
def test_hot_outer_phases_do_not_pay_for_a_footprint_each() -> None:
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0):
        began = time.perf_counter()
        for _ in range(300):
            with phase("request"):
                pass
        took = time.perf_counter() - began
    spent = len(footprints(sink))
    assert spent < 300, f"{spent} footprints in {took:.3f} s"


def test_a_footprint_that_cannot_be_read_is_noted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: object) -> None:
        raise PermissionError("smaps_rollup")

    monkeypatch.setattr("fwmemtrace.probes.process_memory.ProcMeter.usage", refuse)
    monkeypatch.setattr("fwmemtrace.probes.process_memory.PsutilMeter.usage", refuse)
    sink = MemorySink()
    with fwmemtrace.session(sink, interval=0):
        for _ in range(5):
            with phase("a"):
                pass
    (note,) = [record for record in sink.records if isinstance(record, Note)]
    assert "USS and PSS cannot be read here" in note.message
