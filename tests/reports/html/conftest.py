"""A trace with everything that a page shows, made once."""

from __future__ import annotations

import subprocess
import sys

import pytest

import fwmemtrace

PROGRAM = """
import decimal
import threading
import numpy as np
from fwmemtrace import phase, session

kept = []


def request(number):
    with phase("request"):
        with phase("parse"):
            kept.append([str(number) + str(one) for one in range(300)])
        with phase("compute"):
            return np.ones((100, 1000)).sum()


def poll():
    with phase("poll"):
        kept.append(bytearray(3_000_000))


with session("trace.bin", probes=["native", "imports", "mappings", "tensors", "collector"]):
    with phase("init", model="small"):
        import email.mime.text
        kept.append(np.ones((500, 1000)))
    thread = threading.Thread(target=poll)
    thread.start()
    for number in range(60):
        request(number)
    thread.join()
    try:
        with phase("fails"):
            raise ValueError("x")
    except ValueError:
        pass
"""


@pytest.fixture(scope="session")
def trace(tmp_path_factory: pytest.TempPathFactory) -> fwmemtrace.Trace:
    folder = tmp_path_factory.mktemp("browser")
    (folder / "service.py").write_text(PROGRAM)
    subprocess.run([sys.executable, "service.py"], cwd=folder, check=True, timeout=120)
    return fwmemtrace.read(folder / "trace.bin")
