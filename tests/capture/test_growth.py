"""The growth of native memory held by the runs of a phase, from the capture alone."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

import fwmemtrace

pytest.importorskip("memray")
pytestmark = pytest.mark.slow


def trends(tmp_path, body):
    program = f"""
        import fwmemtrace
        from fwmemtrace import phase
        kept, cache = [], {{}}
        with fwmemtrace.session("trace.bin", probes=["native"], interval=0):
            for call in range(300):
                with phase("request"):
                    {body}
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(program)], cwd=tmp_path, check=True, timeout=600)
    growth = fwmemtrace.read(tmp_path / "trace.bin").summary().growth
    return {trend.path: trend for trend in growth if trend.metric == "native"}


def test_a_leak_is_measured(tmp_path):
    trend = trends(tmp_path, "kept.append(bytearray(5_000))")["request"]
    assert trend.verdict == "growing"
    assert trend.calls == 300
    assert trend.low <= trend.slope_bytes_per_call <= trend.high
    assert trend.slope_bytes_per_call == pytest.approx(5_000, rel=0.05)


def test_a_cache_that_fills_is_saturating(tmp_path):
    assert trends(tmp_path, "cache[call % 120] = bytearray(5_000)")["request"].verdict == "saturating"


def test_memory_freed_in_the_next_call_is_flat(tmp_path):
    assert trends(tmp_path, "cache[0] = bytearray(200_000 + call % 7 * 1000)")["request"].verdict == "flat"
