"""Runs the tests where a test that counts on the machine would fail: on one core, beside other load, without SIGINT.

Run it from the repository: `tox -e rough`, or `tox -e rough -- tests/probes` for some of them. Tests that need torch
are left out. Linux only.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable

_HOG = "import os, sys\nwhile os.getppid() == int(sys.argv[1]): pass"  # ends with this process, whatever ends that


def one_core() -> None:
    """Share one processor among all threads and processes."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def low_priority() -> None:
    """Leave the processors to others, and be interrupted anywhere."""
    os.nice(19)


def signals_ignored() -> None:
    """Start as nohup, a shell's background job or some CI runners would start it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def run_tests(condition: Callable[[], None], arguments: list[str]) -> int:
    """Run pytest under a condition; returns its exit status."""
    print(f"---- {condition.__name__}: {condition.__doc__}", flush=True)
    command = [sys.executable, "-m", "pytest", "-m", "not guard", *arguments]
    return subprocess.run(command, preexec_fn=condition, check=False).returncode


def main(arguments: list[str]) -> int:
    """Run them under all three; 0 if all passed."""
    statuses = [run_tests(one_core, arguments), run_tests(signals_ignored, arguments)]
    # As many as there are processors. They are as polite as the tests: beside impolite ones these would take hours.
    hog = [sys.executable, "-c", _HOG, str(os.getpid())]
    hogs = [subprocess.Popen(hog, preexec_fn=low_priority) for _ in os.sched_getaffinity(0)]
    try:
        statuses.append(run_tests(low_priority, arguments))
    finally:
        for process in hogs:
            process.kill()
            process.wait()
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
