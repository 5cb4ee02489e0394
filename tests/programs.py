"""Programs that tests run in a process of their own."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

from fwmemtrace.recording.child_environment import untraced_environment


def run_program(folder: Path, code: str, *, timeout_s: float, **variables: str) -> subprocess.CompletedProcess[str]:
    """Write a program into a folder and run it there, without a session of the test's own around it."""
    script = folder / "program.py"
    script.write_text(textwrap.dedent(code))
    return subprocess.run(
        [sys.executable, str(script)],
        cwd=folder,
        env={**untraced_environment(), **variables},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
