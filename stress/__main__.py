"""`python -m stress [--small] [--number N] [name ...]`; exit status 1 if a trial failed or could not run."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence

import fwmemtrace
import stress

_NOT_TRIALS = {"__main__", "outcome"}


def names() -> list[str]:
    """Return the names of all trials."""
    return sorted(module.name for module in pkgutil.iter_modules(stress.__path__) if module.name not in _NOT_TRIALS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the trials of these names, or all, each in a process and a folder of its own."""
    parser = argparse.ArgumentParser(prog="python -m stress", description=stress.__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"all by default: {', '.join(names())}")
    parser.add_argument("--small", action="store_true", help="in the form that the tests run")
    parser.add_argument("--number", type=int, help="how many attacks instead")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if unknown := set(arguments.names) - set(names()):
        parser.error(f"unknown trial {sorted(unknown)[0]!r}; choose from {', '.join(names())}")
    if arguments.here:
        return _run(arguments.names[0], small=arguments.small, number=arguments.number)
    statuses = [_run_apart(name, arguments) for name in arguments.names or names()]
    return max(statuses, default=0)


def _run_apart(name: str, arguments: argparse.Namespace) -> int:
    options = [
        *(["--small"] if arguments.small else []),
        *(["--number", str(arguments.number)] * bool(arguments.number)),
    ]
    # The package that this process has: where it is installed, that in the checkout has no compiled core.
    rooms = [os.path.dirname(os.path.dirname(os.path.abspath(file))) for file in (__file__, fwmemtrace.__file__)]
    path = os.pathsep.join([*rooms, os.environ.get("PYTHONPATH", "")])
    with tempfile.TemporaryDirectory(prefix="fwmemtrace-stress-") as folder:
        command = [sys.executable, "-m", "stress", "--here", *options, name]
        return subprocess.run(command, cwd=folder, env={**os.environ, "PYTHONPATH": path}, check=False).returncode


def _run(name: str, *, small: bool, number: int | None) -> int:
    trial = importlib.import_module(f"stress.{name}")
    outcome = trial.run(number or (trial.SMALL if small else trial.FULL))
    print(outcome.line(name), flush=True)
    return 0 if outcome.withstood else 1


if __name__ == "__main__":
    sys.exit(main())
