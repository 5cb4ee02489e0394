"""RQ's workers with a real Redis."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import fwmemtrace

pytestmark = pytest.mark.slow

REDIS = shutil.which("redis-server")

JOBS = """
    import mmap
    from fwmemtrace import phase

    kept = []

    def check(text):
        with phase("embed"):
            kept.append(mmap.mmap(-1, 20_000_000))
            kept[-1].write(b"x" * 20_000_000)
        return len(text)

    def fail(text):
        raise LookupError(text)
"""


@pytest.fixture
def redis(tmp_path: Path, wait_until: Callable[[Callable[[], Any]], None]) -> Iterator[Any]:
    """A client of a server that listens on a socket in the test's folder."""
    client_library = pytest.importorskip("redis", reason="needs redis")
    pytest.importorskip("rq", reason="needs rq")
    if REDIS is None:
        pytest.skip("needs Debian's package redis-server")
    socket = tmp_path / "redis.sock"
    options = ["--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no", "--dir", str(tmp_path)]
    with subprocess.Popen([REDIS, *options], stdout=subprocess.DEVNULL) as server:
        try:
            wait_until(socket.exists)
            with client_library.Redis(unix_socket_path=str(socket)) as client:
                yield client
        finally:
            server.terminate()


@pytest.mark.parametrize("worker", ["MemoryWorker", "MemorySimpleWorker"])
def test_jobs_run_in_phases(redis: Any, tmp_path: Path, worker: str) -> None:
    from rq import Queue
    from rq.job import JobStatus

    (tmp_path / "jobs.py").write_text(textwrap.dedent(JOBS))
    queue = Queue("checks", connection=redis)
    garbled = queue.enqueue("jobs.check", "x")
    redis.hset(garbled.key, "data", b"no pickle")
    checks = [queue.enqueue("jobs.check", "ab"), queue.enqueue("jobs.check", "abc")]
    failing = queue.enqueue("jobs.fail", "lost")
    command = ["rq", "worker", "--burst", "--worker-class", f"fwmemtrace.integrations.rq.{worker}", "checks"]
    start = f"import sys; from rq.cli import main; sys.argv[:] = {command}; main()"
    done = subprocess.run(
        [sys.executable, "-c", start],
        cwd=tmp_path,
        env={
            **os.environ,
            "FWMEMTRACE": "trace.bin",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "RQ_REDIS_URL": f"unix://{tmp_path / 'redis.sock'}",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [job.return_value() for job in checks] == [2, 3], done.stderr
    assert [job.get_status() for job in (garbled, failing)] == [JobStatus.FAILED] * 2
    rows = [row for row in fwmemtrace.read(tmp_path / "trace.bin").phases if row.path]
    by_path: dict[str, list[Any]] = {}
    for row in rows:
        by_path.setdefault(row.path, []).append(row)
    assert set(by_path) == {"job", "jobs.check", "jobs.check/embed", "jobs.fail"}
    assert len({row.pid for row in rows}) == (4 if worker == "MemoryWorker" else 1)  # a work horse for each job
    assert sum(row.calls for row in by_path["jobs.check"]) == 2
    assert all(row.resident.delta_bytes >= 20_000_000 for row in by_path["jobs.check"])
    assert [row.open_calls for row in rows] == [0] * len(rows)
    assert by_path["jobs.check"][0].attributes == {"queue": "checks", "state": "finished"}
    assert by_path["jobs.fail"][0].attributes == {"queue": "checks", "state": "failed"}
