from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

PLANTED = Path(__file__).with_name("planted")


@dataclass
class CommandResult:
    """The output of one run of the command."""

    trace: Path
    status: int
    output: str
    errors: str

    @property
    def suite(self):
        return json.loads(self.output)["suite"]

    def component(self, name):
        return next(component for component in self.suite["components"] if component["name"] == name)

    def levers(self, name):
        return [lever for lever in self.suite["matrix"] if lever["component"] == name]


def run_suite(spec, trace, *arguments):
    command = [sys.executable, "-m", "fwmemtrace", "suite", str(spec), "-o", str(trace), "--format", "json", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    return CommandResult(trace, done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def faults(tmp_path_factory):
    done = run_suite(PLANTED / "faults.py", tmp_path_factory.mktemp("faults") / "s.bin", "--repeat", "1")
    assert done.status == 0, done.errors
    return done


@pytest.fixture(scope="session")
def failures(tmp_path_factory):
    trace = tmp_path_factory.mktemp("failures") / "s.bin"
    arguments = ("--repeat", "1", "--timeout", "10s", "--memory-limit", "2GB")
    done = run_suite(PLANTED / "failures.py", trace, *arguments)
    assert done.status == 0, done.errors
    return done
