"""The command that runs a program once more, with another probe."""

from __future__ import annotations

import argparse

import pytest

from fwmemtrace.analysis.program_command import with_probe
from fwmemtrace.cli import run


@pytest.mark.parametrize(
    ("words", "program"),
    [
        ("app.py -q", "app.py -q"),
        ("-o t.bin app.py", "app.py"),
        ("-ot.bin --probes=native app.py -f", "app.py -f"),
        ("-f -q --interval 10ms app.py", "app.py"),
        ("-fqo t.bin --interval=0 app.py", "app.py"),
        ("--force --quiet --deep --report -m app -o x", "-m app -o x"),
        ("-qm app", "-m app"),
        ("-fc pass -c", "-c pass -c"),
        ("--unknown app.py", ""),
        ("-x app.py", ""),
        ("-o t.bin", ""),
    ],
)
def test_the_program_is_what_follows_the_options(words: str, program: str) -> None:
    command = with_probe(["python", "-m", "fwmemtrace", "run", *words.split()], "tensors")
    again = ["python", "-m", "fwmemtrace", "run", "--report", "--probes", "tensors", *program.split()]
    assert command == (again if program else [])


def test_it_knows_each_option_of_run() -> None:
    parser = argparse.ArgumentParser()
    run.add(parser.add_subparsers())
    (subparsers,) = (action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for option in subparsers.choices["run"]._actions:
        for name in option.option_strings:
            if name in ("-m", "-c", "-h", "--help"):
                continue
            words = [name] if option.nargs == 0 else [name, "value"]
            assert with_probe(["python", "-m", "fwmemtrace", "run", *words, "app.py"], "tensors"), name
