"""The folder of a running suite: kept while it runs, and removed by the next suite if it was killed."""

from __future__ import annotations

import subprocess
import sys
import tempfile

import pytest

from fwmemtrace.suite.work_folder import work_folder

KILLED = """
import os, sys, tempfile
tempfile.tempdir = sys.argv[1]
from fwmemtrace.suite.work_folder import work_folder
with work_folder():
    os._exit(0)
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no flock")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def folders(temporary):
    return {path.name for path in temporary.iterdir()}


def test_a_folder_in_use_stays_and_is_removed_at_the_end(temporary):
    with work_folder():
        before = folders(temporary)
        with work_folder():
            assert before < folders(temporary)
        assert folders(temporary) == before
    assert folders(temporary) == set()


@pytest.mark.slow
def test_the_folder_of_a_killed_suite_is_removed_by_the_next(temporary):
    subprocess.run([sys.executable, "-c", KILLED, str(temporary)], check=True)
    (temporary / "fwmemtrace-suite-of-another-kind").mkdir()
    (left,) = folders(temporary) - {"fwmemtrace-suite-of-another-kind"}
    with work_folder():
        assert left not in folders(temporary)
    assert folders(temporary) == {"fwmemtrace-suite-of-another-kind"}
