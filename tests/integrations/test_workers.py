"""A service in several processes: its trace, its metrics and its spans tell the same of each route."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_trace_prometheus_and_spans_of_gunicorns_workers_agree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    workers = importlib.import_module("benchmarks.workers")
    for need in workers.NEEDS:
        pytest.importorskip(need, reason=f"needs {need}")
    reported = workers.serve(tmp_path, 24, model=False)
    assert (reported.processes, reported.complete) == (4, True)
    assert reported.trace.calls == {"GET /check/{number}": 18, "GET /batch/{number}": 6}
    assert reported.trace == reported.prometheus == reported.spans
