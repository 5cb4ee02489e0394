"""The control group of a process: where it is made, that it is removed, and how a kill is reported."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import psutil
import pytest

from fwmemtrace.errors import SuiteError
from fwmemtrace.suite import limits
from fwmemtrace.suite.fresh_process import run_task
from fwmemtrace.suite.limits import CgroupLimit, find_cgroup
from fwmemtrace.suite.protocol import ChildTask
from fwmemtrace.system import cgroup
from fwmemtrace.system.cgroup import Group

pytestmark = pytest.mark.skipif(not psutil.LINUX, reason="control groups are Linux's")


class Kernel:
    """A tree of groups as folders: "around" with this process's group "own" inside."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.around, self.own = folder / "around", folder / "around/own"
        for place in (self.around, self.own):
            place.mkdir()
            (place / "cgroup.procs").touch()
            (place / "memory.max").write_text("max\n")
            (place / "cgroup.subtree_control").write_text("\n")
        found = [Group("/around/own", str(self.own)), Group("/around", str(self.around))]
        monkeypatch.setattr(cgroup, "groups", lambda: found)

    def delegate(self, place: Path) -> None:
        (place / "cgroup.subtree_control").write_text("cpu memory\n")

    def where(self) -> Path | None:
        limit = find_cgroup()
        return None if limit is None else limit._parent


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    return Kernel(tmp_path, monkeypatch)


def test_without_a_memory_controller_there_is_no_group(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    (kernel.around / "cgroup.subtree_control").write_text("cpu io\n")
    assert kernel.where() is None
    monkeypatch.setattr(cgroup, "groups", list)
    assert kernel.where() is None


def test_the_innermost_group_that_delegates_memory_is_used(kernel: Kernel) -> None:
    kernel.delegate(kernel.around)
    assert kernel.where() == kernel.around
    kernel.delegate(kernel.own)
    assert kernel.where() == kernel.own
    assert sorted(path.name for path in kernel.own.iterdir() if path.is_dir()) == []


def test_no_process_is_moved_out_of_a_group_with_a_limit(kernel: Kernel) -> None:
    kernel.delegate(kernel.around)
    (kernel.own / "memory.max").write_text("1000000\n")
    assert kernel.where() is None


def test_a_group_that_refuses_children_is_not_used(kernel: Kernel, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *arguments: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    kernel.delegate(kernel.around)
    monkeypatch.setattr(Path, "mkdir", refuse)
    assert kernel.where() is None


def test_a_control_group_gets_its_limit_and_its_process(tmp_path: Path) -> None:
    group = CgroupLimit(tmp_path).enter(123, 5_000_000)
    assert group.parent == tmp_path
    assert (group / "memory.max").read_text() == "5000000"
    assert (group / "cgroup.procs").read_text() == "123"


@pytest.mark.parametrize(
    ("events", "limit"),
    [
        ("low 0\nhigh 0\nmax 4\noom 0\noom_kill 0\n", ""),
        ("low 0\nhigh 0\nmax 4\noom 1\noom_kill 1\noom_group_kill 0\n", "its control group's limit"),
        ("low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\n", "outer control group"),
    ],
)
def test_a_kill_at_the_group_s_limit_differs_from_one_at_an_outer_limit(
    tmp_path: Path, events: str, limit: str
) -> None:
    assert CgroupLimit.killed(tmp_path) == ""
    (tmp_path / "memory.events").write_text(events)
    assert bool(CgroupLimit.killed(tmp_path)) == bool(limit)
    assert limit in CgroupLimit.killed(tmp_path)


def test_processes_that_a_component_left_are_killed_with_its_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, signal: killed.append((pid, signal)))
    monkeypatch.setattr(limits, "_GONE_S", 0)
    # The kernel shows 0 for a process outside this pid namespace; to kill() it means this process.
    (tmp_path / "cgroup.procs").write_text("0\n4242\n")
    CgroupLimit.leave(tmp_path)
    assert killed == [(4242, signal.SIGKILL)]
    assert not (tmp_path / "cgroup.kill").exists()
    (tmp_path / "cgroup.kill").touch()
    CgroupLimit.leave(tmp_path)
    assert (tmp_path / "cgroup.kill").read_text() == "1"
    assert len(killed) == 1


class Refusing(CgroupLimit):
    """A kernel that makes a group but lets no process into it."""

    def enter(self, pid: int, limit: int) -> Path:
        self.pid = pid
        (self._parent / f"fwmemtrace-{pid}/cgroup.procs").mkdir(parents=True)
        return super().enter(pid, limit)


def test_a_process_that_cannot_be_limited_does_not_wait_forever(tmp_path: Path) -> None:
    task = ChildTask(
        spec="none.py", positions=[0], purpose="resident", probes=[], trace=str(tmp_path / "t"), session_id="x"
    )
    limit = Refusing(tmp_path)
    with pytest.raises(SuiteError, match="leave out --memory-limit"):
        run_task(task, tmp_path, timeout=600, cgroup=limit, limit=1_000_000)
    assert not psutil.pid_exists(limit.pid)


class Interrupted(CgroupLimit):
    """Ctrl-C is pressed as soon as the process is in its group."""

    def enter(self, pid: int, limit: int) -> Path:
        self.left: list[Path] = []
        folder = super().enter(pid, limit)
        (folder / "memory.events").write_text("oom 0\noom_kill 0\n")
        return folder

    def leave(self, folder: Path) -> None:  # type: ignore[override]
        self.left.append(folder)


def test_an_interrupted_suite_leaves_no_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Path, *arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    task = ChildTask(
        spec="none.py", positions=[0], purpose="resident", probes=[], trace=str(tmp_path / "t"), session_id="x"
    )
    limit = Interrupted(tmp_path)
    monkeypatch.setattr(Path, "touch", interrupt)
    with pytest.raises(KeyboardInterrupt):
        run_task(task, tmp_path, cgroup=limit, limit=1_000_000)
    assert len(limit.left) == 1
