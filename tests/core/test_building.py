"""The compiled core is optional: where it cannot be built, that is a note; where it is, it can be switched off."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fwmemtrace import core

ROOT = Path(__file__).parents[2]


def test_a_compiler_that_is_missing_or_fails_is_named():
    for compiler, message in [("no-such-compiler", "does not start"), ("false", "failed")]:
        done = subprocess.run(
            [sys.executable, ROOT / "hatch_build.py"],
            env=os.environ | {"CC": compiler},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr.startswith("the compiled core is not built: ")
        assert message in done.stderr or "it is for" in done.stderr


def test_it_can_be_switched_off(monkeypatch):
    monkeypatch.setenv(core.VARIABLE, "0")
    assert core.load() == (None, "FWMEMTRACE_CORE=0 switches it off")


def test_one_of_other_sources_is_not_used(monkeypatch):
    if core.load()[0] is None:
        pytest.skip(f"needs the compiled core: {core.load()[1]}")
    monkeypatch.setattr(core, "INTERFACE", core.INTERFACE + 1)
    compiled, reason = core.load()
    assert compiled is None
    assert "built from other sources" in reason


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("cc"), reason="needs Linux and a C compiler")
def test_it_compiles_without_warnings_and_loads(tmp_path):
    code = """
import importlib.util, pathlib, sys
sys.path.insert(0, sys.argv[1])
import hatch_build
target = pathlib.Path(sys.argv[2]) / hatch_build.NAME
hatch_build.compile_core(target)
spec = importlib.util.spec_from_file_location("fwmemtrace.core._compiled", target)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
print(module.heap_check())
"""
    done = subprocess.run([sys.executable, "-c", code, ROOT, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
