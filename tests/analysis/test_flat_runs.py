"""A program that does not grow is not reported as a leak: fifty sessions of it, with RSS from the kernel."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap

import pytest

PROGRAM = """
    import json, random, sys
    import fwmemtrace
    from fwmemtrace import phase
    from fwmemtrace.analysis.process_fold import ProcessFold
    from fwmemtrace.analysis.growth import GrowthFold
    from fwmemtrace.sinks.memory import MemorySink

    random.seed(int(sys.argv[1]))
    verdicts = []
    for run in range(50):
        sink = MemorySink()
        cache = {}
        with fwmemtrace.session(sink, interval=0):
            for call in range(120):
                with phase("request"):
                    blocks = [bytearray(random.randrange(1000, 40_000)) for _ in range(random.randrange(10, 40))]
                    cache[call % 10] = {number: str(number) * 10 for number in range(random.randrange(50, 500))}
        growth = GrowthFold()
        ProcessFold([growth]).read(sink.records)
        verdicts += [trend.verdict for trend in growth.result() if trend.metric == "rss"]
    print(json.dumps(verdicts))
"""


@pytest.mark.slow
def test_fifty_sessions_of_a_flat_program_give_at_most_two_false_alarms():
    command = [sys.executable, "-c", textwrap.dedent(PROGRAM), "1"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=600)
    verdicts = json.loads(done.stdout)
    assert len(verdicts) == 50
    assert sum(verdict != "flat" for verdict in verdicts) <= 2, verdicts
