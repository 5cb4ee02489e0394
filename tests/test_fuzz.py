"""A small form of `python -m fuzz`: every reader takes inputs that were made to break it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def fuzz(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from fuzz.__main__ import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("reader", "inputs"),
    [
        ("frames", 3000),
        ("texts", 3000),
        ("libraries", 100),
        ("traces", 20),
        ("parts", 200),
        ("reports", 20),
        ("captures", 40),
    ],
)
def test_no_input_is_at_fault(reader, inputs, tmp_path):
    done = fuzz(tmp_path, reader, "--inputs", str(inputs))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"{reader}: {inputs:,} inputs" in done.stdout


@pytest.mark.slow
def test_a_fault_is_found_and_kept(tmp_path):
    (tmp_path / "broken.py").write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from types import MappingProxyType\n"
        "import fuzz.__main__ as fuzz\n"
        "fuzz.TARGETS = MappingProxyType({'texts': lambda data: 1 / 0})\n"
        "sys.exit(fuzz.main(['texts', '--inputs', '3']))\n"
    )
    done = subprocess.run([sys.executable, "broken.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.count("ZeroDivisionError: division by zero") == 3
    assert len(list((tmp_path / "build" / "fuzz").iterdir())) == 3
