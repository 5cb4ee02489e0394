"""Asking what objects refer to crashes no program."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
from pathlib import Path

import pytest

import fwmemtrace
from fwmemtrace.heap.referents import for_version, referents

SOURCE = Path(fwmemtrace.__file__).parents[1]
PROGRAM = """
import asyncio, gc
import fwmemtrace
from fwmemtrace import deep_size, phase

async def wait(future):
    return await future

@phase("wait")
async def main():
    for _ in range(50):
        futures = [asyncio.get_running_loop().create_future() for _ in range(300)]
        tasks = [asyncio.ensure_future(wait(future)) for future in futures]
        await asyncio.sleep(0)
        for future in futures:
            future.set_result(1)
        await asyncio.gather(*tasks)

with fwmemtrace.session("trace.bin", probes=["objects", "tensors"]):
    for _ in range(5):
        asyncio.run(main())
        gc.collect()
from fwmemtrace.suite.arrays import take_stock
take_stock()
for _ in range(3):
    asyncio.run(main())
    gc.collect()
print(deep_size([1, 2]) > 0)
"""


@pytest.mark.slow
def test_a_program_with_asyncio_survives_a_census(tmp_path):
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr


@pytest.mark.parametrize("version", [(3, 12, 0), (3, 12, 5)])
def test_versions_that_would_crash_leave_asyncio_s_module_out(version):
    module = sys.modules["_asyncio"]
    ask = for_version(version)
    assert ask(module) == []
    assert ask([1234567], module) == [1234567]
    assert ask(asyncio) != []  # another module


@pytest.mark.parametrize("version", [(3, 11, 7), (3, 12, 6), (3, 13, 0)])
def test_other_versions_use_the_collector_s_own_function(version):
    assert for_version(version) is gc.get_referents


def test_the_function_is_that_for_this_version():
    assert referents is for_version(sys.version_info[:3])
