"""Starts a fresh interpreter for one task, waits for it, and finds out how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns
from typing import BinaryIO

import msgspec

from ..errors import SuiteError
from ..recording.child_environment import untraced_environment
from .limits import CgroupLimit
from .protocol import ChildStatus, ChildTask, SuiteListing

_CHILD = (sys.executable, "-m", "fwmemtrace.suite.child")
_LOG_TAIL = 4096
_BARE = """
try:
    with open("/proc/self/statm") as statm:
        import os
        print(int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE"))
except (AttributeError, OSError):
    import psutil
    print(psutil.Process().memory_info().rss)
"""


class ProcessOutcome(msgspec.Struct, kw_only=True):
    """How a process ended; see `records.SuiteRun` for the possible outcomes."""

    pid: int
    outcome: str
    phase: str
    message: str
    wall_ns: int
    unwritten: str = ""  # why its trace could not be written to the end


def bare_rss() -> int:
    """Returns RSS of an interpreter that has done nothing, in bytes; 0 if it cannot be measured."""
    command = [sys.executable, "-c", _BARE]
    process = subprocess.run(command, capture_output=True, text=True, env=untraced_environment())
    return int(process.stdout) if process.returncode == 0 else 0


class Running:
    """The processes that run now, in any thread. Once stopped, it kills them, and those that start later."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._stopped = False

    def add(self, process: subprocess.Popen[bytes]) -> None:
        """Take a process that has just started."""
        with self._lock:
            self._processes.add(process)
            if self._stopped:
                _kill(process)

    def remove(self, process: subprocess.Popen[bytes]) -> None:
        """Forget a process that has ended."""
        with self._lock:
            self._processes.discard(process)

    def stop(self) -> None:
        """Kill all of them."""
        with self._lock:
            self._stopped = True
            for process in self._processes:
                _signal_group(process)


def list_components(spec: str, folder: Path, timeout: float | None) -> SuiteListing:
    """Reads a suite in a process of its own.

    Args:
        spec: the suite, as `FILE.py|MODULE[:NAME]`.
        folder: a folder for temporary files.
        timeout: seconds after which the process is killed.

    Raises:
        SuiteError: if the suite cannot be read.
    """
    answer = folder / "listing.json"
    with (folder / "listing.log").open("w+b") as log:
        try:
            process = subprocess.run(
                [*_CHILD, "--list", spec, str(answer)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=untraced_environment(),
                timeout=timeout,
            )
        except subprocess.TimeoutExpired as error:
            raise SuiteError(f"importing {spec} took longer than {timeout:g} s; raise --timeout") from error
        if not answer.exists():
            detail = f" ({line})" if (line := _last_line(log)) else ""
            raise SuiteError(f"importing {spec} ended the interpreter with status {process.returncode}{detail}")
    listing = msgspec.json.decode(answer.read_bytes(), type=SuiteListing)
    if listing.error:
        raise SuiteError(listing.error)
    return listing


def run_task(
    task: ChildTask,
    folder: Path,
    *,
    timeout: float | None = None,
    extra_environment: Mapping[str, str] | None = None,
    cgroup: CgroupLimit | None = None,
    limit: int = 0,
    running: Running | None = None,
) -> ProcessOutcome:
    """Runs one task to its end.

    Args:
        task: what to do.
        folder: a folder for temporary files.
        timeout: seconds after which the process and its children are killed.
        extra_environment: variables to set for the process.
        cgroup: makes the control group of the process; None for no group.
        limit: memory limit of that group, in bytes.
        running: told which process runs, so that another thread can end it.
    """
    running = running or Running()
    task_file, status_file, gate = folder / "task.json", folder / "status.json", folder / "go"
    status_file.unlink(missing_ok=True)
    gate.unlink(missing_ok=True)
    task.status_file = str(status_file)
    task.wait_for = str(gate) if cgroup is not None else ""
    task.parent = os.getpid()
    task_file.write_bytes(msgspec.json.encode(task))
    began = perf_counter_ns()
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen(
            [*_CHILD, str(task_file)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**untraced_environment(), **(extra_environment or {})},
            start_new_session=True,  # so that its children can be killed with it
        )
        group: Path | None = None
        timed_out, killed = False, ""
        running.add(process)
        try:
            if cgroup is not None:
                group = cgroup.enter(process.pid, limit)
            gate.touch()
            process.wait(timeout)
            _signal_group(process)  # what the component has left running
        except subprocess.TimeoutExpired:
            timed_out = True
            _kill(process)
        except BaseException:
            _kill(process)
            raise
        finally:
            running.remove(process)
            wall_ns = perf_counter_ns() - began
            if cgroup is not None and group is not None:
                killed = cgroup.killed(group)
                cgroup.leave(group)
        status = _read(status_file)
        if timed_out:
            outcome, message = "timed out", f"still running after {timeout:g} s, then killed"
        else:
            outcome, message = _outcome(process.returncode, status, killed, _last_line(log))
    return ProcessOutcome(
        pid=process.pid,
        outcome=outcome,
        phase=status.stage,
        message=message,
        wall_ns=wall_ns,
        unwritten=status.unwritten,
    )


def _outcome(returncode: int, status: ChildStatus, killed: str, last_line: str) -> tuple[str, str]:
    if killed:
        victim = "it" if returncode == -signal.SIGKILL else "a process that it started"
        return "out of memory", f"the kernel killed {victim} {killed}"
    if status.outcome:
        return status.outcome, status.message
    detail = f": {last_line}" if last_line else ""
    if "MemoryError" in last_line:
        return "out of memory", f"ended with status {returncode}{detail}"
    if returncode < 0:
        with suppress(ValueError):
            return "killed", f"killed by {signal.Signals(-returncode).name}{detail}"
    return "left", f"ended with status {returncode} before its work was done{detail}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    _signal_group(process)
    process.wait()


def _signal_group(process: subprocess.Popen[bytes]) -> None:
    """Kills a process and its children; who waits for it sees it end."""
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with suppress(ProcessLookupError):
        process.kill()


def _read(status_file: Path) -> ChildStatus:
    try:
        return msgspec.json.decode(status_file.read_bytes(), type=ChildStatus)
    except (OSError, msgspec.DecodeError):  # killed before or while it wrote
        return ChildStatus(stage="start")


def _last_line(log: BinaryIO) -> str:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - _LOG_TAIL))
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
