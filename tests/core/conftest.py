"""Fixtures for tests of the compiled core."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from fwmemtrace import core

RunProgram: TypeAlias = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def compiled() -> Any:
    """The compiled core; a test that needs it is skipped where it is not built or switched off."""
    module, reason = core.load()
    if module is None:
        pytest.skip(f"the compiled core cannot be used: {reason}")
    if (unfit := module.heap_check()) is not None:
        pytest.skip(f"the heap cannot be sampled here: {unfit}")
    return module


@pytest.fixture
def run_program(compiled: Any, tmp_path: Path) -> RunProgram:
    """Runs a program in a process of its own, where the sampler sees nothing of the tests."""

    def run(code: str, *, status: int | None = 0, **variables: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-X", "faulthandler", "-c", textwrap.dedent(code)],
            cwd=tmp_path,
            env=os.environ | variables,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert status is None or done.returncode == status, done.stderr
        return done

    return run
