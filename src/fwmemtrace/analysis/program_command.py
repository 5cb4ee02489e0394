"""Takes the command line of `fwmemtrace run` apart, to run the same program once more."""

from __future__ import annotations

from collections.abc import Sequence

_WITH_VALUE = {"-o", "--output", "--probes", "--only-probes"}
_FLAGS = {"--native-traces", "--report", "--deep"}


def with_probe(command: Sequence[str], probe: str, options: Sequence[str] = ()) -> list[str]:
    """Returns the command that runs the program again with another probe, and prints the report.

    Args:
        command: of the traced process, as in `sys.orig_argv`.
        probe: the name of a probe.
        options: further options of `run`.

    Returns:
        The words of the command; [] if the process was not started by `run`.

    >>> with_probe(["/usr/bin/python3", "/usr/bin/fwmemtrace", "run", "-o", "t.bin", "app.py", "-v"], "tensors")
    ['fwmemtrace', 'run', '--report', '--probes', 'tensors', 'app.py', '-v']
    >>> with_probe(["python", "service.py"], "tensors")
    []
    """
    place = _run_at(command)
    if place is None:
        return []
    start = list(command[:place])
    if len(start) == 2 and _is_script(start[1]):
        start = ["fwmemtrace"]
    program = _program(command[place + 1 :])
    return [*start, "run", "--report", "--probes", probe, *options, *program] if program else []


def _run_at(command: Sequence[str]) -> int | None:
    """Returns where the word `run` is in a command of fwmemtrace's; None in any other command."""
    for place in range(1, len(command) - 1):
        started = command[place] == "fwmemtrace" and command[place - 1] == "-m"
        if (started or _is_script(command[place])) and command[place + 1] == "run":
            return place + 1
    return None


def _is_script(word: str) -> bool:
    return word.replace("\\", "/").rpartition("/")[2].removesuffix(".exe") == "fwmemtrace" and word != "fwmemtrace"


def _program(words: Sequence[str]) -> list[str]:
    """Returns the program and its arguments, from the words behind `run`."""
    place = 0
    module: list[str] = []
    while place < len(words) and words[place].startswith("-"):
        word = words[place]
        if word == "-m":
            module = ["-m"]
        elif word in _WITH_VALUE:
            place += 1
        elif word not in _FLAGS and word.partition("=")[0] not in _WITH_VALUE and not word.startswith("-o"):
            return []
        place += 1
    program = list(words[place:])
    return [*module, *program] if program else []
