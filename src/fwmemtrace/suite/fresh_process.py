"""Starts one fresh interpreter, waits for it, and says how it ended, whatever it did."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import msgspec

from ..errors import SuiteError
from ..packages import PACKAGE_FOLDERS
from .child import Listed, Plan, Told
from .limits import CgroupLimit

_OURS = "FWMEMTRACE"  # no variable of an outer session shall reach a component
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


class Ended(msgspec.Struct, kw_only=True):
    """How a process ended; see `records.SuiteRun` for the words."""

    pid: int
    outcome: str
    phase: str
    message: str
    wall_ns: int


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a component's process: this one's without the tracer's own variables."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    root = str(Path(__file__).resolve().parents[2])
    known = kept.get("PYTHONPATH", "").split(os.pathsep)
    if root in sys.path and root not in known and not root.endswith(PACKAGE_FOLDERS):
        kept["PYTHONPATH"] = os.pathsep.join([*filter(None, known), root])
    return {**kept, **extra}


def bare_rss() -> int:
    """RSS of an interpreter that has done nothing, in bytes."""
    done = subprocess.run([sys.executable, "-c", _BARE], capture_output=True, text=True, env=environment({}))
    return int(done.stdout) if done.returncode == 0 else 0


def list_components(spec: str, folder: Path, timeout: float | None) -> list[Listed]:
    """What a suite has, asked for in a process of its own.

    Raises:
        SuiteError: if the suite cannot be read, with what the suite file raised.
    """
    answer = folder / "listed.json"
    command = [sys.executable, "-m", "fwmemtrace.suite.child", "--list", spec, str(answer)]
    with (folder / "listed.log").open("w+b") as log:
        try:
            done = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment({}), timeout=timeout
            )
        except subprocess.TimeoutExpired as error:
            raise SuiteError(
                f"found that importing {spec} takes longer than the limit, expected it to end: give a longer --timeout"
            ) from error
        if not answer.exists():
            raise SuiteError(
                f"found that the process that imports {spec} ended with status {done.returncode} ({_last_line(log)}), "
                "expected it to list its components: import it by hand to see why"
            )
    content: Any = msgspec.json.decode(answer.read_bytes())
    if isinstance(content, dict):
        raise SuiteError(content["error"])
    return msgspec.convert(content, list[Listed])


def carry_out(
    plan: Plan,
    folder: Path,
    *,
    timeout: float | None = None,
    extra_environment: Mapping[str, str] | None = None,
    cgroup: CgroupLimit | None = None,
    limit: int = 0,
) -> Ended:
    """Run one plan to its end.

    Args:
        plan: what to do.
        folder: where files may be written that nobody needs later.
        timeout: seconds after which the process and its children are killed.
        extra_environment: variables to set besides.
        cgroup: where the process gets a control group of its own with `limit`.
        limit: bytes.
    """
    told, plan_file = folder / "told.json", folder / "plan.json"
    told.unlink(missing_ok=True)
    plan.told = str(told)
    gate = folder / "go"
    gate.unlink(missing_ok=True)
    plan.wait_for = str(gate) if cgroup is not None else ""
    plan_file.write_bytes(msgspec.json.encode(plan))
    began = perf_counter_ns()
    with (folder / "log").open("w+b") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "fwmemtrace.suite.child", str(plan_file)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(extra_environment or {}),
            start_new_session=True,  # so that a timeout ends its children too
        )
        group: Path | None = None
        timed_out, killed = False, ""
        try:
            if cgroup is not None:
                group = cgroup.enter(process.pid, limit)
            gate.touch()
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            timed_out = True
            _kill(process)
        except BaseException:
            _kill(process)
            raise
        finally:
            wall_ns = perf_counter_ns() - began
            if cgroup is not None and group is not None:
                killed = cgroup.was_hit(group)
                cgroup.leave(group)
        said = _read(told)
        outcome, message = _judge(process.returncode, said, timed_out, killed, timeout, _last_line(log))
    return Ended(pid=process.pid, outcome=outcome, phase=said.stage, message=message, wall_ns=wall_ns)


def _judge(
    status: int, said: Told, timed_out: bool, killed: str, timeout: float | None, last_line: str
) -> tuple[str, str]:
    if timed_out:
        return "timed out", f"it was still running after {timeout:g} s and was killed"
    if killed:
        what = "it" if status == -signal.SIGKILL else "a process that it started"
        return "out of memory", f"the kernel killed {what} {killed}"
    if said.outcome:
        return said.outcome, said.message
    detail = f": {last_line}" if last_line else ""
    if "MemoryError" in last_line:
        return "out of memory", f"it ended with status {status}{detail}"
    if status < 0:
        with suppress(ValueError):
            return "killed", f"it was killed by {signal.Signals(-status).name}{detail}"
    return "left", f"it ended with status {status} before its work was done{detail}"


def _kill(process: subprocess.Popen[bytes]) -> None:
    if hasattr(os, "killpg"):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


def _read(told: Path) -> Told:
    try:
        return msgspec.json.decode(told.read_bytes(), type=Told)
    except (OSError, msgspec.DecodeError):  # killed before its first word, or in the middle of one
        return Told(stage="start")


def _last_line(log: Any) -> str:
    log.seek(0, os.SEEK_END)
    log.seek(max(0, log.tell() - _LOG_TAIL))
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
