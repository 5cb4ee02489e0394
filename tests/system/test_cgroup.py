"""Finding a process's control groups and their files, whatever is mounted."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwmemtrace.system.cgroup import Group, counting, figure, groups, memory_groups, tightest


class Kernel:
    """A process as /proc and the mounts show it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proc = folder / "proc"
        self.proc.mkdir()
        (self.proc / "mountinfo").write_text("22 1 0:21 / /proc rw - proc proc rw\n")

    def own(self, path: str) -> None:
        (self.proc / "cgroup").write_text(f"1:name=systemd:/old\n0::{path}\n")

    def mount(self, root: str, point: str, kind: str = "cgroup2") -> None:
        where = str(self.folder / point).replace(" ", r"\040")
        with (self.proc / "mountinfo").open("a") as file:
            file.write(f"28 25 0:25 {root} {where} rw,relatime shared:9 - {kind} none rw\n")

    def group(self, folder: str, **files: str) -> str:
        place = self.folder / folder
        place.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (place / name.replace("_", ".", 1)).write_text(f"{text}\n")
        return str(place)

    def found(self) -> list[tuple[str, str]]:
        return [(path, str(Path(folder).relative_to(self.folder))) for path, folder, _ in groups(str(self.proc))]


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


def test_the_whole_tree_is_mounted(kernel: Kernel) -> None:
    kernel.own("/a/b")
    kernel.mount("/", "cgroup")
    kernel.group("cgroup/a/b")
    assert kernel.found() == [("/a/b", "cgroup/a/b"), ("/a", "cgroup/a"), ("/", "cgroup")]


def test_a_namespace_whose_root_is_the_own_group(kernel: Kernel) -> None:
    kernel.own("/")
    kernel.mount("/", "cgroup")
    kernel.group("cgroup", memory_current="5")
    assert kernel.found() == [("/", "cgroup")]


def test_the_own_group_is_mounted_over_the_tree(kernel: Kernel) -> None:
    kernel.own("/docker/x")
    kernel.mount("/", "cgroup")
    kernel.mount("/docker/x", "cgroup")
    kernel.group("cgroup")
    assert kernel.found() == [("/docker/x", "cgroup")]


def test_a_process_moved_out_of_its_namespace_is_not_at_its_root(kernel: Kernel) -> None:
    kernel.own("/../../limited")
    kernel.mount("/", "cgroup")
    kernel.group("cgroup", memory_current="5")
    assert kernel.found() == []
    kernel.mount("/../..", "old place")
    kernel.group("old place/limited")
    assert kernel.found() == [("/../../limited", "old place/limited"), ("/../..", "old place")]


def test_a_namespace_that_sees_its_parent_s_mount(kernel: Kernel) -> None:
    kernel.own("/")
    kernel.mount("/..", "cgroup")
    kernel.group("cgroup/limited", memory_current="5")
    assert kernel.found() == []


def test_both_versions_at_once(kernel: Kernel) -> None:
    kernel.own("/a")
    kernel.mount("/", "cgroup/memory", kind="cgroup")
    kernel.mount("/", "cgroup/unified")
    kernel.group("cgroup/memory/a", memory_current="1")
    kernel.group("cgroup/unified/a")
    assert kernel.found() == [("/a", "cgroup/unified/a"), ("/", "cgroup/unified")]


@pytest.mark.parametrize("own", ["/gone (deleted)", "/never"])
def test_a_missing_group(kernel: Kernel, own: str) -> None:
    kernel.own(own)
    kernel.mount("/", "cgroup")
    kernel.group("cgroup")
    assert kernel.found() == []


def test_no_proc_and_no_version_2(kernel: Kernel) -> None:
    assert groups(str(kernel.folder / "none")) == []
    (kernel.proc / "cgroup").write_text("4:memory:/x\n")
    kernel.mount("/", "cgroup")
    kernel.group("cgroup/x")
    assert kernel.found() == []


def test_memory_is_counted_in_the_nearest_group_with_the_controller(kernel: Kernel) -> None:
    kernel.own("/a/b")
    kernel.mount("/", "cgroup")
    kernel.group("cgroup/a/b")
    kernel.group("cgroup/a", memory_current="5")
    assert [group.path for group in counting(groups(str(kernel.proc)))] == ["/a", "/"]
    (kernel.folder / "cgroup/a/memory.current").unlink()
    assert counting(groups(str(kernel.proc))) == []


def test_the_tightest_limit_is_the_nearest_of_the_smallest(kernel: Kernel) -> None:
    a, b, c = (
        Group(name, kernel.group(name, memory_max=text)) for name, text in {"a": "max", "b": "7", "c": "7"}.items()
    )
    assert tightest([a, b, c]) == (7, b)
    assert tightest([a]) is None
    assert (figure(b, "memory.max"), figure(a, "memory.max"), figure(a, "memory.peak")) == (7, None, None)


def test_a_memory_controller_of_version_1(kernel: Kernel) -> None:
    kernel.own("/")  # version 2 is mounted, too, without the controller
    kernel.mount("/", "unified")
    kernel.group("unified")
    with (kernel.proc / "cgroup").open("a") as file:
        file.write("7:cpu,memory:/pods/one\n")
    with (kernel.proc / "mountinfo").open("a") as file:
        file.write(f"32 31 0:29 / {kernel.folder}/cpu rw,relatime - cgroup cgroup rw,cpuset\n")
        file.write(f"35 31 0:32 / {kernel.folder}/memory rw,relatime - cgroup cgroup rw,cpu,memory\n")
    none = 9223372036854771712
    kernel.group("memory", memory_usage_in_bytes="9000", memory_limit_in_bytes=str(none))
    kernel.group("memory/pods", memory_usage_in_bytes="800", memory_limit_in_bytes="1000")
    kernel.group("memory/pods/one", memory_usage_in_bytes="70", memory_limit_in_bytes=str(none))
    found = memory_groups(str(kernel.proc))
    assert [group.path for group in found] == ["/pods/one", "/pods"]
    assert figure(found[0], "memory.current") == 70
    assert figure(found[0], "memory.max") is None
    assert tightest(found) == (1000, found[1])
