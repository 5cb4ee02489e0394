"""Runs readers on inputs that were made to break them, and keeps what does.

    python -m fuzz                              10,000 inputs to each reader but that of captures
    python -m fuzz frames --inputs 1000000      so many to one reader
    python -m fuzz captures --seconds 60        for so long
    python -m fuzz frames --engine atheris      guided by coverage, for --seconds or until interrupted; needs atheris

An input is at fault if it raises anything but an error of ours, takes more than 5 seconds, or ends the process. It is
then in build/fuzz, by the name of its reader, and `python -m fuzz READER --replay FILE` runs it again.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import fwmemtrace

from . import inputs
from .targets import TARGETS

_FOUND = Path("build/fuzz")
_SLOW_S = 5.0
_MOST_BYTES = 10**9  # of RSS


def main(argv: Sequence[str] | None = None) -> int:
    """Feed the readers of these names, or all; the status is 1 if one has a fault."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Feed readers with inputs made to break them.")
    parser.add_argument(
        "targets", nargs="*", metavar="READER", help=f"{', '.join(TARGETS)}; all but captures by default"
    )
    parser.add_argument("--inputs", type=int, default=10_000, metavar="N", help="inputs to each reader")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="the longest time for each reader")
    parser.add_argument("--seed", type=int, default=1, help="where the random numbers start")
    parser.add_argument("--engine", choices=["random", "atheris"], default="random")
    parser.add_argument("--replay", type=Path, metavar="FILE", help="one input, in place of random ones")
    arguments = parser.parse_args(argv)
    names = arguments.targets or [name for name in TARGETS if name != "captures"]
    unknown = [name for name in names if name not in TARGETS]
    if unknown:
        parser.error(f"unknown reader {unknown[0]!r}; choose from {', '.join(TARGETS)}")
    if arguments.replay is not None:
        TARGETS[names[0]](arguments.replay.read_bytes())
        return 0
    if arguments.engine == "atheris":
        return _guided(names[0], arguments.seconds)
    faults = sum(_random(name, arguments.inputs, arguments.seconds, arguments.seed) for name in names)
    rss = _peak_bytes()
    print(f"{faults} faults; peak RSS {rss / 1e6:.0f} MB")
    return 1 if faults or rss > _MOST_BYTES else 0


def _peak_bytes() -> int:
    """Return this process's own peak RSS; getrusage's is that of the process that started it, if that was larger."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM:"))


def _random(name: str, count: int, seconds: float, seed: int) -> int:
    """Run a reader on mutated seeds and return the number of faults."""
    target = TARGETS[name]
    random = Random(f"{name} {seed}")
    seeds = _seeds(name, random)
    began = time.monotonic()
    done = faults = 0
    slowest = 0.0
    while done < count and time.monotonic() - began < seconds:
        data = inputs.mutated(random.choice(seeds), random)
        started = time.monotonic()
        fault = _fault(target, data)
        took = time.monotonic() - started
        slowest = max(slowest, took)
        done += 1
        if fault or took > _SLOW_S:
            faults += 1
            _FOUND.mkdir(parents=True, exist_ok=True)
            path = _FOUND / f"{name}-{seed}-{done}"
            path.write_bytes(data)
            print(f"{path}: {fault or f'took {took:.1f} s'}", file=sys.stderr)
    print(
        f"{name}: {done:,} inputs in {time.monotonic() - began:.0f} s, {faults} faults, slowest {slowest:.2f} s",
        flush=True,
    )
    return faults


def _fault(target: Callable[[bytes], None], data: bytes) -> str:
    try:
        target(data)
    except Exception:
        return traceback.format_exc(limit=-3)
    return ""


def _seeds(name: str, random: Random) -> list[bytes]:
    """Return the inputs that are mutated: small ones, of every kind that the reader knows."""
    corpus = [path.read_bytes() for path in sorted((Path(__file__).parent / "corpus" / name).glob("*"))]
    match name:
        case "frames" | "traces":
            return [*corpus, *(inputs.trace(inputs.records(random)) for _ in range(200))]
        case "parts":
            return [inputs.part(random) for _ in range(200)]
        case "reports":
            return [random.randbytes(16) for _ in range(200)]
        case "libraries":
            import zlib

            return [*corpus, Path(zlib.__file__).read_bytes()[:65536]] if zlib.__file__ else corpus
        case "captures":
            return [_capture(native) for native in (False, True)]
        case _:
            return corpus


def _capture(native: bool) -> bytes:
    """Record a small capture. It has paths of this machine, so it is not in the corpus."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.bin"
        code = (
            "import fwmemtrace\n"
            f"with fwmemtrace.session({str(path)!r}, probes=['native'], interval=0, native_traces={native}):\n"
            "    with fwmemtrace.phase('a'):\n"
            "        kept = [bytes(5000) for _ in range(20)]\n"
            "        with fwmemtrace.phase('b'):\n"
            "            more = bytearray(10**6)\n"
            "        del kept\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True)
        with fwmemtrace.read(path).capture() as capture:
            return capture.read_bytes()


# In a process of its own: what is imported already is not instrumented.
_GUIDED = """
import sys
import atheris
with atheris.instrument_imports(include=["fwmemtrace"]):
    from fuzz.targets import TARGETS
atheris.Setup(sys.argv[:1] + sys.argv[2:], TARGETS[sys.argv[1]])
atheris.Fuzz()
"""


def _guided(name: str, seconds: float) -> int:
    """Let atheris look for inputs, which it adds to the ones that are mutated otherwise."""
    corpus = _FOUND / f"{name}-corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(_seeds(name, Random(name))):
        (corpus / f"seed-{number}").write_bytes(seed)
    limit = [] if seconds == float("inf") else [f"-max_total_time={seconds:.0f}"]
    found = [f"-artifact_prefix={_FOUND}/", "-timeout=5", "-rss_limit_mb=1000", *limit]
    return subprocess.run([sys.executable, "-c", _GUIDED, name, *found, str(corpus)], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
