"""Beside other tools that take part in the same process, or start processes: every call is in the traces.

Each program is run where its tool is installed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import fwmemtrace
from fwmemtrace.recording.child_environment import untraced_environment
from stress.outcome import Outcome, lack_of

FULL, SMALL = 200, 20
_AT_ONCE = 2  # programs


class _Tool(NamedTuple):
    """How a tool is tried: a program makes {number} calls of the phase `work`."""

    needs: tuple[str, ...]
    program: str
    command: tuple[str, ...] = ("program.py",)


_WORK = """
    import os, sys
    from fwmemtrace import phase

    @phase("work")
    def work(number):
        return number + 1
"""
_TOOLS = {
    "joblib, loky": _Tool(
        ("joblib",),
        """
        from joblib import Parallel, delayed
        from work import work
        if __name__ == "__main__":
            assert len(Parallel(n_jobs=2)(delayed(work)(number) for number in range({number}))) == {number}
        """,
    ),
    "joblib, threads": _Tool(
        ("joblib",),
        """
        from joblib import Parallel, delayed
        from work import work
        Parallel(n_jobs=4, prefer="threads")(delayed(work)(number) for number in range({number}))
        """,
    ),
    "DataLoader": _Tool(
        ("torch",),
        """
        from torch.utils.data import DataLoader
        from work import work
        class Data:
            def __len__(self): return {number}
            def __getitem__(self, number): return work(number)
        if __name__ == "__main__":
            assert sum(len(batch) for batch in DataLoader(Data(), batch_size=5, num_workers=2)) == {number}
        """,
    ),
    "torch.jit": _Tool(
        ("torch",),
        """
        import torch
        from fwmemtrace import phase
        from work import work
        class Model(torch.nn.Module):
            def forward(self, x): return x * 2
        traced = torch.jit.trace(Model(), torch.ones(2))
        scripted = torch.jit.script(Model())
        for number in range({number}):
            work(number)
            with phase("jit"):
                assert traced(torch.ones(2)).sum() == scripted(torch.ones(2)).sum()
        """,
    ),
    "torch.compile": _Tool(
        ("torch",),
        """
        import torch
        from work import work
        compiled = torch.compile(work, backend="eager")
        for number in range({number}):
            assert compiled(torch.tensor(number)) == number + 1
        """,
    ),
    "cProfile": _Tool(
        (), "from work import work\nfor number in range({number}): work(number)\n",
        ("-m", "cProfile", "-o", "profile.out", "program.py"),
    ),
    "coverage": _Tool(
        ("coverage",), "from work import work\nfor number in range({number}): work(number)\n",
        ("-m", "coverage", "run", "program.py"),
    ),
    "debugpy": _Tool(
        ("debugpy",), "from work import work\nfor number in range({number}): work(number)\n",
        ("-m", "debugpy", "--listen", "127.0.0.1:0", "program.py"),
    ),
    "pytest-memray": _Tool(
        ("pytest_memray",),
        """
        from work import work
        def test_work():
            for number in range({number}): work(number)
        """,
        ("-m", "pytest", "-q", "--memray", "-p", "no:cacheprovider", "program.py"),
    ),
    "FastAPI": _Tool(
        ("fastapi", "httpx"),
        """
        from fastapi import Depends, FastAPI
        from fastapi.testclient import TestClient
        from fwmemtrace import phase
        app = FastAPI()
        @phase("user")
        async def user(name: str = "nobody"): return name
        @app.get("/work")
        @phase("work")
        def endpoint(user: str = Depends(user), times: int = 1): return [user] * times
        client = TestClient(app)
        for number in range({number}):
            assert client.get("/work?name=me&times=2").json() == ["me", "me"]
        """,
    ),
    "Celery, prefork": _Tool(
        ("celery",),
        """
        import sys, time
        from pathlib import Path
        from celery import Celery
        from work import work
        for name in ("queue", "results"): Path(name).mkdir(exist_ok=True)
        app = Celery("program", broker="filesystem://", backend="file://results")
        app.conf.broker_transport_options = dict(data_folder_in="queue", data_folder_out="queue")
        app.conf.worker_max_tasks_per_child = 10
        @app.task(name="program.task")
        def task(number): return work(number)
        if __name__ == "__main__":
            import subprocess
            command = [sys.executable, "-m", "celery", "-A", "program", "worker", "-c", "2", "-l", "error"]
            worker = subprocess.Popen(command)
            try:
                waiting = [task.delay(number) for number in range({number})]
                assert [each.get(timeout=60) for each in waiting] == [number + 1 for number in range({number})]
            finally:
                worker.terminate()
                worker.wait(timeout=60)
        """,
    ),
}  # fmt: skip


def run(number: int) -> Outcome:
    """Let each program make that many calls."""
    lacks = {name: lack_of(tool.needs) for name, tool in _TOOLS.items()}
    tried = [name for name, lack in lacks.items() if not lack]
    outcome = Outcome(number * len(tried), left_out=[f"{name} ({lack})" for name, lack in lacks.items() if lack])
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for name, (calls, failure) in zip(tried, pool.map(lambda name: _try(name, number), tried), strict=True):
            outcome.expect(not failure, f"{name}: {failure}")
            outcome.expect(calls == number, f"{name}: {calls} of {number} calls are in the traces")
            outcome.figures[f"calls with {name}"] = calls
    return outcome


def _try(name: str, number: int) -> tuple[int, str]:
    """Run a program in a folder of its own; returns how many calls are in its traces, and how it failed if it did."""
    tool = _TOOLS[name]
    folder = Path("".join(letter for letter in name if letter.isalnum())).absolute()
    folder.mkdir()
    (folder / "work.py").write_text(textwrap.dedent(_WORK), encoding="utf-8")
    (folder / "program.py").write_text(textwrap.dedent(tool.program).replace("{number}", str(number)), encoding="utf-8")
    trace = folder / "trace.bin"
    done = subprocess.run(
        [sys.executable, *tool.command],
        cwd=folder,
        env={
            **untraced_environment(),
            "FWMEMTRACE": str(trace),
            "PYTHONPATH": os.pathsep.join([str(folder), *sys.path]),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    if not trace.exists():
        return 0, f"there is no trace; {done.stderr[-500:]}"
    rows = fwmemtrace.read(trace).phases
    return sum(row.calls for row in rows if row.names[-1:] == ("work",)), done.stderr[-500:] if done.returncode else ""
