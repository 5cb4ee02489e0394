"""A fleet of 1,000 hosts over 30 days, 50 million phase rows: what adding a day and asking all questions takes.

`python -m benchmarks fleet` takes some minutes and 2 GB of disk. BENCH_HOSTS and BENCH_DAYS set another size. The rows
are those of a real session, repeated with other sizes, hosts and versions; see fleet_data.py.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from benchmarks.harness import Row, fresh

_HOSTS = int(os.environ.get("BENCH_HOSTS", "1000"))
_DAYS = int(os.environ.get("BENCH_DAYS", "30"))
_PHASES = 1700  # rows of each host and day
_SECONDS, _BYTES = 5e9, 2e9

_GENERATE = """
import sys
from pathlib import Path
from benchmarks.fleet_data import generate

generate(Path(sys.argv[1]), *map(int, sys.argv[2:]))
print(0)
"""

_ASK = """
import json, sys, time
from fwmemtrace.fleet.answers import ask
from fwmemtrace.fleet.dataset import Dataset
from fwmemtrace.fleet.engines import open_fleet
from fwmemtrace.fleet.questions import QUESTIONS

seconds, found = {}, {}
with open_fleet(Dataset(sys.argv[1])) as fleet:
    for question in QUESTIONS:
        began = time.perf_counter()
        (answer,) = ask(fleet, [question])
        seconds[question.name] = time.perf_counter() - began
        found[question.name] = [dict(zip(answer.columns, row)) for row in answer.rows]
assert {row["path"] for row in found["grown"]} == {row["path"] for row in found["grown"][:1]}, found["grown"]
assert abs(found["grown"][0]["grew_bytes"] - 30e6) < 1e6
assert {row["host"] for row in found["outliers"]} == {"host 0013"}
assert found["next_killed"][0]["host"] in ("host 0013", "host 0021")
with open("/proc/self/status") as status:
    peak = next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))
print(json.dumps([max(seconds.values()), max(seconds, key=seconds.get), peak]))
"""

_ADD = """
import json, sys, time
import fwmemtrace
from fwmemtrace import phase
from fwmemtrace.fleet.dataset import Dataset
from fwmemtrace.fleet.rows import rows_of

seconds = []
for root in [f"{sys.argv[1]}-warm-up", *sys.argv[1:]]:
    trace = f"{root}.added.bin"
    with fwmemtrace.session(trace, service="shop"), phase("request"):
        pass
    (process,) = fwmemtrace.read(trace).processes
    rows = rows_of(process.session(), process.report(0))
    began = time.perf_counter()
    Dataset(root).add([rows])
    seconds.append(time.perf_counter() - began)
print(json.dumps(seconds[1:]))
"""


def run() -> list[Row]:
    """Generate the fleet, ask it, and add a day to it and to an empty one."""
    with tempfile.TemporaryDirectory() as folder:
        large, empty = Path(folder) / "large", Path(folder) / "empty"
        fresh(_GENERATE, str(large), str(_HOSTS), str(_DAYS), str(_PHASES))  # its memory is not that of the questions
        slowest, name, peak = fresh(_ASK, str(large))
        with_days, without = fresh(_ADD, str(large), str(empty))
    size = f"{_HOSTS * _DAYS * _PHASES / 1e6:.0f} M phase rows"
    return [
        Row(f"slowest question to {size} ({name})", slowest * 1e9, 0, 0, _SECONDS, "ns", "at most"),
        Row(f"peak RSS of all questions to {size}", peak, 0, 0, _BYTES, "B", "at most"),
        Row(
            "adding a day to this fleet, to an empty one",
            with_days * 1e9,
            without * 1e9,
            with_days / without,
            2.0,
            "ns",
        ),
    ]
