"""The real model: its ledger adds up, and its weights are private only if they are not a mapped file."""

from __future__ import annotations

from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.analysis.suite.stages import STAGES
from fwmemtrace.recording.workers import worker_path
from fwmemtrace.records import SuiteArrays
from fwmemtrace.suite.fresh_process import run_task
from fwmemtrace.suite.protocol import ChildTask

pytestmark = pytest.mark.guard
SPEC = str(Path(__file__).with_name("planted") / "minilm.py")
WEIGHTS = 90_000_000


def run(position, purpose, probes, folder):
    trace = folder / "s.bin"
    task = ChildTask(spec=SPEC, positions=[position], purpose=purpose, probes=probes, trace=str(trace), session_id="x")
    ended = run_task(task, folder, timeout=600)
    assert ended.outcome == "ok", ended.message
    return fwmemtrace.read(worker_path(trace, ended.pid))


def test_the_ledger_of_every_phase_adds_up_with_little_unexplained(tmp_path):
    report = run(0, "resident", ["resident", "mappings", "imports"], tmp_path).summary()
    change = {row.path: row.resident.delta_bytes for row in report.phases}
    ledgers = {row.path: row for row in report.ledger}
    assert set(STAGES) <= set(ledgers)
    assert change["init"] > 300_000_000
    for path in STAGES:
        row = ledgers[path]
        total = sum(item.bytes for item in row.items) + row.unexplained_bytes
        assert total == pytest.approx(change[path], abs=max(abs(change[path]) * 0.01, 100_000))
        assert abs(row.unexplained_bytes) < max(abs(change[path]) * 0.05, 2_000_000)


@pytest.mark.parametrize(("position", "private"), [(0, 0), (1, WEIGHTS)])
def test_weights_are_private_only_if_they_were_copied(tmp_path, position, private):
    trace = run(position, "use", ["resident"], tmp_path)
    (stock,) = [record for record in trace if isinstance(record, SuiteArrays)]
    parameters = [row for row in stock.arrays if row.parameters]
    assert sum(row.bytes for row in parameters) == pytest.approx(WEIGHTS, rel=0.05)
    assert sum(row.private_bytes for row in parameters) == pytest.approx(private, rel=0.05, abs=WEIGHTS // 50)
