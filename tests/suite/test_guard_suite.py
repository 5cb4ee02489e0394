"""The example's four components, one of them a BART of the published size: every ledger adds up."""

from __future__ import annotations

import runpy
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace import results
from fwmemtrace.analysis.suite.stages import STAGES
from fwmemtrace.recording.workers import worker_path
from fwmemtrace.suite.fresh_process import run_task
from fwmemtrace.suite.protocol import ChildTask

from .conftest import PLANTED

pytestmark = pytest.mark.guard
EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = ["pattern gate", "embedding guard", "NLI validator", "session cache"]
LIGHT = ["resident", "mappings", "imports"]


@pytest.fixture(scope="module")
def models() -> Iterator[Path]:
    """The example's models, 2.4 GB, which exist only while these tests run."""
    script = runpy.run_path(str(EXAMPLES / "make_models.py"))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        script["make_nli"](Path(folder))
        patch.setenv("GUARD_MODELS", folder)
        patch.setenv("HF_HUB_OFFLINE", "1")
        yield Path(folder)


@pytest.fixture(scope="module")
def report_of(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], results.TraceReport]:
    """Returns the report of a component, which runs once."""

    @cache
    def report(name: str) -> results.TraceReport:
        return run(NAMES.index(name), tmp_path_factory.mktemp("component"))

    return report


@pytest.mark.parametrize("name", NAMES)
def test_the_ledger_of_every_phase_adds_up_with_little_unexplained(
    report_of: Callable[[str], results.TraceReport], name: str
) -> None:
    report = report_of(name)
    ledgers = {row.path: row for row in report.ledger or []}
    changes = {row.path: row.resident.delta_bytes for row in report.phases if row.resident is not None}
    assert set(STAGES) <= set(ledgers)
    for path in STAGES:
        row = ledgers[path]
        total = sum(item.bytes for item in row.items) + row.unexplained_bytes
        assert total == row.rss_delta_bytes
        assert total == pytest.approx(changes[path], abs=max(abs(changes[path]) * 0.01, 100_000)), path
        assert abs(row.unexplained_bytes) < max(abs(changes[path]) * 0.05, 2_000_000), path


def test_the_first_request_touches_the_validator_s_mapped_weights(
    models: Path, report_of: Callable[[str], results.TraceReport]
) -> None:
    size = (models / "nli" / "model.safetensors").stat().st_size
    assert size > 1_600_000_000
    report = report_of("NLI validator")
    touched = {
        row.path: sum(item.bytes for item in row.items if item.category == "model file") for row in report.ledger or []
    }
    assert touched["init"] < 0.2 * size
    assert touched["first request"] > 0.8 * size


def run(position: int, folder: Path) -> results.TraceReport:
    trace = folder / "s.bin"
    task = ChildTask(
        spec=str(PLANTED / "short_guard.py"),
        positions=[position],
        purpose="resident",
        probes=LIGHT,
        trace=str(trace),
        session_id="x",
    )
    ended = run_task(task, folder, timeout=600)
    assert ended.outcome == "ok", ended.message
    return fwmemtrace.read(worker_path(trace, ended.pid)).summary()
