"""How far the kernel's counters of resident pages may be from the page tables."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

import fwmemtrace
from fwmemtrace.recording.child_environment import untraced_environment
from fwmemtrace.reports.base import Options
from fwmemtrace.reports.terminal import TerminalReport
from fwmemtrace.system.counter_slack import counter_slack, slack_of


@pytest.mark.parametrize(
    ("release", "online", "usable", "threads", "slack"),
    [
        ("6.18.44-generic", 2, 2, 9, 3 * 32 * 2 * 4096),
        ("6.2.0", 64, 64, 9, 3 * 128 * 64 * 4096),
        ("6.8.0-45-generic", 64, 4, 9, 3 * 128 * 4 * 4096),
        ("5.15.0", 64, 64, 9, 64 * 9 * 4096),
        ("4.19", 64, 64, 1, 64 * 4096),
        ("unknown", 64, 64, 1, 0),
        ("23.1.0b", 2, 2, 1, 3 * 32 * 2 * 4096),
        ("6.x", 2, 2, 1, 0),
    ],
)
def test_the_bound_follows_the_kernels_batches(release, online, usable, threads, slack):
    assert slack_of(release, online, usable, threads, 4096) == slack


_PROGRAM = """
import mmap, re
from fwmemtrace.system.counter_slack import counter_slack
from fwmemtrace.system.meters import open_meter
meter = open_meter()
def counted():
    return int(re.search(rb"Rss:\\s+(\\d+)", open("/proc/self/smaps_rollup", "rb").read())[1]) * 1024
far = []
for pages in range(1, 200, 3):
    block = mmap.mmap(-1, pages * mmap.PAGESIZE)
    for page in range(pages):
        block[page * mmap.PAGESIZE] = 1
    before, rss, after = counted(), meter.rss(), counted()
    if before == after:
        far.append(abs(rss - after))
    block.close()
assert far
print(max(far) <= counter_slack(), max(far), counter_slack())
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="needs smaps_rollup")
def test_rss_is_within_the_bound_of_the_page_tables():
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], env=untraced_environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("True"), done.stdout


def test_a_report_says_it_where_it_matters(tmp_path):
    with fwmemtrace.session(tmp_path / "trace.bin", interval=0):
        pass
    report = fwmemtrace.read(tmp_path / "trace.bin").summary()
    process = report.trace.processes[0]
    assert process.counter_slack_bytes == counter_slack()
    for slack, said in ((0, False), (process.peak_bytes // 100, False), (100_000_000 + process.peak_bytes, True)):
        changed = msgspec.structs.replace(process, counter_slack_bytes=slack)
        trace = msgspec.structs.replace(report.trace, processes=[changed])
        text = TerminalReport().render(msgspec.structs.replace(report, trace=trace), Options())
        text = " ".join(text.split())  # whatever the width of its figures, lines break elsewhere
        assert ("RSS and its peaks may be off by up to" in text) is said
