"""A trace of a real program, with names that no format may obey."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fwmemtrace.recording.child_environment import untraced_environment
from fwmemtrace.trace import Trace, read

ODD_NAMES = [
    "<script>alert(1)</script>",
    "\x1b[31mred\x07",
    "\u202eright to left",
    "lone \ud800",
    "a;b c/d",
    'quoted "x", = 1',
    "=1+1",
    "L" * 10_000,
]

PROGRAM = """
import asyncio
import sys
import threading
import fwmemtrace
from fwmemtrace import phase

kept = []

def grab(size):
    kept.append(bytearray(size))

async def task(number):
    with phase("task", number=number):
        await asyncio.sleep(0.01 * (number % 3))
        grab(100_000)

async def tasks():
    await asyncio.gather(*(task(number) for number in range(4)))

def work():
    with phase("thread"):
        grab(1_000_000)

options = {"native_traces": True} if "native" in sys.argv[2] else {}
with fwmemtrace.session(sys.argv[1], probes=sys.argv[2].split(","), **options):
    with phase("init"):
        grab(2_000_000)
        with phase("load"):
            grab(30_000_000)
    for name in eval(sys.argv[3]):
        with phase(name, odd=name):
            grab(500_000)
    with phase("serve"):
        asyncio.run(tasks())
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
"""


def make_trace(folder: Path, probes: str) -> Trace:
    path = folder / "trace.bin"
    command = [sys.executable, "-c", PROGRAM, str(path), probes, ascii(ODD_NAMES)]
    subprocess.run(command, check=True, env=untraced_environment(), timeout=600)
    return read(path)


@pytest.fixture(scope="session")
def rises_trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    return make_trace(tmp_path_factory.mktemp("rises"), "mappings,python_heap")


@pytest.fixture(scope="session")
def native_trace(tmp_path_factory: pytest.TempPathFactory) -> Trace:
    pytest.importorskip("memray")
    return make_trace(tmp_path_factory.mktemp("native"), "native,mappings")
