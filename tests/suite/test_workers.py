"""Processes that a component starts: their private memory counts, and they end with the component."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.suite.private_memory import WorkerProcesses, private_memory

from .conftest import PLANTED, run_suite

MB = 1_000_000

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads private pages from /proc")


@pytest.mark.slow
def test_the_memory_of_workers_counts_for_the_component_the_service_and_the_plan(tmp_path):
    arguments = ("--repeat", "1", "--quick", "--budget", "60MB")
    done = run_suite(PLANTED / "workers.py", tmp_path / "s.bin", *arguments)
    assert done.status == 1, done.errors
    pool, rows = done.component("pool"), done.component("rows")
    assert (pool["worker_processes"], rows["worker_processes"]) == (1, 0)
    assert pool["held"]["median_bytes"] > pool["worker_bytes"] > 60 * MB
    assert done.suite["budget"]["worker_bytes"] > 60 * MB
    parts = {part["name"]: part["marginal_bytes"] for part in done.suite["sharing"]["order"]}
    assert parts["pool"] > 60 * MB > 20 * MB > parts["rows"]
    plan = done.suite["plan"]
    assert plan["within_budget"]
    assert [step["subject"] for step in plan["steps"]] == ["small"]
    assert 40 * MB < plan["now"]["median_bytes"] - plan["result"]["median_bytes"] < 60 * MB
    assert {part["component"]: part["bytes"] > 10 * MB for part in plan["parts"]} == {"pool": True, "rows": False}
    text = " ".join(fwmemtrace.read(done.trace).report("text", width=80).split())
    assert "; the 1 process that it started has " in text
    assert "of a bare interpreter and the " in text
    assert "worker processes: pool" in text
    assert _running("held = bytearray") == []


@pytest.mark.slow
def test_a_forked_worker_counts_and_writes_no_trace(tmp_path):
    done = run_suite(f"{PLANTED / 'workers.py'}:forking", tmp_path / "s.bin", "--repeat", "1", "--quick")
    assert done.status == 0, done.errors
    component = done.component("forked")
    assert component["outcome"] == "ok"
    assert component["worker_processes"] == 1
    assert component["worker_bytes"] > 30 * MB
    assert {len(path.name.split(".")) for path in tmp_path.glob("s.*.bin")} == {3}


def _running(text: str) -> list[int]:
    """The processes with that text in their command."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                command = Path("/proc", name, "cmdline").read_bytes()
            except OSError:
                continue
            if text.encode() in command:
                found.append(int(name))
    return found


def test_each_process_counts_for_the_component_that_started_it():
    workers = WorkerProcesses()
    assert list(workers.measured()) == []
    workers.assign("other tests")
    processes = []
    try:
        for component in ("a", "b", "b"):
            process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            processes.append(process)
            process.stdin.write(b"x")
            process.stdin.flush()
            process.stdout.read(1)  # it is the new program by now
            workers.assign(component)
        counts = {one.component: one.count for one in workers.measured()}
        assert (counts["a"], counts["b"]) == (1, 2)
        processes[0].communicate()
        assert {one.component for one in workers.measured()} - {"other tests"} == {"b"}
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def test_private_memory_is_that_of_the_process():
    private, clean = private_memory(os.getpid())
    assert 0 <= clean < private
