"""The trials of the sampled heap in their small form; `python -m stress` runs them in full."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cpython_tests", "heap_long_run"])
def test_a_trial_is_withstood(compiled, name):
    done = subprocess.run(
        [sys.executable, "-m", "stress", "--small", name],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    if "NOT RUN" in done.stdout:
        pytest.skip(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "withstood" in done.stdout
