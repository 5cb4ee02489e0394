"""Runs of one program with a model, compared: two of them differ by nothing, and 20 MB that were planted come first.

The model is torch's where that is installed, and arrays of the standard library where not.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from fwmemtrace.recording.child_environment import untraced_environment
from fwmemtrace.results.diff import Comparison, Difference
from stress.outcome import Outcome

FULL, SMALL = 20, 1
_PLANTED = 20_000_000
_PHASE = "serve/request"
_PROGRAM = """
import sys
import fwmemtrace
from fwmemtrace import phase

planted = int(sys.argv[2])
kept = []

def torch_model():
    import torch
    model = torch.nn.Sequential(*(torch.nn.Linear(1000, 1000) for _ in range(4)))
    return lambda: model(torch.ones(64, 1000)).sum().item()

def plain_model():
    from array import array
    weights = [array("f", bytes(4_000_000)) for _ in range(4)]
    return lambda: sum(sum(layer[:64_000]) for layer in weights)

with fwmemtrace.session(sys.argv[1], probes=["imports", "mappings"]):
    with phase("init"):
        try:
            answer = torch_model()
        except ImportError:
            answer = plain_model()
    with phase("serve"):
        for number in range(30):
            with phase("request"):
                answer()
                kept.append("x" * 1000)
                if number == 20:
                    kept.append(bytearray(planted))
"""


def run(number: int) -> Outcome:
    """Compare that many pairs of equal runs, and as many with something planted."""
    outcome = Outcome(number)
    equal = first = exact = 0
    Path("model.py").write_text(_PROGRAM, encoding="utf-8")
    for at in range(number):
        before, same, planted = (_trace(f"{at}-{which}.bin", size) for which, size in enumerate((0, 0, _PLANTED)))
        named = _differences(before, same)
        outcome.expect(not named, f"equal runs differ: {_words(named)}")
        equal += not named
        places = _differences(before, planted)
        # What malloc keeps of freed memory differs from run to run: so much of a change of RSS is noise, as diff says.
        off = abs(places[0].bytes.change - _PLANTED) if places and places[0].path == _PHASE else _PLANTED
        right = off <= min(places[0].noise_bytes, _PLANTED / 2) if places else False
        outcome.expect(right, f"20 MB in {_PHASE}: reported {_words(places)}")
        first += right
        exact += off <= _PLANTED / 10
    outcome.figures = {
        "equal runs without a difference": equal,
        "planted bytes reported first": first,
        "within a tenth": exact,
    }
    return outcome


def _words(places: list[Difference]) -> str:
    return ", ".join(f"{one.path or one.place} {one.bytes.change:+} ± {one.noise_bytes}" for one in places[:2])


def _trace(name: str, planted: int) -> str:
    """Run the program and return the name of its trace."""
    subprocess.run([sys.executable, "model.py", name, str(planted)], env=_environment(), check=True)
    return name


def _differences(before: str, after: str) -> list[Difference]:
    """Return what `diff` says beyond noise."""
    command = [sys.executable, "-m", "fwmemtrace", "diff", before, after, "--format", "json"]
    done = subprocess.run(command, env=_environment(), check=True, stdout=subprocess.PIPE)
    return msgspec.json.decode(done.stdout, type=Comparison).differences


def _environment() -> dict[str, str]:
    path = os.pathsep.join([*sys.path, os.environ.get("PYTHONPATH", "")])
    return {**untraced_environment(), "PYTHONPATH": path}
